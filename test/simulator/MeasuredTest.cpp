// Predicted times of kernels for sm_80 against those measured on a GPU (bench/gpu/results).
#include "dialect/Targets.h"
#include "simulator/TimedProblem.h"
#include "simulator/time/Fit.h"
#include "test/simulator/Spec.h"

#include "nlohmann/json.hpp"
#include "llvm/ADT/StringExtras.h"

#include <fmt/core.h>
#include <fstream>
#include <gtest/gtest.h>
#include <map>

namespace attn::test {
namespace {

using Json = nlohmann::json;

const std::string kBench = std::string(ATTNC_SOURCE_DIR) + "/bench/gpu/";

Json readJson(const std::string &path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return Json::parse(file);
}

std::string readText(const std::string &path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<int64_t> extents(const std::string &text) {
  std::vector<int64_t> list;
  for (llvm::StringRef part : llvm::split(text, 'x'))
    list.push_back(std::stoll(part.str()));
  return list;
}

struct Row {
  std::string caseName, name;
  KernelShape shape;
  Work work;
  double ms;
  bool isAside; ///< not fitted
  double predicted(const Machine &machine) const {
    return predict(machine, shape, work, {}, Scheduling::ByClass).us / 1e3;
  }
};

Machine h200() {
  Expected<Machine> machine = builtinMachine("h200");
  EXPECT_TRUE(machine);
  return *machine;
}

/// A row of variants.json; nothing where the mask depends on run-time inputs.
std::optional<Row> rowOf(const Json &entry, const Json &oneCase) {
  std::string path = kBench + "specs/" + oneCase["spec"].get<std::string>() + ".attn";
  Spec spec(readText(path), path);
  EXPECT_TRUE(spec.attention) << spec.diagnostics;
  ProblemRequest request;
  std::vector<int64_t> tokens = oneCase["tokens"], kvTokens = oneCase["kv_tokens"], queryTile = extents(entry["q_tile"]),
                       keyTile = extents(entry["k_tile"]);
  bool isOpen = mlir::ShapedType::isDynamic(spec.attention.getTokens().getNumTokens());
  if (isOpen) {
    request.tokens = tokens;
    request.kvTokens = kvTokens;
  }
  request.queryTile = queryTile;
  request.keyTile = keyTile;
  mlir::FailureOr<Problem> problem = bindProblem(spec.attention, request);
  EXPECT_TRUE(succeeded(problem)) << spec.diagnostics;
  if (llvm::any_of(problem->groups, [](const MaskGroup &group) { return group.readsInputs; }))
    return std::nullopt;
  Expected<KernelShape> shape =
      compiledShapeOf(spec.attention, *problem, problem->groups.size(), *findTarget("sm_80"), h200());
  EXPECT_TRUE(shape) << shape.error().message;
  Row row{entry["case"], fmt::format("{} {} {}", entry["case"].get<std::string>(), entry["q_tile"].get<std::string>(),
                      entry["k_tile"].get<std::string>()),
          *shape, workOf(*problem), entry["median_ms"], entry.value("aside", false)};
  return row;
}

const std::vector<Row> &rows() {
  static const std::vector<Row> list = [] {
    std::map<std::string, Json> cases;
    Json listed = readJson(kBench + "specs/cases.json"), measured = readJson(kBench + "results/h200/variants.json");
    for (const Json &entry : listed)
      cases[entry["name"]] = entry;
    std::vector<Row> found;
    for (const Json &entry : measured["rows"])
      if (std::optional<Row> row = rowOf(entry, cases.at(entry["case"])))
        found.push_back(std::move(*row));
    return found;
  }();
  return list;
}

TEST(Measured, kernelsOnH200) {
  struct Errors {
    double sum = 0, worst = 0;
    int count = 0;
    double mean() const { return sum / count; }
  } fitted, aside;
  fmt::print("{:60} {:>10} {:>10} {:>8}\n", "case, query tile, key tile", "measured", "predicted", "error");
  for (const Row &row : rows()) {
    double predicted = row.predicted(h200()), error = std::abs(predicted / row.ms - 1);
    fmt::print("{:60} {:7.3f} ms {:7.3f} ms {:+7.1f} %{}\n", row.name, row.ms, predicted, 100 * (predicted / row.ms - 1),
               row.isAside ? "  aside" : "");
    Errors &errors = row.isAside ? aside : fitted;
    errors.sum += error;
    errors.worst = std::max(errors.worst, error);
    ++errors.count;
  }
  fmt::print("{} rows: mean error {:.1f} %, worst {:.1f} %; {} aside: mean {:.1f} %, worst {:.1f} %\n", fitted.count,
             100 * fitted.mean(), 100 * fitted.worst, aside.count, 100 * aside.mean(), 100 * aside.worst);
  ASSERT_GE(fitted.count, 60);
  ASSERT_GE(aside.count, 7);
  EXPECT_LE(fitted.mean(), 0.08);
  EXPECT_LE(fitted.worst, 0.30);
  EXPECT_LE(aside.mean(), 0.15);
}

/// The constants of Machine.cpp are those that fit these rows.
TEST(Measured, constantsAreTheFitted) {
  std::vector<Observation> observations;
  for (const Row &row : rows())
    if (!row.isAside)
      observations.push_back({row.name, row.ms, 0.05, [&row](const Machine &machine) { return row.predicted(machine); }});
  std::vector<Constant> which{Constant::WarpScoreOps, Constant::WarpOverlapPower, Constant::WarpOverlapMore,
                              Constant::WarpFixedCycles, Constant::WarpStepCycles};
  Expected<FitReport> report = fitObservations(h200(), observations, which);
  ASSERT_TRUE(report) << report.error().message;
  for (const FittedConstant &fitted : report->constants) {
    const ConstantInfo &info = constantInfos()[size_t(fitted.constant)];
    fmt::print("{:20} {:8.4g} -> {:8.4g} +- {:.2g}{}\n", info.key, fitted.before, fitted.after, fitted.deviation,
               fitted.isAtEnd ? " (at the end of its range)" : "");
  }
  fmt::print("rms {:.3f} -> {:.3f}\n", report->rmsBefore, report->rmsAfter);
  EXPECT_LT(report->rmsBefore, 1.1 * report->rmsAfter);
}

/// Of the tiles that were measured of a case, those that the model puts first are nearly the fastest.
TEST(Measured, choosesNearlyTheFastest) {
  std::map<std::string, std::vector<const Row *>> byCase;
  for (const Row &row : rows())
    byCase[row.caseName].push_back(&row);
  int compared = 0;
  for (auto &[name, list] : byCase) {
    if (list.size() == 1)
      continue;
    ++compared;
    const Row *chosen = list.front(), *best = list.front();
    for (const Row *row : list) {
      if (row->predicted(h200()) < chosen->predicted(h200()))
        chosen = row;
      if (row->ms < best->ms)
        best = row;
    }
    fmt::print("{:45} chosen {:.3f} ms, fastest {:.3f} ms of {}\n", name, chosen->ms, best->ms, list.size());
    EXPECT_LE(chosen->ms, 1.1 * best->ms) << chosen->name << " instead of " << best->name;
  }
  EXPECT_GE(compared, 10);
}

} // namespace
} // namespace attn::test
