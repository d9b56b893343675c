#include "tools/Fit.h"

#include "runtime/File.h"
#include "simulator/time/MachineFile.h"
#include "tools/FitAnswer.h"
#include "tools/NamedOrRead.h"
#include "tools/Progress.h"
#include "tools/Report.h"

#include <algorithm>
#include <cstdio>

namespace attn::tools {

/// Results of bench/gpu are about half a megabyte.
static constexpr uint64_t kMostBytes = 64 << 20;

/// The rows of whole calls, off the list.
static Expected<std::vector<Measurement>> takeRows(std::vector<Measurement> &measurements) {
  std::vector<Measurement> rows;
  for (const Measurement &m : measurements) {
    if (!isEndToEndRow(m.name))
      continue;
    if (Expected<EndToEndRow> row = parseEndToEndRow(m.name); !row)
      return row.takeError();
    rows.push_back(m);
  }
  std::erase_if(measurements, [](const Measurement &m) { return isEndToEndRow(m.name); });
  return rows;
}

static CheckedRow checked(const Measurement &m, const FitAnswer &answer, bool isPublished) {
  EndToEndRow row = *parseEndToEndRow(m.name);
  return {m.name, m.value, predictRow(answer.start, row), predictRow(answer.report.machine, row),
          isPublished};
}

static Expected<FitAnswer> fit(const FitOptions &options) {
  Expected<Machine> start = namedOrRead(options.gpu, builtinMachine, parseMachine);
  if (!start)
    return start.takeError();
  Expected<std::string> text = readFile(options.data, kMostBytes);
  if (!text)
    return text.takeError();
  Expected<std::vector<Measurement>> measurements = parseMeasurements(*text, options.data);
  if (!measurements)
    return measurements.takeError();
  Expected<std::vector<Measurement>> rows = takeRows(*measurements);
  if (!rows)
    return rows.takeError();
  if (options.fitsRows && rows->empty())
    return makeError("'{}' has no end-to-end rows to fit", options.data)
        .withNote("they are called, for example, 'attention tokens=4096 heads=16 head_dim=128'");
  Progress progress("fitting");
  Expected<FitReport> report =
      fitMachine(*start, *measurements, options.fitsRows ? *rows : std::vector<Measurement>{});
  if (!report)
    return report.takeError();
  FitAnswer answer{options.data.substr(options.data.find_last_of('/') + 1), std::move(*report),
                   std::move(*start), options.fitsRows, {}};
  for (const Measurement &row : *rows)
    answer.rows.push_back(checked(row, answer, false));
  // The published rows were measured on this machine and on no other.
  if (answer.start.name == "h100")
    for (const Measurement &row : publishedRows())
      answer.rows.push_back(checked(row, answer, true));
  return answer;
}

std::vector<Constant> untouchedConstants(const FitReport &report) {
  std::vector<Constant> list;
  for (const FittedConstant &c : report.constants)
    if (!c.isTouched)
      list.push_back(c.constant);
  return list;
}

static std::string calibrationOf(const FitAnswer &answer) {
  std::string fitted = fmt::format("{} measurements of {}", answer.report.used.size(), answer.source);
  std::vector<Constant> untouched = untouchedConstants(answer.report);
  if (untouched.empty())
    return fitted;
  std::string keys;
  for (Constant c : untouched)
    keys += std::string(keys.empty() ? "" : ", ") + constantInfos()[size_t(c)].key;
  if (answer.start.isCalibrated())
    return fmt::format("{}; {} as before: {}", fitted, keys, answer.start.calibration);
  return fmt::format("uncalibrated: {} are guesses; the others from {}", keys, fitted);
}

Machine fittedMachine(const FitAnswer &answer) {
  Machine machine = answer.report.machine;
  machine.name = answer.start.name + "-fitted";
  machine.calibration = calibrationOf(answer);
  for (const FittedConstant &c : answer.report.constants) {
    if (!c.isTouched)
      continue;
    ConstantValue &value = machine.constants[size_t(c.constant)];
    value.low = std::clamp(value.value - 2 * c.deviation, value.low, value.value);
    value.high = std::clamp(value.value + 2 * c.deviation, value.value, value.high);
    value.source = fmt::format("fitted to {}; before: {}", answer.source, value.source);
  }
  return machine;
}

int fitVerb(const FitOptions &options) {
  if (options.gpu.empty())
    return fail(makeError("a fit starts from a machine, whose ranges it keeps to")
                    .withNote("add, for example, '--gpu=h100'"));
  Expected<FitAnswer> answer = fit(options);
  if (!answer)
    return fail(answer.error());
  if (!options.output.empty())
    if (Status written = writeOutput(options.output, printMachine(fittedMachine(*answer))); !written)
      return fail(written.error());
  if (isQuiet() && !options.output.empty() && options.format != "json")
    return 0;
  // One of the two goes to the standard output.
  std::string report = options.format == "json" ? fitJson(*answer) : fitText(*answer);
  if (options.output == "-") {
    fmt::print(stderr, "{}", report);
    return 0;
  }
  Status written = writeOutput("-", report);
  return written ? 0 : fail(written.error());
}

} // namespace attn::tools
