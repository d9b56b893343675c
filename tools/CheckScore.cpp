//===- CheckScore.cpp - a score region, evaluated in f64 ------------------===//
#include "tools/Check.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace attn::tools {

namespace {

/// Integers and booleans are doubles too: i32 is exact there.
using Function = std::function<double(const double *)>;

/// Computes `function`, or reads `input` at the operands.
struct Step {
  Function function;
  std::vector<size_t> operands; ///< numbers of earlier values
  std::string input;
};

/// Values 0 .. 5 are s, b, h, q, k and the query's row; then one per step.
constexpr size_t kRow = 5, kGiven = 6;
struct Program {
  std::vector<Step> steps;
  size_t result = 0;

  reference::Score bind(const Bindings &bindings, int64_t queryOffset) const;
};

/// An index beyond the end of a dimension reads its last element.
double elementAt(const TensorView &tensor, const double *indices) {
  int64_t at[4];
  for (size_t d = 0; d < tensor.rank(); ++d)
    at[d] = std::clamp<int64_t>(int64_t(indices[d]), 0, tensor.shape[d] - 1);
  return tensor.at(std::span<const int64_t>(at, tensor.rank()));
}

reference::Score Program::bind(const Bindings &bindings, int64_t queryOffset) const {
  std::vector<Step> bound = steps;
  for (Step &step : bound)
    if (!step.input.empty())
      step.function = [tensor = bindings.inputs.at(step.input)](const double *indices) {
        return elementAt(tensor, indices);
      };
  return [bound = std::move(bound), result = result, queryOffset](double s, int64_t b, int64_t h,
                                                                  int64_t row, int64_t k) {
    std::vector<double> values{s,         double(b),  double(h), double(row + queryOffset),
                               double(k), double(row)};
    double operands[4];
    for (const Step &step : bound) {
      for (size_t i = 0; i < step.operands.size(); ++i)
        operands[i] = values[step.operands[i]];
      values.push_back(step.function(operands));
    }
    return values[result];
  };
}

const std::pair<StringRef, double (*)(const double *)> kFunctions[] = {
    {"arith.addf", [](const double *x) { return x[0] + x[1]; }},
    {"arith.subf", [](const double *x) { return x[0] - x[1]; }},
    {"arith.mulf", [](const double *x) { return x[0] * x[1]; }},
    {"arith.divf", [](const double *x) { return x[0] / x[1]; }},
    {"arith.negf", [](const double *x) { return -x[0]; }},
    {"arith.minimumf", [](const double *x) { return std::fmin(x[0], x[1]); }},
    {"arith.maximumf", [](const double *x) { return std::fmax(x[0], x[1]); }},
    {"arith.addi", [](const double *x) { return x[0] + x[1]; }},
    {"arith.subi", [](const double *x) { return x[0] - x[1]; }},
    {"arith.muli", [](const double *x) { return x[0] * x[1]; }},
    {"arith.divsi", [](const double *x) { return std::trunc(x[0] / x[1]); }},
    {"arith.minsi", [](const double *x) { return std::fmin(x[0], x[1]); }},
    {"arith.maxsi", [](const double *x) { return std::fmax(x[0], x[1]); }},
    {"arith.andi", [](const double *x) { return double(x[0] != 0 && x[1] != 0); }},
    {"arith.ori", [](const double *x) { return double(x[0] != 0 || x[1] != 0); }},
    {"arith.xori", [](const double *x) { return double((x[0] != 0) != (x[1] != 0)); }},
    {"arith.sitofp", [](const double *x) { return x[0]; }},
    {"arith.index_cast", [](const double *x) { return x[0]; }},
    {"arith.extf", [](const double *x) { return x[0]; }},
    {"arith.select", [](const double *x) { return x[0] != 0 ? x[1] : x[2]; }},
    {"math.absf", [](const double *x) { return std::fabs(x[0]); }},
    {"math.absi", [](const double *x) { return std::fabs(x[0]); }},
    {"math.exp", [](const double *x) { return std::exp(x[0]); }},
    {"math.exp2", [](const double *x) { return std::exp2(x[0]); }},
    {"math.log", [](const double *x) { return std::log(x[0]); }},
    {"math.tanh", [](const double *x) { return std::tanh(x[0]); }},
    {"math.sqrt", [](const double *x) { return std::sqrt(x[0]); }},
};

/// Of "slt", "olt" and their kin; scores compare signed integers and ordered reals.
std::optional<Function> comparison(StringRef predicate) {
  if (predicate.size() == 3)
    predicate = predicate.drop_front();
  if (predicate == "lt")
    return [](const double *x) { return double(x[0] < x[1]); };
  if (predicate == "le")
    return [](const double *x) { return double(x[0] <= x[1]); };
  if (predicate == "gt")
    return [](const double *x) { return double(x[0] > x[1]); };
  if (predicate == "ge")
    return [](const double *x) { return double(x[0] >= x[1]); };
  if (predicate == "eq")
    return [](const double *x) { return double(x[0] == x[1]); };
  if (predicate == "ne")
    return [](const double *x) { return double(x[0] != x[1]); };
  return std::nullopt;
}

std::optional<Function> constantOf(Operation *op) {
  auto constant = dyn_cast<arith::ConstantOp>(op);
  if (!constant)
    return std::nullopt;
  double value = 0;
  if (auto real = dyn_cast<FloatAttr>(constant.getValue()))
    value = real.getValueAsDouble();
  else if (auto integer = dyn_cast<IntegerAttr>(constant.getValue()))
    value = integer.getType().isInteger(1) ? double(integer.getValue().getBoolValue())
                                           : double(integer.getInt());
  else
    return std::nullopt;
  return [value](const double *) { return value; };
}

std::optional<Function> functionOf(Operation *op) {
  if (auto constant = constantOf(op))
    return constant;
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    return comparison(arith::stringifyCmpFPredicate(compare.getPredicate()));
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    return comparison(arith::stringifyCmpIPredicate(compare.getPredicate()));
  for (const auto &[name, function] : kFunctions)
    if (op->getName().getStringRef() == name)
      return Function(function);
  return std::nullopt;
}

} // namespace

Expected<ScoreOfLaunch> scoreOf(AttentionOp op) {
  if (op.getScore().empty())
    return ScoreOfLaunch();
  Block &body = op.getScore().front();
  Program program;
  DenseMap<Value, size_t> numbers;
  auto inputName = [&](Value tensor) {
    size_t input = llvm::find(op.getInputs(), tensor) - op.getInputs().begin();
    return op.getInputNameList()[input].str();
  };
  for (BlockArgument argument : body.getArguments())
    numbers[argument] = argument.getArgNumber();
  auto addStep = [&](Operation *op) -> bool {
    if (isa<RowOp>(op)) {
      numbers[op->getResult(0)] = kRow;
      return true;
    }
    Step step;
    if (auto extract = dyn_cast<tensor::ExtractOp>(op))
      step.input = inputName(extract.getTensor());
    else if (std::optional<Function> function = functionOf(op))
      step.function = std::move(*function);
    else
      return false;
    for (Value operand : op->getOperands())
      if (!isa<TensorType>(operand.getType()))
        step.operands.push_back(numbers.lookup(operand));
    numbers[op->getResult(0)] = kGiven + program.steps.size();
    program.steps.push_back(std::move(step));
    return true;
  };
  for (Operation &step : body) {
    for (Value operand : step.getOperands()) // constants may stand outside of the region
      if (!isa<TensorType>(operand.getType()) && !numbers.count(operand) &&
          !addStep(operand.getDefiningOp()))
        return makeError("the reference cannot evaluate '{}' in a score",
                         operand.getDefiningOp()->getName().getStringRef().str());
    if (auto yield = dyn_cast<YieldOp>(step))
      program.result = numbers.lookup(yield.getScore());
    else if (!addStep(&step))
      return makeError("the reference cannot evaluate '{}' in a score",
                       step.getName().getStringRef().str());
  }
  return ScoreOfLaunch([program](const Bindings &bindings, int64_t queryOffset) {
    return program.bind(bindings, queryOffset);
  });
}

} // namespace attn::tools
