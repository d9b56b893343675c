// Scales and text of charts.
#include "tools/Chart.h"

#include <gtest/gtest.h>

namespace attn::test {
namespace {

using tools::Scale;

TEST(Chart, linearTicksAreRoundAndWithin) {
  EXPECT_EQ((Scale{0, 10, 0, 100}.ticks(5)), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ((Scale{0, 730, 0, 100}.ticks(4)), (std::vector<double>{0, 200, 400, 600}));
}

TEST(Chart, logarithmicTicksAreDecadesWhereTheyAreMany) {
  EXPECT_EQ((Scale{1, 100, 0, 1, true}.ticks(12)), (std::vector<double>{1, 2, 5, 10, 20, 50, 100}));
  EXPECT_EQ((Scale{1, 1000, 0, 1, true}.ticks(5)), (std::vector<double>{1, 10, 100, 1000}));
  EXPECT_EQ((Scale{0.3, 0.9, 0, 1, true}.ticks(5)), (std::vector<double>{0.5}));
}

TEST(Chart, scalesMapTheirEndsAndKeepWithin) {
  Scale linear{2, 4, 100, 300}, logarithmic{1, 100, 0, 200, true};
  EXPECT_DOUBLE_EQ(linear.at(3), 200);
  EXPECT_DOUBLE_EQ(linear.at(5), 300);
  EXPECT_DOUBLE_EQ(logarithmic.at(10), 100);
  EXPECT_DOUBLE_EQ(logarithmic.at(0), 0);
}

TEST(Chart, numbersAreShort) {
  EXPECT_EQ(tools::shortNumber(0.002), "0.002");
  EXPECT_EQ(tools::shortNumber(5000), "5000");
  EXPECT_EQ(tools::shortNumber(23190), "23.2k");
  EXPECT_EQ(tools::shortNumber(2.5e6), "2.5M");
}

TEST(Chart, textIsEscaped) {
  tools::Drawing drawing(10, 10, "a < b");
  drawing.text(1, 2, "start", "x & y > \x01z");
  EXPECT_EQ(drawing.finished(),
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 10 10\" width=\"10\" height=\"10\" "
            "role=\"img\">\n<title>a &lt; b</title>\n"
            "<text x=\"1.0\" y=\"2.0\" text-anchor=\"start\" class=\"\">x &amp; y &gt;  z</text>\n</svg>\n");
}

} // namespace
} // namespace attn::test
