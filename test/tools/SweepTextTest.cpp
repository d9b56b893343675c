// What --sweep= may say, and what is told where it says anything else.
#include "tools/SweepText.h"

#include <gtest/gtest.h>

namespace attn::test {
namespace {

using tools::parseSweep;
using tools::SweepKey;
using Value = std::vector<int64_t>;

std::string messageOf(const std::string &text, int64_t most = 1000) {
  Expected<std::vector<SweepKey>> keys = parseSweep(text, most);
  return keys ? "no error" : keys.error().message;
}

std::vector<Value> valuesOf(const std::string &text) {
  Expected<std::vector<SweepKey>> keys = parseSweep("key=" + text, 1000);
  EXPECT_TRUE(keys) << keys.error().message;
  return keys ? keys->front().values : std::vector<Value>{};
}

TEST(SweepText, listsAndRanges) {
  EXPECT_EQ(valuesOf("3|1|3"), (std::vector<Value>{{3}, {1}}));
  EXPECT_EQ(valuesOf("2..4"), (std::vector<Value>{{2}, {3}, {4}}));
  EXPECT_EQ(valuesOf("2..9:3|100"), (std::vector<Value>{{2}, {5}, {8}, {100}}));
  EXPECT_EQ(valuesOf("4x8x8"), (std::vector<Value>{{4, 8, 8}}));
  EXPECT_EQ(valuesOf("1..2x7x5..6"), (std::vector<Value>{{1, 7, 5}, {1, 7, 6}, {2, 7, 5}, {2, 7, 6}}));
}

TEST(SweepText, keysInTheirOrder) {
  Expected<std::vector<SweepKey>> keys = parseSweep("stride=all,window=8", 10);
  ASSERT_TRUE(keys);
  ASSERT_EQ(keys->size(), 2u);
  EXPECT_EQ((*keys)[0].name, "stride");
  EXPECT_TRUE((*keys)[0].isAll);
  EXPECT_EQ((*keys)[1].name, "window");
  EXPECT_FALSE((*keys)[1].isAll);
}

TEST(SweepText, mistakes) {
  EXPECT_EQ(messageOf(""), "'' in '--sweep' is no KEY=VALUES");
  EXPECT_EQ(messageOf("window"), "'window' in '--sweep' is no KEY=VALUES");
  EXPECT_EQ(messageOf("=3"), "'=3' in '--sweep' is no KEY=VALUES");
  EXPECT_EQ(messageOf("window=3,"), "'' in '--sweep' is no KEY=VALUES");
  EXPECT_EQ(messageOf("window=1,window=2"), "'window' is twice in '--sweep'");
  EXPECT_EQ(messageOf("window="), "'' is no value of 'window' in '--sweep'");
  EXPECT_EQ(messageOf("window=1|"), "'' is no value of 'window' in '--sweep'");
  EXPECT_EQ(messageOf("window=8x"), "'' is no value of 'window' in '--sweep'");
  EXPECT_EQ(messageOf("window=1..x3"), "'1..' is no value of 'window' in '--sweep'");
  EXPECT_EQ(messageOf("window=1..9:"), "'1..9:' is no value of 'window' in '--sweep'");
  EXPECT_EQ(messageOf("window=all|3"), "'all' is no value of 'window' in '--sweep'");
  EXPECT_EQ(messageOf("window=99999999999999999999"),
            "'99999999999999999999' is no value of 'window' in '--sweep'");
  EXPECT_EQ(messageOf("window=1..2000000000000"),
            "'1..2000000000000' of 'window' in '--sweep' is beyond 2^40");
  EXPECT_EQ(messageOf("window=9..1"), "the range '9..1' of 'window' in '--sweep' is empty");
  EXPECT_EQ(messageOf("window=1..9:0"),
            "the range '1..9:0' of 'window' in '--sweep' has the step 0, but at least 1 is allowed");
  EXPECT_EQ(messageOf("window=1..9:-2"),
            "the range '1..9:-2' of 'window' in '--sweep' has the step -2, but at least 1 is allowed");
}

TEST(SweepText, tooManyValues) {
  EXPECT_EQ(messageOf("w=1..10", 10), "no error");
  EXPECT_EQ(messageOf("w=1..11", 10), "'w' in '--sweep' has more than 10 values");
  EXPECT_EQ(messageOf("w=1..1000000000000", 10), "'w' in '--sweep' has more than 10 values");
  EXPECT_EQ(messageOf("w=1..4x1..4", 10), "'w' in '--sweep' has more than 10 values");
  EXPECT_EQ(messageOf("w=1..6|1..6", 10), "'w' in '--sweep' has more than 10 values");
}

} // namespace
} // namespace attn::test
