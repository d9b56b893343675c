// Constants recovered from measurements that a known machine would give, and what data leave open.
#include "simulator/time/Fit.h"
#include "simulator/time/PublishedRows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fmt/core.h>

namespace attn::test {
namespace {

Machine h100() {
  Expected<Machine> machine = builtinMachine("h100");
  EXPECT_TRUE(machine);
  return *machine;
}

Measurement measured(const Machine &machine, const std::string &name) {
  std::optional<double> value = predictMeasurement(machine, name);
  EXPECT_TRUE(value) << name;
  return {name, value.value_or(0), 0.01};
}

const FittedConstant *find(const FitReport &report, Constant c) {
  for (const FittedConstant &fitted : report.constants)
    if (fitted.constant == c)
      return &fitted;
  return nullptr;
}

TEST(Fit, recoversWhatMicroBenchmarksDetermine) {
  Machine truth = h100();
  truth.set(Constant::ClockDrop, 0.15);
  truth.set(Constant::ClockGhz, 1.9);
  truth.set(Constant::L2BytesPerClock, 38);
  truth.set(Constant::LaunchUs, 4.4);
  truth.set(Constant::HbmEfficiency, 0.88);
  std::vector<Measurement> data;
  for (const char *name :
       {"clock of an idle machine", "clock with tensor cores busy 50 % of the time",
        "clock with tensor cores busy 100 % of the time", "L2 to shared memory by cp.async",
        "empty kernels back to back", "HBM read bandwidth", "ex2 interval"})
    data.push_back(measured(truth, name));
  data.push_back({"shfl latency", 25});
  Expected<FitReport> report = fitMachine(h100(), data);
  ASSERT_TRUE(report) << report.error().message;
  for (Constant c : {Constant::ClockDrop, Constant::ClockGhz, Constant::L2BytesPerClock,
                     Constant::LaunchUs, Constant::HbmEfficiency})
    EXPECT_NEAR(report->machine[c] / truth[c], 1, 2e-3) << constantInfos()[size_t(c)].key;
  EXPECT_LT(report->rmsAfter, 1e-3);
  EXPECT_GT(report->rmsBefore, 0.05);
  EXPECT_EQ(report->ignored, std::vector<std::string>{"shfl latency"});
  ASSERT_TRUE(find(*report, Constant::ScoreOps));
  EXPECT_FALSE(find(*report, Constant::ScoreOps)->isTouched);
  EXPECT_EQ(report->machine[Constant::ScoreOps], h100()[Constant::ScoreOps]);
}

/// A step's time alone gives one equation for the power of the overlap, the operations and L2.
TEST(Fit, tellsWhatTheDataCannotTellApart) {
  Machine truth = h100();
  std::vector<Measurement> data{measured(truth, "kernel 128x128 head_dim=128 steps=1"),
                                measured(truth, "kernel 128x128 head_dim=128 steps=16")};
  Expected<FitReport> report = fitMachine(h100(), data);
  ASSERT_TRUE(report);
  ASSERT_FALSE(report->undetermined.empty());
  for (const Undetermined &u : report->undetermined)
    EXPECT_LT(u.singularValue, 1);
  bool isNamed = false;
  for (const Undetermined &u : report->undetermined)
    for (auto [c, weight] : u.weights)
      isNamed |= c == Constant::ScoreOps;
  EXPECT_TRUE(isNamed);
  // Two numbers: two directions at most are determined.
  size_t touched = 0;
  for (const FittedConstant &fitted : report->constants)
    touched += fitted.isTouched;
  EXPECT_GE(report->undetermined.size() + 2, touched);
}

TEST(Fit, staysWithinTheRanges) {
  Expected<FitReport> report = fitMachine(h100(), {{"empty kernels back to back", 50, 0.01}});
  ASSERT_TRUE(report);
  EXPECT_DOUBLE_EQ(report->machine[Constant::LaunchUs], 6);
  EXPECT_TRUE(find(*report, Constant::LaunchUs)->isAtEnd);
}

TEST(Fit, nothingToFitIsAnError) {
  Expected<FitReport> report = fitMachine(h100(), {{"shfl latency", 25}});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message, "no measurement says anything of the constants of 'h100'");
}

std::vector<Observation> fittedRows() {
  std::vector<Observation> rows;
  for (const FlashAttentionRow &row : flashAttentionRows())
    if (row.isFitted)
      rows.push_back({fmt::format("{} tokens", row.tokens), row.tflops, 0.02,
                      [row](const Machine &machine) { return predictedTflops(machine, row); }});
  return rows;
}

/// The two constants of the built-in H100 that no data sheet has are those that fit the six rows
/// marked for it, rounded.
TEST(Fit, theBuiltinH100IsWhatItSaysItIs) {
  Machine start = h100();
  start.set(Constant::OverlapPower, 2);
  start.set(Constant::FixedCycles, 2000);
  Expected<FitReport> report =
      fitObservations(start, fittedRows(), {Constant::OverlapPower, Constant::FixedCycles});
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->undetermined.empty());
  for (const FittedConstant &fitted : report->constants) {
    double builtin = h100()[fitted.constant];
    fmt::print("{}: fitted {:.3f} +- {:.3f}, built in {}\n",
               constantInfos()[size_t(fitted.constant)].key, fitted.after, fitted.deviation,
               builtin);
    EXPECT_NEAR(builtin / fitted.after, 1, 0.03);
  }
}

/// With the clock's slope beside them the same rows do not say which of the two it is: hence the
/// clock is not fitted.
TEST(Fit, overlapAndClockCannotBeToldApartFromEndToEndTimes) {
  Expected<FitReport> report = fitObservations(
      h100(), fittedRows(), {Constant::OverlapPower, Constant::ClockDrop, Constant::FixedCycles});
  ASSERT_TRUE(report);
  bool isTold = !report->undetermined.empty();
  for (const Correlation &c : report->correlations)
    isTold |= c.a == Constant::ClockDrop && c.b == Constant::OverlapPower;
  EXPECT_TRUE(isTold);
}

TEST(Measurements, linesAndResultsGiveTheSame) {
  Expected<std::vector<Measurement>> lines =
      parseMeasurements("# measured by hand\n\"wgmma m64n256k16 ss, 2 warpgroups\",258.5\nex2 "
                        "interval, 8.1 ,0.05\r\n",
                        "m.csv");
  ASSERT_TRUE(lines) << lines.error().message;
  Expected<std::vector<Measurement>> rows = parseMeasurements(
      R"({"calibration": [{"name": "wgmma m64n256k16 ss, 2 warpgroups", "status": "measured", "value": 258.5},
          {"name": "broken", "status": "failed", "reason": "x"},
          {"name": "ex2 interval", "status": "measured", "value": 8.1}]})",
      "results.json");
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(lines->size(), 2u);
  ASSERT_EQ(rows->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*lines)[i].name, (*rows)[i].name);
    EXPECT_EQ((*lines)[i].value, (*rows)[i].value);
    EXPECT_TRUE(predictMeasurement(h100(), (*rows)[i].name));
  }
  EXPECT_EQ((*lines)[1].error, 0.05);
}

struct Mistake {
  const char *name, *text, *message;
};
void PrintTo(const Mistake &mistake, std::ostream *os) { *os << mistake.name; }
class MeasurementMistakes : public ::testing::TestWithParam<Mistake> {};
TEST_P(MeasurementMistakes, areTold) {
  auto list = parseMeasurements(GetParam().text, "m");
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().message, GetParam().message);
}
INSTANTIATE_TEST_SUITE_P(
    Files, MeasurementMistakes,
    ::testing::Values(
        Mistake{"noValue", "ex2 interval\n",
                "'m', line 1 is not 'name,value' or 'name,value,error'"},
        Mistake{"text", "\nex2 interval,fast",
                "'m', line 2 is not 'name,value' or 'name,value,error'"},
        Mistake{"more", "a,1,0.1,2", "'m', line 1 is not 'name,value' or 'name,value,error'"},
        Mistake{"negative", "a,-1", "'m', line 1: the value -1 of 'a' must be positive and finite"},
        Mistake{"infinite", "a,inf",
                "'m', line 1: the value inf of 'a' must be positive and finite"},
        Mistake{
            "noError", "a,1,0",
            "'m', line 1: the error 0 of 'a' must be above 0 and at most 1, a share of the value"},
        Mistake{"noJson", "{", "'m' is no JSON"},
        Mistake{"noList", "{}", "'m' has no list 'calibration'"},
        Mistake{"rowWithoutName", R"({"calibration": [{"status": "measured"}]})",
                "row 1 of 'calibration' in 'm' has no 'name' and 'status'"},
        Mistake{"rowWithoutValue", R"({"calibration": [{"name": "a", "status": "measured"}]})",
                "row 1 of 'calibration' in 'm' has no number 'value'"}));

} // namespace
} // namespace attn::test
