// Machine tables and their files.
#include "simulator/time/MachineFile.h"

#include <gtest/gtest.h>

namespace attn::test {
namespace {

class Builtin : public ::testing::TestWithParam<const char *> {};
INSTANTIATE_TEST_SUITE_P(Machines, Builtin, ::testing::Values("a100", "h100", "h200", "b200"));

TEST_P(Builtin, constantsLieInTheirRangesAndHaveSources) {
  Expected<Machine> machine = builtinMachine(GetParam());
  ASSERT_TRUE(machine);
  for (size_t i = 0; i < kNumConstants; ++i) {
    const ConstantInfo &info = constantInfos()[i];
    const ConstantValue &c = machine->constants[i];
    EXPECT_LE(info.lowest, c.low) << info.key;
    EXPECT_LE(c.low, c.value) << info.key;
    EXPECT_LE(c.value, c.high) << info.key;
    EXPECT_LE(c.high, info.highest) << info.key;
    EXPECT_FALSE(c.source.empty()) << info.key;
  }
}

TEST_P(Builtin, filesGiveThemBack) {
  Expected<Machine> machine = builtinMachine(GetParam());
  ASSERT_TRUE(machine);
  Expected<Machine> again = parseMachine(printMachine(*machine), "m.json");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(printMachine(*again), printMachine(*machine));
  EXPECT_EQ(again->name, GetParam());
}

TEST(MachineFile, changesOfABase) {
  Expected<Machine> machine = parseMachine(
      R"({"name": "pcie", "base": "h100", "constants": {"sms": 114,
          "clock_ghz": {"value": 1.7, "low": 1.4, "high": 1.755, "source": "measured"}}})",
      "m.json");
  ASSERT_TRUE(machine) << machine.error().message;
  EXPECT_EQ((*machine)[Constant::Sms], 114);
  EXPECT_EQ((*machine)[Constant::ClockGhz], 1.7);
  EXPECT_EQ(machine->constants[size_t(Constant::ClockGhz)].low, 1.4);
  EXPECT_EQ((*machine)[Constant::ExpPerClock], 16);
  EXPECT_FALSE(machine->isCalibrated());
}

struct Mistake {
  const char *name, *text, *message;
};
void PrintTo(const Mistake &mistake, std::ostream *os) { *os << mistake.name; }
class MachineMistakes : public ::testing::TestWithParam<Mistake> {};

TEST_P(MachineMistakes, areTold) {
  Expected<Machine> machine = parseMachine(GetParam().text, "m.json");
  ASSERT_FALSE(machine);
  EXPECT_EQ(machine.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    MachineFile, MachineMistakes,
    ::testing::Values(
        Mistake{"empty", "", "'m.json' is no JSON"},
        Mistake{"noJson", "sms = 3", "'m.json' is no JSON"},
        Mistake{"noObject", "3", "'m.json' must hold an object: '{ ... }'"},
        Mistake{"noName", R"({"base": "h100"})", "'m.json' has no 'name'"},
        Mistake{"nameIsNoText", R"({"base": "h100", "name": 3})",
                "'name' of 'm.json' must be a string that is not empty"},
        Mistake{"unknownBase", R"({"name": "x", "base": "h900"})", "unknown machine 'h900'"},
        Mistake{"unknownKey", R"({"name": "x", "bases": "h100"})",
                "unknown key 'bases' in 'm.json'"},
        Mistake{"unknownConstant", R"({"name": "x", "base": "h100", "constants": {"sm": 3}})",
                "unknown key 'sm' in 'constants' of 'm.json'"},
        Mistake{"missing", R"({"name": "x", "constants": {}})",
                "'m.json' lacks the constant 'sms': streaming multiprocessors"},
        Mistake{"constantsAreAList", R"({"name": "x", "base": "h100", "constants": []})",
                "'constants' of 'm.json' must be an object"},
        Mistake{"negative", R"({"name": "x", "base": "h100", "constants": {"clock_ghz": -1}})",
                "constant 'clock_ghz' of 'm.json' is -1, but 0.1 to 10 GHz are allowed"},
        Mistake{"huge", R"({"name": "x", "base": "h100", "constants": {"sms": 1e300}})",
                "constant 'sms' of 'm.json' is 1e+300, but 1 to 4096 are allowed"},
        Mistake{"overflow", R"({"name": "x", "base": "h100", "constants": {"sms": 1e999}})",
                "'m.json' is no JSON"},
        Mistake{"half", R"({"name": "x", "base": "h100", "constants": {"sms": 1.5}})",
                "constant 'sms' of 'm.json' is 1.5, but must be a whole number"},
        Mistake{"text", R"({"name": "x", "base": "h100", "constants": {"sms": "many"}})",
                "constant 'sms' of 'm.json' must be a number"},
        Mistake{"noValue", R"({"name": "x", "base": "h100", "constants": {"hbm_gbs": {"low": 3}}})",
                "constant 'hbm_gbs' of 'm.json' has no 'value'"},
        Mistake{
            "outsideItsRange",
            R"({"name": "x", "base": "h100", "constants": {"hbm_gbs": {"value": 3, "low": 4, "high": 5}}})",
            "constant 'hbm_gbs' of 'm.json' is 3, which is not between its 'low' 4 and its 'high' "
            "5"},
        Mistake{
            "wrongSource",
            R"({"name": "x", "base": "h100", "constants": {"hbm_gbs": {"value": 3, "source": 4}}})",
            "'source' of constant 'hbm_gbs' of 'm.json' must be a string"},
        Mistake{"twice", R"({"name": "x", "base": "h100", "constants": {"sms": 3, "sms": 4}})",
                "'m.json' has the key 'sms' twice"}));

} // namespace
} // namespace attn::test
