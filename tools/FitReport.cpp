//===- FitReport.cpp - what attnc fit says -------------------------------===//
#include "simulator/time/PublishedRows.h"
#include "tools/FitAnswer.h"
#include "tools/ReportTable.h"

#include "nlohmann/json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace attn::tools {

namespace {

using Json = nlohmann::ordered_json;

const char *keyOf(Constant c) { return constantInfos()[size_t(c)].key; }

std::string percent(double ratio) { return fmt::format("{:+.1f} %", 100 * (ratio - 1)); }

std::string constantsText(const FitAnswer &answer) {
  TextRows rows{{"constant", "unit", "before", "fitted", "+-", "range", ""}};
  for (const FittedConstant &c : answer.report.constants) {
    if (!c.isTouched)
      continue;
    const ConstantValue &v = answer.start.constants[size_t(c.constant)];
    rows.push_back({keyOf(c.constant), constantInfos()[size_t(c.constant)].unit,
                    fmt::format("{:.4g}", c.before), fmt::format("{:.4g}", c.after),
                    fmt::format("{:.2g}", c.deviation), fmt::format("{:.4g} to {:.4g}", v.low, v.high),
                    c.isAtEnd ? "at the end of its range" : ""});
  }
  return alignedRows(rows);
}

std::string openText(const FitReport &report) {
  std::string text, keys;
  for (Constant c : untouchedConstants(report))
    keys += std::string(keys.empty() ? "" : ", ") + keyOf(c);
  if (!keys.empty())
    text += "no measurement depends on " + keys + ": they keep their values\n";
  for (const Undetermined &u : report.undetermined) {
    std::string weights;
    for (const auto &[constant, weight] : u.weights)
      weights += fmt::format("{}{} {:+.2f}", weights.empty() ? "" : ", ", keyOf(constant), weight);
    text += fmt::format("{}: {} (over the whole range {:.2f} standard deviations)\n",
                        u.weights.size() > 1 ? "these cannot be told apart" : "this is left open",
                        weights, u.singularValue);
  }
  for (const Correlation &c : report.correlations)
    text += fmt::format("{} and {} are correlated by {:+.2f}\n", keyOf(c.a), keyOf(c.b), c.value);
  return text;
}

std::string measurementsText(const FitReport &report) {
  TextRows rows{{"measurement", "measured", "predicted", "error"}};
  for (size_t i = 0; i < report.used.size(); ++i)
    rows.push_back({report.used[i].name, fmt::format("{:.5g}", report.used[i].value),
                    fmt::format("{:.5g}", report.predicted[i]),
                    percent(report.predicted[i] / report.used[i].value)});
  return alignedRows(rows);
}

std::string rowsText(const FitAnswer &answer) {
  if (answer.rows.empty())
    return "no end-to-end rows to check the constants with\n";
  ErrorSummary before, after;
  TextRows rows{{"end-to-end row, us", "measured", "before", "fitted", "error"}};
  for (const CheckedRow &row : answer.rows) {
    before.add(row.before, row.measured);
    after.add(row.after, row.measured);
    rows.push_back({row.name + (row.isPublished ? " (published)" : ""),
                    fmt::format("{:.5g}", row.measured), fmt::format("{:.5g}", row.before),
                    fmt::format("{:.5g}", row.after), percent(row.after / row.measured)});
  }
  return alignedRows(rows) +
         fmt::format("{} end-to-end rows, {}: mean error {:.1f} %, worst {:.1f} % (before the fit {:.1f} and "
                     "{:.1f} %)\n",
                     after.rows, answer.fitsRows ? "those of the data fitted" : "only checked",
                     100 * after.mean, 100 * after.worst, 100 * before.mean, 100 * before.worst);
}

Json constantsJson(const FitReport &report) {
  Json list = Json::array();
  for (const FittedConstant &c : report.constants)
    list.push_back({{"name", keyOf(c.constant)},
                    {"unit", constantInfos()[size_t(c.constant)].unit},
                    {"before", c.before},
                    {"fitted", c.after},
                    {"deviation", c.deviation},
                    {"depends", c.isTouched},
                    {"at_end_of_range", c.isAtEnd}});
  return list;
}

Json openJson(const FitReport &report) {
  Json list = Json::array();
  for (const Undetermined &u : report.undetermined) {
    Json weights = Json::object();
    for (const auto &[constant, weight] : u.weights)
      weights[keyOf(constant)] = weight;
    list.push_back({{"deviations_over_range", u.singularValue}, {"weights", std::move(weights)}});
  }
  return list;
}

} // namespace

std::string fitText(const FitAnswer &answer) {
  const FitReport &report = answer.report;
  std::string text =
      fmt::format("fit of {} to {}: {} measurements used, {} say nothing of the constants\n",
                  answer.start.name, answer.source, report.used.size(), report.ignored.size());
  text += fmt::format("  error {:.1f} %, before {:.1f} % (root mean square of the logarithm)\n",
                      100 * report.rmsAfter, 100 * report.rmsBefore);
  return text + constantsText(answer) + openText(report) + measurementsText(report) + rowsText(answer);
}

std::string fitJson(const FitAnswer &answer) {
  const FitReport &report = answer.report;
  Json used = Json::array(), rows = Json::array(), correlations = Json::array();
  for (size_t i = 0; i < report.used.size(); ++i)
    used.push_back({{"name", report.used[i].name},
                    {"measured", report.used[i].value},
                    {"predicted", report.predicted[i]}});
  for (const CheckedRow &row : answer.rows)
    rows.push_back({{"name", row.name},
                    {"measured_us", row.measured},
                    {"before_us", row.before},
                    {"fitted_us", row.after},
                    {"published", row.isPublished}});
  for (const Correlation &c : report.correlations)
    correlations.push_back({{"constants", {keyOf(c.a), keyOf(c.b)}}, {"correlation", c.value}});
  Json json = {{"machine", answer.start.name},
               {"data", answer.source},
               {"rms_before", report.rmsBefore},
               {"rms_after", report.rmsAfter},
               {"constants", constantsJson(report)},
               {"undetermined", openJson(report)},
               {"correlations", std::move(correlations)},
               {"measurements", std::move(used)},
               {"ignored", report.ignored},
               {"rows_fitted", answer.fitsRows},
               {"rows", std::move(rows)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace attn::tools
