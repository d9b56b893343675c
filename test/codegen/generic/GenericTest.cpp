// Generic kernels: each instruction of their programs, and ops that they do not know. That they compute what
// compiled kernels compute is tested beside those (test/codegen/cpu).
#include "codegen/generic/EmitGeneric.h"
#include "jit/Compilation.h"
#include "jit/LaunchForm.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace attn;
using namespace attn::generic;

namespace {

/// The first lane of what one instruction makes of its operands.
int32_t run(Opcode opcode, std::vector<int32_t> operands, int32_t immediate = 0) {
  LaneProgram program;
  Instruction instruction{opcode, 0, {}, immediate};
  std::vector<Lanes> registers;
  for (int32_t operand : operands) {
    instruction.operands[registers.size()] = uint16_t(registers.size());
    registers.push_back(splat(operand));
  }
  program.numArguments = int(operands.size());
  program.instructions = {instruction};
  program.result = program.numArguments;
  registers.emplace_back();
  Lanes lanes = program.run(KernelArgs{}, KernelInfo{}, registers.data());
  EXPECT_EQ(lanes, splat(lanes[0])) << "all lanes are alike";
  return lanes[0];
}
float runReal(Opcode opcode, float a) { return realOf(run(opcode, {bitsOf(a)})); }
float runReal(Opcode opcode, float a, float b) { return realOf(run(opcode, {bitsOf(a), bitsOf(b)})); }

constexpr int32_t kLeast = INT32_MIN, kMost = INT32_MAX;

TEST(LaneProgram, Integers) {
  EXPECT_EQ(run(Opcode::Constant, {}, -7), -7);
  EXPECT_EQ(run(Opcode::Copy, {5}), 5);
  EXPECT_EQ(run(Opcode::Select, {1, 5, 6}), 5);
  EXPECT_EQ(run(Opcode::Select, {0, 5, 6}), 6);
  EXPECT_EQ(run(Opcode::AddI, {kMost, 1}), kLeast) << "integers wrap";
  EXPECT_EQ(run(Opcode::SubI, {kLeast, 1}), kMost);
  EXPECT_EQ(run(Opcode::MulI, {1 << 30, 6}), kLeast);
  EXPECT_EQ(run(Opcode::DivSI, {-7, 2}), -3);
  EXPECT_EQ(run(Opcode::DivSI, {kLeast, -1}), kLeast);
  EXPECT_EQ(run(Opcode::RemSI, {-7, 2}), -1);
  EXPECT_EQ(run(Opcode::RemSI, {kLeast, -1}), 0);
  EXPECT_EQ(run(Opcode::DivUI, {-2, 2}), kMost);
  EXPECT_EQ(run(Opcode::RemUI, {-1, 10}), 5);
  for (Opcode opcode : {Opcode::DivSI, Opcode::RemSI, Opcode::DivUI, Opcode::RemUI})
    EXPECT_EQ(run(opcode, {9, 0}), 0) << "no trap";
  EXPECT_EQ(run(Opcode::MinSI, {-1, 1}), -1);
  EXPECT_EQ(run(Opcode::MaxSI, {-1, 1}), 1);
  EXPECT_EQ(run(Opcode::MinUI, {-1, 1}), 1);
  EXPECT_EQ(run(Opcode::MaxUI, {-1, 1}), -1);
  EXPECT_EQ(run(Opcode::And, {12, 10}), 8);
  EXPECT_EQ(run(Opcode::Or, {12, 10}), 14);
  EXPECT_EQ(run(Opcode::Xor, {12, 10}), 6);
  EXPECT_EQ(run(Opcode::ShiftLeft, {3, 31}), kLeast);
  EXPECT_EQ(run(Opcode::ShiftRightSigned, {-8, 1}), -4);
  EXPECT_EQ(run(Opcode::ShiftRightUnsigned, {-8, 1}), 0x7ffffffc);
  EXPECT_EQ(run(Opcode::AbsI, {-8}), 8);
  EXPECT_EQ(run(Opcode::AbsI, {kLeast}), kLeast);
  EXPECT_EQ(run(Opcode::Negate, {1}), -1);
}

TEST(LaneProgram, Comparisons) {
  struct {
    Opcode opcode;
    int below, same, above, wrapped; ///< of (1, 2), (2, 2), (2, 1), (-1, 1)
  } cases[] = {{Opcode::Equal, 0, 1, 0, 0},     {Opcode::NotEqual, 1, 0, 1, 1},
               {Opcode::Less, 1, 0, 0, 1},      {Opcode::LessEqual, 1, 1, 0, 1},
               {Opcode::Below, 1, 0, 0, 0},     {Opcode::BelowEqual, 1, 1, 0, 0}};
  for (auto [opcode, below, same, above, wrapped] : cases) {
    SCOPED_TRACE(int(opcode));
    EXPECT_EQ(run(opcode, {1, 2}), below);
    EXPECT_EQ(run(opcode, {2, 2}), same);
    EXPECT_EQ(run(opcode, {2, 1}), above);
    EXPECT_EQ(run(opcode, {-1, 1}), wrapped);
  }
  auto compare = [](Opcode opcode, float a, float b) { return run(opcode, {bitsOf(a), bitsOf(b)}); };
  EXPECT_TRUE(compare(Opcode::EqualF, 0.0f, -0.0f));
  EXPECT_FALSE(compare(Opcode::EqualF, NAN, NAN));
  EXPECT_TRUE(compare(Opcode::NotEqualF, NAN, NAN));
  EXPECT_TRUE(compare(Opcode::LessF, -1.5f, 1));
  EXPECT_FALSE(compare(Opcode::LessF, 1, 1));
  EXPECT_TRUE(compare(Opcode::LessEqualF, 1, 1));
  EXPECT_FALSE(compare(Opcode::LessEqualF, NAN, 1));
}

TEST(LaneProgram, Reals) {
  EXPECT_EQ(runReal(Opcode::AddF, 1.5f, 2), 3.5f);
  EXPECT_EQ(runReal(Opcode::SubF, 1.5f, 2), -0.5f);
  EXPECT_EQ(runReal(Opcode::MulF, 1.5f, 2), 3);
  EXPECT_EQ(runReal(Opcode::DivF, 1, 0), INFINITY);
  EXPECT_EQ(runReal(Opcode::MinimumF, 1, 2), 1);
  EXPECT_EQ(runReal(Opcode::MaximumF, 1, 2), 2);
  for (Opcode opcode : {Opcode::MinimumF, Opcode::MaximumF}) {
    EXPECT_TRUE(std::isnan(runReal(opcode, NAN, 1)));
    EXPECT_TRUE(std::isnan(runReal(opcode, 1, NAN)));
  }
  EXPECT_TRUE(std::signbit(runReal(Opcode::MinimumF, 0.0f, -0.0f)));
  EXPECT_TRUE(std::signbit(runReal(Opcode::MinimumF, -0.0f, 0.0f)));
  EXPECT_FALSE(std::signbit(runReal(Opcode::MaximumF, 0.0f, -0.0f)));
  EXPECT_FALSE(std::signbit(runReal(Opcode::MaximumF, -0.0f, 0.0f)));
  EXPECT_EQ(runReal(Opcode::NegateF, 1), -1);
  EXPECT_EQ(runReal(Opcode::AbsF, -2), 2);
  EXPECT_EQ(realOf(run(Opcode::FromSigned, {-3})), -3);
  EXPECT_EQ(runReal(Opcode::Exp, 1), std::exp(1.0f));
  EXPECT_EQ(runReal(Opcode::Exp2, -3), 0.125f);
  EXPECT_EQ(runReal(Opcode::Log, 1), 0);
  EXPECT_EQ(runReal(Opcode::Tanh, 20), 1);
  EXPECT_EQ(runReal(Opcode::Sqrt, 9), 3);
}

/// The diagnostics of a kernel whose score is `body`, with the result %r; empty where it can be interpreted.
std::string refusal(const std::string &body) {
  std::string text;
  llvm::raw_string_ostream os(text);
  Compilation c(os);
  std::string spec = R"(
func.func @k(%q: tensor<1x1x8x16xf32>, %k: tensor<1x1x8x16xf32>, %v: tensor<1x1x8x16xf32>)
    -> tensor<1x1x8x16xf32> {
  %o, %lse = attn.attention %q, %k, %v tokens <[8]> keys <[8]> mask(#attn.all) score {
  ^bb0(%s: f32, %b: i32, %h: i32, %row: i32, %column: i32):
    )" + body + R"(
    attn.yield %r : f32
  } {input_names = []} : (tensor<1x1x8x16xf32>, tensor<1x1x8x16xf32>, tensor<1x1x8x16xf32>)
      -> (tensor<1x1x8x16xf32>, tensor<1x1x8xf32>)
  return %o : tensor<1x1x8x16xf32>
})";
  EXPECT_TRUE(succeeded(c.loadNamed(spec, "k.mlir"))) << text;
  auto info = tileForLaunch(c, "", *findTarget("cpu"), {},
                            [](tile::AttentionOp op) -> mlir::FailureOr<KernelInfo> {
                              auto kernel = genericKernel(op);
                              if (failed(kernel))
                                return mlir::failure();
                              return kernel->info;
                            });
  EXPECT_EQ(failed(info), !text.empty());
  return text;
}

TEST(GenericKernel, OpsThatNoSpecHas) {
  EXPECT_EQ(refusal("%r = arith.mulf %s, %s : f32"), "");
  EXPECT_EQ(refusal("%c = arith.cmpi sgt, %row, %column : i32\n %n = arith.extsi %c : i1 to i32\n"
                    "%r = arith.sitofp %n : i32 to f32"),
            "");
  auto expect = [](const std::string &body, const std::string &name) {
    std::string text = refusal(body);
    EXPECT_NE(text.find("'" + name + "' has to be compiled; generic kernels do not know it"),
              std::string::npos)
        << text;
  };
  expect("%r = math.erf %s : f32", "math.erf");
  expect("%n = arith.negf %s : f32\n %c = arith.cmpf ult, %s, %n : f32\n"
         "%r = arith.select %c, %s, %n : f32",
         "arith.cmpf");
  expect("%w = arith.extf %s : f32 to f64\n %x = arith.mulf %w, %w : f64\n"
         "%r = arith.truncf %x : f64 to f32",
         "arith.extf");
  expect("%w = arith.truncf %s : f32 to f16\n %r = arith.extf %w : f16 to f32", "arith.truncf");
  expect("%w = arith.extsi %row : i32 to i64\n %x = arith.muli %w, %w : i64\n"
         "%r = arith.sitofp %x : i64 to f32",
         "arith.extsi");
  expect("%c = arith.cmpi sgt, %row, %column : i32\n %r = arith.uitofp %c : i1 to f32", "arith.uitofp");
  expect("%c = arith.cmpi sgt, %row, %column : i32\n %d = arith.cmpi sgt, %b, %h : i32\n"
         "%x = arith.cmpi slt, %c, %d : i1\n %n = arith.negf %s : f32\n"
         "%r = arith.select %x, %s, %n : f32",
         "arith.cmpi");
  expect("%i = arith.index_cast %row : i32 to index\n %j = arith.muli %i, %i : index\n"
         "%x = arith.index_cast %j : index to i32\n %r = arith.sitofp %x : i32 to f32",
         "arith.muli");
}

} // namespace
