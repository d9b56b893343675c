#include "simulator/time/MicroBenchmarks.h"

#include "simulator/time/Json.h"
#include "simulator/time/TimeModel.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace attn {

using enum Constant;
using Json = nlohmann::ordered_json;

/// Cycles between two warp instructions of a sub-partition, of which a multiprocessor has 4.
static double interval(double perClock) { return 32 / (perClock / 4); }

static std::optional<double> kernelCycles(const Machine &machine, const std::string &name) {
  long long rows, columns, headDim, steps, sharedBy = 1;
  int read = 0;
  if (std::sscanf(name.c_str(), "kernel %lldx%lld head_dim=%lld steps=%lld%n", &rows, &columns,
                  &headDim, &steps, &read) != 4)
    return std::nullopt;
  KernelShape shape;
  shape.precision = Precision::F16;
  shape.rows = rows;
  shape.columns = columns;
  shape.headDim = shape.valueDim = headDim;
  std::string rest = name.substr(size_t(read));
  bool isMasked = std::sscanf(rest.c_str(), " masked=%lf%n", &shape.maskOps, &read) == 1;
  if (isMasked)
    rest = rest.substr(size_t(read));
  if (std::sscanf(rest.c_str(), " shared_by=%lld%n", &sharedBy, &read) == 1)
    rest = rest.substr(size_t(read));
  shape.sharedBy = sharedBy;
  if (!rest.empty() || sharedBy < 1 || steps < 0 || !checkShape(shape, machine))
    return std::nullopt;
  return fixedCycles(machine, shape) + double(steps) * stepCycles(machine, shape, isMasked).all;
}

/// Cycles between two products of a warpgroup.
static std::optional<double> wgmmaInterval(const Machine &m, const std::string &name) {
  int n = 0, groups = 0, read = 0;
  char form[3] = {};
  if (std::sscanf(name.c_str(), "wgmma m64n%dk16 %2[rs], %d warpgroups%n", &n, form, &groups,
                  &read) != 3 ||
      size_t(read) != name.size() || n < 128)
    return std::nullopt;
  return double(groups) * 2 * 64 * n * 16 / m[MatrixF16];
}

static std::optional<double> clockUnderLoad(const Machine &m, const std::string &name) {
  int percent = 0, read = 0;
  if (std::sscanf(name.c_str(), "clock with tensor cores busy %d %% of the time%n", &percent,
                  &read) != 1 ||
      size_t(read) != name.size())
    return std::nullopt;
  return m[ClockGhz] / (1 + m[ClockDrop] * percent / 100);
}

static std::optional<double> tmaBandwidth(const Machine &m, const std::string &name) {
  int bytes = 0, read = 0;
  char where[4] = {};
  // Smaller boxes wait for latencies.
  if (std::sscanf(name.c_str(), "TMA read bandwidth, boxes of %d bytes, %3[A-Z0-9]%n", &bytes,
                  where, &read) != 2 ||
      size_t(read) != name.size() || bytes < 16384)
    return std::nullopt;
  return where == std::string("L2") ? m[L2BytesPerClock] * m[Sms] * m[ClockGhz]
                                    : m[HbmGbs] * m[HbmEfficiency];
}

std::optional<double> predictMeasurement(const Machine &m, const std::string &name) {
  if (name == "ex2 interval")
    return interval(m[ExpPerClock]);
  if (name == "ffma interval" || name == "fadd interval" || name == "fmul interval")
    return interval(m[AluPerClock]);
  if (name == "shared memory load bandwidth")
    return m[SharedBytesPerClock];
  if (name == "HBM read bandwidth")
    return m[HbmGbs] * m[HbmEfficiency];
  if (name == "L2 read bandwidth" || name == "L2 to shared memory by cp.async")
    return m[L2BytesPerClock] * m[Sms] * m[ClockGhz];
  if (name == "clock of an idle machine")
    return m[ClockGhz];
  if (name == "empty kernels back to back")
    return m[LaunchUs];
  for (auto *rule : {kernelCycles, wgmmaInterval, clockUnderLoad, tmaBandwidth})
    if (std::optional<double> value = rule(m, name))
      return value;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static Status checkMeasurement(const Measurement &m, const std::string &where) {
  if (!(m.value > 0) || !std::isfinite(m.value))
    return makeError("{}: the value {} of '{}' must be positive and finite", where, m.value,
                     m.name);
  if (!(m.error > 0 && m.error <= 1))
    return makeError("{}: the error {} of '{}' must be above 0 and at most 1, a share of the value",
                     where, m.error, m.name);
  return {};
}

static Expected<std::vector<Measurement>> fromResults(const Json &json, const std::string &origin) {
  if (!json.contains("calibration") || !json["calibration"].is_array())
    return makeError("'{}' has no list 'calibration'", origin)
        .withNote("results.json of bench/gpu/run.py has one");
  std::vector<Measurement> list;
  for (const Json &row : json["calibration"]) {
    std::string where = fmt::format("row {} of 'calibration' in '{}'", list.size() + 1, origin);
    if (!row.is_object() || !row.contains("name") || !row["name"].is_string() ||
        !row.contains("status"))
      return makeError("{} has no 'name' and 'status'", where);
    if (row["status"] != "measured")
      continue;
    if (!row.contains("value") || !row["value"].is_number())
      return makeError("{} has no number 'value'", where);
    Measurement m{row["name"].get<std::string>(), row["value"].get<double>()};
    if (Status check = checkMeasurement(m, where); !check)
      return check.takeError();
    list.push_back(std::move(m));
  }
  return list;
}

/// The next field and the comma behind it, off the front of `line`.
static std::string takeField(std::string_view &line) {
  bool isQuoted = line.starts_with('"');
  if (isQuoted)
    line.remove_prefix(1);
  size_t end = line.find(isQuoted ? '"' : ',');
  std::string field(line.substr(0, end));
  line.remove_prefix(end == line.npos ? line.size() : end + isQuoted);
  if (line.starts_with(','))
    line.remove_prefix(1);
  return field;
}

static bool parseNumber(std::string_view text, double &value) {
  while (text.starts_with(' '))
    text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\r'))
    text.remove_suffix(1);
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

static Expected<std::vector<Measurement>> fromLines(std::string_view text,
                                                    const std::string &origin) {
  std::vector<Measurement> list;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty() || line == "\r" || line.starts_with('#'))
      continue;
    std::string where = fmt::format("'{}', line {}", origin, number);
    Measurement m;
    m.name = takeField(line);
    bool fits = parseNumber(takeField(line), m.value);
    if (fits && !line.empty())
      fits = parseNumber(takeField(line), m.error) && line.empty();
    if (!fits)
      return makeError("{} is not 'name,value' or 'name,value,error'", where)
          .withNote("a name with commas stands in double quotes");
    if (Status check = checkMeasurement(m, where); !check)
      return check.takeError();
    list.push_back(std::move(m));
  }
  return list;
}

Expected<std::vector<Measurement>> parseMeasurements(const std::string &text,
                                                     const std::string &origin) {
  size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos || text[first] != '{')
    return fromLines(text, origin);
  Expected<Json> json = parseObject(text, origin);
  if (!json)
    return json.takeError();
  return fromResults(*json, origin);
}

} // namespace attn
