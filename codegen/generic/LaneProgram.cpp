#include "codegen/generic/LaneProgram.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace attn::generic {
namespace {

/// One instruction.
class Step {
public:
  Step(const Instruction &instruction, const KernelArgs &args, const KernelInfo &info,
       const Lanes *registers, Lanes &result)
      : instruction(instruction), args(args), info(info), registers(registers), result(result) {}

  void run() {
    switch (instruction.opcode) {
    case Opcode::Constant: return integers([&] { return instruction.immediate; });
    case Opcode::Copy: return integers([](int32_t a) { return a; });
    case Opcode::Select:
      return integers([](int32_t c, int32_t a, int32_t b) { return c ? a : b; });
    case Opcode::AddI: return naturals([](uint32_t a, uint32_t b) { return a + b; });
    case Opcode::SubI: return naturals([](uint32_t a, uint32_t b) { return a - b; });
    case Opcode::MulI: return naturals([](uint32_t a, uint32_t b) { return a * b; });
    case Opcode::DivSI: return wide([](int64_t a, int64_t b) { return b ? a / b : 0; });
    case Opcode::RemSI: return wide([](int64_t a, int64_t b) { return b ? a % b : 0; });
    case Opcode::DivUI: return naturals([](uint32_t a, uint32_t b) { return b ? a / b : 0; });
    case Opcode::RemUI: return naturals([](uint32_t a, uint32_t b) { return b ? a % b : 0; });
    case Opcode::MinSI: return integers([](int32_t a, int32_t b) { return std::min(a, b); });
    case Opcode::MaxSI: return integers([](int32_t a, int32_t b) { return std::max(a, b); });
    case Opcode::MinUI: return naturals([](uint32_t a, uint32_t b) { return std::min(a, b); });
    case Opcode::MaxUI: return naturals([](uint32_t a, uint32_t b) { return std::max(a, b); });
    case Opcode::And: return integers([](int32_t a, int32_t b) { return a & b; });
    case Opcode::Or: return integers([](int32_t a, int32_t b) { return a | b; });
    case Opcode::Xor: return integers([](int32_t a, int32_t b) { return a ^ b; });
    case Opcode::ShiftLeft: return naturals([](uint32_t a, uint32_t b) { return a << (b & 31); });
    case Opcode::ShiftRightSigned:
      return integers([](int32_t a, int32_t b) { return a >> (b & 31); });
    case Opcode::ShiftRightUnsigned:
      return naturals([](uint32_t a, uint32_t b) { return a >> (b & 31); });
    case Opcode::AbsI: return naturals([](uint32_t a) { return int32_t(a) < 0 ? 0 - a : a; });
    case Opcode::Negate: return naturals([](uint32_t a) { return 0 - a; });
    case Opcode::Equal: return integers([](int32_t a, int32_t b) { return int32_t(a == b); });
    case Opcode::NotEqual: return integers([](int32_t a, int32_t b) { return int32_t(a != b); });
    case Opcode::Less: return integers([](int32_t a, int32_t b) { return int32_t(a < b); });
    case Opcode::LessEqual: return integers([](int32_t a, int32_t b) { return int32_t(a <= b); });
    case Opcode::Below: return naturals([](uint32_t a, uint32_t b) { return uint32_t(a < b); });
    case Opcode::BelowEqual:
      return naturals([](uint32_t a, uint32_t b) { return uint32_t(a <= b); });
    default: return runReal();
    }
  }

private:
  void runReal() {
    switch (instruction.opcode) {
    case Opcode::AddF: return reals([](float a, float b) { return a + b; });
    case Opcode::SubF: return reals([](float a, float b) { return a - b; });
    case Opcode::MulF: return reals([](float a, float b) { return a * b; });
    case Opcode::DivF: return reals([](float a, float b) { return a / b; });
    // A NaN wins, and -0 is less than 0.
    case Opcode::MinimumF:
      return reals([](float a, float b) {
        return a < b || std::isnan(a) || (a == b && std::signbit(a)) ? a : b;
      });
    case Opcode::MaximumF:
      return reals([](float a, float b) {
        return a > b || std::isnan(a) || (a == b && std::signbit(b)) ? a : b;
      });
    case Opcode::NegateF: return reals([](float a) { return -a; });
    case Opcode::AbsF: return reals([](float a) { return std::fabs(a); });
    case Opcode::FromSigned: return integers([](int32_t a) { return bitsOf(float(a)); });
    case Opcode::Exp: return reals([](float a) { return std::exp(a); });
    case Opcode::Exp2: return reals([](float a) { return std::exp2(a); });
    case Opcode::Log: return reals([](float a) { return std::log(a); });
    case Opcode::Tanh: return reals([](float a) { return std::tanh(a); });
    case Opcode::Sqrt: return reals([](float a) { return std::sqrt(a); });
    case Opcode::EqualF: return compare([](float a, float b) { return a == b; });
    case Opcode::NotEqualF: return compare([](float a, float b) { return a != b; });
    case Opcode::LessF: return compare([](float a, float b) { return a < b; });
    case Opcode::LessEqualF: return compare([](float a, float b) { return a <= b; });
    default: return runLaunch();
    }
  }

  void runLaunch() {
    int number = instruction.number;
    switch (instruction.opcode) {
    case Opcode::NumQueries: return integers([&] { return args.numQueries; });
    case Opcode::NumKeys: return integers([&] { return args.numKeys; });
    case Opcode::QueryOffset: return integers([&] { return args.queryOffset; });
    case Opcode::Dim: return integers([&] { return args.dims[number]; });
    case Opcode::HeadParam:
      return integers([&](int32_t h) { return args.headParams[h * info.headParamCount + number]; });
    case Opcode::HeadFormula: return integers([&](int32_t h) { return args.formulaOfHead[h]; });
    case Opcode::BatchInput:
      return integers([&](int32_t b) {
        return static_cast<const int32_t *>(args.inputs[number])[b * args.inputStrides[number][0]];
      });
    case Opcode::Table:
      return naturals([&](uint32_t q) {
        return uint32_t(args.tables[number][std::min(q, uint32_t(args.numQueries) - 1)]);
      });
    case Opcode::Element:
      for (int i = 0; i < kLanes; ++i)
        result[size_t(i)] = element(i);
      return;
    default: break;
    }
    assert(false && "every opcode is run");
  }

  /// Positions beyond an end are answered with the last one; as unsigned numbers, negative ones are.
  int32_t element(int lane) const {
    const InputInfo &input = info.inputs[instruction.number];
    int64_t offset = 0;
    for (size_t d = 0; d < input.shape.size(); ++d) {
      auto last = uint32_t(args.inputExtents[instruction.number][d] - 1);
      offset += int64_t(std::min(uint32_t(operand(d, lane)), last)) *
                args.inputStrides[instruction.number][d];
    }
    const char *at = static_cast<const char *>(args.inputs[instruction.number]) +
                     offset * dtypeSize(input.dtype);
    double value = loadElement(input.dtype, at);
    return isFloat(input.dtype) ? bitsOf(float(value)) : int32_t(value);
  }

  int32_t operand(size_t i, int lane) const {
    return registers[instruction.operands[i]][size_t(lane)];
  }

  template <class F> void integers(F f) {
    for (int i = 0; i < kLanes; ++i) {
      int32_t &to = result[size_t(i)];
      if constexpr (std::is_invocable_v<F>)
        to = f();
      else if constexpr (std::is_invocable_v<F, int32_t>)
        to = f(operand(0, i));
      else if constexpr (std::is_invocable_v<F, int32_t, int32_t>)
        to = f(operand(0, i), operand(1, i));
      else
        to = f(operand(0, i), operand(1, i), operand(2, i));
    }
  }
  template <class F> void naturals(F f) {
    if constexpr (std::is_invocable_v<F, uint32_t>)
      integers([&](int32_t a) { return int32_t(f(uint32_t(a))); });
    else
      integers([&](int32_t a, int32_t b) { return int32_t(f(uint32_t(a), uint32_t(b))); });
  }
  template <class F> void wide(F f) {
    integers([&](int32_t a, int32_t b) { return int32_t(f(a, b)); });
  }
  template <class F> void reals(F f) {
    if constexpr (std::is_invocable_v<F, float>)
      integers([&](int32_t a) { return bitsOf(f(realOf(a))); });
    else
      integers([&](int32_t a, int32_t b) { return bitsOf(f(realOf(a), realOf(b))); });
  }
  template <class F> void compare(F f) {
    integers([&](int32_t a, int32_t b) { return int32_t(f(realOf(a), realOf(b))); });
  }

  const Instruction &instruction;
  const KernelArgs &args;
  const KernelInfo &info;
  const Lanes *registers;
  Lanes &result;
};

} // namespace

const Lanes &LaneProgram::run(const KernelArgs &args, const KernelInfo &info,
                              Lanes *registers) const {
  Lanes *next = registers + numArguments;
  for (const Instruction &instruction : instructions)
    Step(instruction, args, info, registers, *next++).run();
  return registers[result];
}

} // namespace attn::generic
