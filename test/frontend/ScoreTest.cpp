//===- ScoreTest.cpp - scores, by their value ------------------------------===//
//
// A small interpreter runs the score region on given numbers.
//
//===----------------------------------------------------------------------===//
#include "test/frontend/Parse.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

namespace attn::test {
namespace {

struct Point {
  double s = 0;
  int b = 0, h = 0, q = 0, k = 0;
};

/// Values are doubles, rounded to f32 where the IR says f32; integers wrap at 32 bits.
class RegionInterpreter {
public:
  double run(AttentionOp attention, const Point &point) {
    Block &body = attention.getScore().front();
    double arguments[] = {point.s, double(point.b), double(point.h), double(point.q),
                          double(point.k)};
    for (auto [argument, value] : llvm::zip_equal(body.getArguments(), arguments))
      values[argument] = value;
    for (Operation &op : body.without_terminator())
      values[op.getResult(0)] = rounded(evaluate(&op), op.getResult(0).getType());
    return values[cast<YieldOp>(body.getTerminator()).getScore()];
  }

private:
  static double rounded(double value, Type type) {
    if (type.isF32())
      return static_cast<float>(value);
    return type.isInteger(32) ? static_cast<int32_t>(static_cast<int64_t>(value)) : value;
  }

  double in(Operation *op, unsigned i) { return values.at(op->getOperand(i)); }

  static double compare(bool lt, bool eq, StringRef predicate) {
    if (predicate.ends_with("lt"))
      return lt;
    if (predicate.ends_with("le"))
      return lt || eq;
    if (predicate.ends_with("gt"))
      return !lt && !eq;
    if (predicate.ends_with("ge"))
      return !lt;
    return predicate.ends_with("eq") == eq;
  }

  double evaluate(Operation *op) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      if (auto real = dyn_cast<FloatAttr>(constant.getValue()))
        return real.getValueAsDouble();
      auto integer = cast<IntegerAttr>(constant.getValue());
      if (integer.getType().isInteger(1))
        return integer.getValue().getBoolValue();
      return static_cast<double>(integer.getValue().getSExtValue());
    }
    double a = in(op, 0), b = op->getNumOperands() > 1 ? in(op, 1) : 0;
    if (auto comparison = dyn_cast<arith::CmpIOp>(op))
      return compare(a < b, a == b, stringifyEnum(comparison.getPredicate()));
    if (auto comparison = dyn_cast<arith::CmpFOp>(op))
      return compare(a < b, a == b, stringifyEnum(comparison.getPredicate()));
    if (isa<arith::SelectOp>(op))
      return a != 0 ? b : in(op, 2);
    return arithmetic(op->getName().getStringRef(), a, b);
  }

  static double arithmetic(StringRef name, double a, double b) {
    if (name == "arith.addf" || name == "arith.addi")
      return a + b;
    if (name == "arith.subf" || name == "arith.subi")
      return a - b;
    if (name == "arith.mulf" || name == "arith.muli")
      return a * b;
    if (name == "arith.divf")
      return a / b;
    if (name == "arith.divsi")
      return std::trunc(a / b);
    if (name == "arith.negf")
      return -a;
    if (name == "arith.andi")
      return a != 0 && b != 0;
    if (name == "arith.ori")
      return a != 0 || b != 0;
    if (name == "arith.xori")
      return (a != 0) != (b != 0);
    if (name == "arith.minsi" || name == "arith.minimumf")
      return std::min(a, b);
    if (name == "arith.maxsi" || name == "arith.maximumf")
      return std::max(a, b);
    if (name == "arith.sitofp")
      return a;
    return function(name, a);
  }

  static double function(StringRef name, double a) {
    if (name == "math.absf" || name == "math.absi")
      return std::fabs(a);
    if (name == "math.exp")
      return std::exp(a);
    if (name == "math.exp2")
      return std::exp2(a);
    if (name == "math.log")
      return std::log(a);
    if (name == "math.tanh")
      return std::tanh(a);
    if (name == "math.sqrt")
      return std::sqrt(a);
    ADD_FAILURE() << "a score region should not use " << name.str();
    return 0;
  }

  llvm::DenseMap<Value, double> values;
};

double evaluate(const std::string &score, const Point &point, int heads = 8) {
  Session session;
  OwningOpRef<ModuleOp> module =
      session.parse("kernel a { heads " + std::to_string(heads) +
                    " head_dim 64 dtype f32 tokens [256]\nscore " + score + "\n}\n");
  EXPECT_TRUE(module) << score << (session.messages.empty() ? "" : session.messages.front());
  return module ? RegionInterpreter().run(attentionOf(*module), point) : NAN;
}

struct ValueCase {
  const char *name, *score;
  double expected;
};
void PrintTo(const ValueCase &valueCase, std::ostream *os) { *os << valueCase.name; }

class Scores : public testing::TestWithParam<ValueCase> {};

// s = 2.5, b = 1, h = 3, q = 10, k = 7
TEST_P(Scores, HaveTheirValue) {
  EXPECT_FLOAT_EQ(evaluate(GetParam().score, {2.5, 1, 3, 10, 7}), GetParam().expected);
}

const ValueCase kScores[] = {
    {"Identity", "(s) => s", 2.5},
    {"IntegerConstant", "(s) => 7", 7},
    {"RealConstant", "(s) => 1.5e1", 15},
    {"OrderOfParameters", "(k, q, h, b, s) => s + 10 * b + 100 * h + 1000 * q + 10000 * k",
     80312.5},
    {"ProductBeforeSum", "(s) => 1 + 2 * 3 - 4", 3},
    {"LeftToRight", "(s) => 10 - 4 - 3", 3},
    {"DivisionLeftToRight", "(s) => 16 / 4 / 2", 2},
    {"DivisionOfIntegersIsReal", "(s, q, k) => k / 2", 3.5},
    {"FloorDivision", "(s, q, k) => (k - q) floordiv 2", -2},
    {"FloorDivisionOfPositives", "(s, q, k) => (q - k) floordiv 2 + q floordiv 5", 3},
    {"Mod", "(s, q, k) => (k - q) mod 5 * 10 + q % 4", 22},
    {"DivisorThatIsNoConstant", "(s, b, h, q) => q floordiv h + q mod (b - 1)", 3},
    {"IntegerArithmetic", "(s, q, k) => (q - k) * (q - k)", 9},
    {"Minus", "(s) => -s", -2.5},
    {"MinusOfInteger", "(s, q) => --q - -q", 20},
    {"MinusBeforeProduct", "(s) => -2 * 3", -6},
    {"Min", "(s, q) => min(s, q)", 2.5},
    {"MinOfIntegers", "(s, q, k) => min(q, k)", 7},
    {"Max", "(s, q) => max(s, q)", 10},
    {"MaxOfIntegers", "(s, q, k) => max(q, k)", 10},
    {"Abs", "(s) => abs(-s)", 2.5},
    {"AbsOfInteger", "(s, q, k) => abs(k - q)", 3},
    {"Exp", "(s) => exp(s)", 12.182494},
    {"ExpOfInteger", "(s) => exp(1)", 2.7182818},
    {"Exp2", "(s) => exp2(3)", 8},
    {"Log", "(s) => log(s)", 0.91629073},
    {"Tanh", "(s) => tanh(s)", 0.98661430},
    {"Sqrt", "(s, q, k) => sqrt(q + 6)", 4},
    {"Softcap", "(s) => softcap(s, 2)", 1.6965672}, // 2 tanh(1.25)
    {"Less", "(s, q, k) => k < q ? 1 : 2", 1},
    {"LessOrEqual", "(s, q) => q <= 10 ? 1 : 2", 1},
    {"Greater", "(s, q) => q > 10 ? 1 : 2", 2},
    {"GreaterOrEqual", "(s, q) => q >= 10 ? 1 : 2", 1},
    {"Equal", "(s) => s == 2.5 ? 1 : 2", 1},
    {"NotEqual", "(s, q) => q != 10 ? 1 : 2", 2},
    {"MixedComparison", "(s, k) => s < k ? 1 : 2", 1},
    {"And", "(s, q) => q < 20 && q < 5 ? 1 : 2", 2},
    {"Or", "(s, q) => q < 20 || q < 5 ? 1 : 2", 1},
    {"AndBeforeOr", "(s) => 1 < 2 || 1 < 2 && 2 < 1 ? 1 : 2", 1},
    {"Not", "(s, q) => !(q < 5) ? 1 : 2", 1},
    {"SelectChain", "(s, q) => q < 5 ? 1 : q < 11 ? 2 : 3", 2},
    {"SelectInside", "(s, q) => q < 11 ? s > 2 ? 4 : 5 : 6", 4},
    {"SelectMixesNumbers", "(s, q, k) => q < k ? s : q", 10},
    {"SelectOfConditions", "(s, q) => (q < 5 ? q < 4 : q < 11) ? 1 : 2", 1},
    {"LargeInteger", "(s) => 2147483647 - 1", 2147483646},
};
INSTANTIATE_TEST_SUITE_P(Frontend, Scores, testing::ValuesIn(kScores),
                         [](const auto &info) { return std::string(info.param.name); });

/// The slopes as the ALiBi paper gives them: a geometric sequence for a power of two, else those of
/// the power below, followed by every other one of the power above.
std::vector<double> slopesOfPaper(int heads) {
  std::vector<double> slopes;
  if ((heads & (heads - 1)) == 0) {
    double start = std::pow(2.0, -8.0 / heads);
    for (int i = 1; i <= heads; ++i)
      slopes.push_back(std::pow(start, i));
    return slopes;
  }
  int below = 1;
  while (2 * below < heads)
    below *= 2;
  slopes = slopesOfPaper(below);
  std::vector<double> above = slopesOfPaper(2 * below);
  for (int i = 0; below + i < heads; ++i)
    slopes.push_back(above[2 * i]);
  return slopes;
}

TEST(Score, AlibiHasTheSlopesOfThePaper) {
  for (int heads : {1, 2, 3, 5, 8, 12, 16, 20, 31, 32, 40, 71, 112}) {
    std::vector<double> slopes = slopesOfPaper(heads);
    for (int h = 0; h < heads; ++h)
      EXPECT_FLOAT_EQ(evaluate("(s, h) => alibi(h)", {0, 0, h, 0, 0}, heads), slopes[h])
          << "head " << h << " of " << heads;
  }
}

TEST(Score, AlibiOfAPowerOfTwoNeedsNoSelect) {
  Session session;
  OwningOpRef<ModuleOp> module = session.parse(kernelWith("score (s, h) => s + alibi(h)"));
  ASSERT_TRUE(module);
  bool selects = false;
  attentionOf(*module).walk([&](arith::SelectOp) { selects = true; });
  EXPECT_FALSE(selects);
}

TEST(Score, UnusedConstantsLeaveNoTrace) {
  Session session;
  OwningOpRef<ModuleOp> module = session.parse(kernelWith("score (s) => softcap(s, 30)"));
  ASSERT_TRUE(module);
  attentionOf(*module).walk([](arith::ConstantOp constant) {
    EXPECT_TRUE(constant.getType().isF32()) << "30 is wanted as a real number only";
  });
}

TEST(Score, ALongSumNeedsNoDeepStack) {
  std::string score = "score (s, q) => s";
  for (int i = 0; i < 20000; ++i)
    score += " + s";
  Session session;
  EXPECT_TRUE(session.parse(kernelWith(score)));
}

} // namespace
} // namespace attn::test
