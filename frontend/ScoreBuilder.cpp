//===- ScoreBuilder.cpp - a score expression to a region ------------------===//
#include "frontend/Builders.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;

namespace attn {
namespace {

class ScoreBuilder;

struct Function {
  StringRef name;
  StringRef usage;
  unsigned arity;
  Value (*emit)(ScoreBuilder &, ArrayRef<Value>);
};

/// Emits the nodes in their order. Values are f32, i32, or i1 for conditions; integers become f32
/// where they meet one.
class ScoreBuilder {
public:
  ScoreBuilder(const syntax::Score &score, const Source &source, ArrayRef<syntax::Input> inputs,
               AttentionOp attention)
      : score(score), source(source), inputs(inputs), attention(attention),
        builder(attention.getContext()), loc(source.at(score.loc)) {}

  LogicalResult build();

  template <class Op, class... Operands> Value op(Operands... operands) {
    return Op::create(builder, loc, operands...).getResult();
  }
  Value real(double value) {
    return arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(value));
  }
  Value integer(int32_t value) {
    return arith::ConstantOp::create(builder, loc, builder.getI32IntegerAttr(value));
  }
  Value toReal(Value value);
  int64_t numHeads() { return attention.getNumHeads(); }

private:
  Value emit(const syntax::ScoreNode &node);
  Value emitInteger(const syntax::ScoreNode &node);
  Value emitReal(const syntax::ScoreNode &node);
  Value emitName(const syntax::ScoreNode &node);
  Value emitUnary(const syntax::ScoreNode &node, Value operand);
  Value emitBinary(const syntax::ScoreNode &node, Value left, Value right);
  Value emitArithmetic(StringRef symbol, Value left, Value right);
  Value emitComparison(StringRef symbol, Value left, Value right);
  Value emitDivision(const syntax::ScoreNode &node, Value left, Value right);
  Value emitSelect(const syntax::ScoreNode &node, ArrayRef<Value> operands);
  Value emitCall(const syntax::ScoreNode &node, ArrayRef<Value> arguments);
  Value emitIndex(const syntax::ScoreNode &node, ArrayRef<Value> indices);
  Value emitPosition(const syntax::ScoreNode &index, Value value, const syntax::Extent &extent,
                     int64_t length);
  Value unknownInput(const syntax::ScoreNode &node);

  Value fail(const syntax::ScoreNode &node, const Twine &message) {
    source.error(node.text.loc) << message;
    return {};
  }

  const syntax::Score &score;
  const Source &source;
  ArrayRef<syntax::Input> inputs;
  AttentionOp attention;
  OpBuilder builder;
  Location loc; // one for all: a place costs a walk over its line, and lines may be long
  Block *body = nullptr;
  std::vector<Value> values;
};

bool isCondition(Value value) { return value.getType().isInteger(1); }
bool isReal(Value value) { return value.getType().isF32(); }

Value ScoreBuilder::toReal(Value value) {
  APInt constant;
  if (isReal(value))
    return value;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return real(double(constant.getSExtValue()));
  return op<arith::SIToFPOp>(builder.getF32Type(), value);
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

template <class Op> Value emitReal1(ScoreBuilder &b, ArrayRef<Value> x) {
  return b.op<Op>(b.toReal(x[0]));
}

template <class RealOp, class IntegerOp> Value emitMinMax(ScoreBuilder &b, ArrayRef<Value> x) {
  if (isReal(x[0]) || isReal(x[1]))
    return b.op<RealOp>(b.toReal(x[0]), b.toReal(x[1]));
  return b.op<IntegerOp>(x[0], x[1]);
}

Value emitAbs(ScoreBuilder &b, ArrayRef<Value> x) {
  return isReal(x[0]) ? b.op<math::AbsFOp>(x[0]) : b.op<math::AbsIOp>(x[0]);
}

/// c tanh(s / c)
Value emitSoftcap(ScoreBuilder &b, ArrayRef<Value> x) {
  Value s = b.toReal(x[0]), c = b.toReal(x[1]);
  return b.op<arith::MulFOp>(c, b.op<math::TanhOp>(b.op<arith::DivFOp>(s, c)));
}

/// Slopes of ALiBi (arXiv 2108.12409) for H heads, P the largest power of two up to H: 2^(-8 (h +
/// 1) / P) for h < P; for the others every other slope of 2 P heads, 2^(-4 (2 (h - P) + 1) / P).
/// Both are 2^(-4 n / P) with an integer n, and -4 / P is exact.
Value emitAlibi(ScoreBuilder &b, ArrayRef<Value> x) {
  int64_t heads = b.numHeads(), power = llvm::bit_floor(uint64_t(heads));
  Value twice = b.op<arith::MulIOp>(x[0], b.integer(2));
  Value n = b.op<arith::AddIOp>(twice, b.integer(2));
  if (power != heads) {
    Value between = b.op<arith::AddIOp>(twice, b.integer(1 - 2 * power));
    Value isFirst = b.op<arith::CmpIOp>(arith::CmpIPredicate::slt, x[0], b.integer(power));
    n = b.op<arith::SelectOp>(isFirst, n, between);
  }
  return b.op<math::Exp2Op>(b.op<arith::MulFOp>(b.toReal(n), b.real(-4.0 / double(power))));
}

const Function kFunctions[] = {
    {"min", "min(a, b)", 2, emitMinMax<arith::MinimumFOp, arith::MinSIOp>},
    {"max", "max(a, b)", 2, emitMinMax<arith::MaximumFOp, arith::MaxSIOp>},
    {"abs", "abs(x)", 1, emitAbs},
    {"exp", "exp(x)", 1, emitReal1<math::ExpOp>},
    {"exp2", "exp2(x)", 1, emitReal1<math::Exp2Op>},
    {"log", "log(x)", 1, emitReal1<math::LogOp>},
    {"tanh", "tanh(x)", 1, emitReal1<math::TanhOp>},
    {"sqrt", "sqrt(x)", 1, emitReal1<math::SqrtOp>},
    {"softcap", "softcap(s, 30)", 2, emitSoftcap},
    {"alibi", "alibi(h)", 1, emitAlibi},
};

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

Value ScoreBuilder::emitInteger(const syntax::ScoreNode &node) {
  if (llvm::isInt<32>(node.integer))
    return integer(node.integer);
  return fail(node, "integer does not fit into 32 bits, write '" + Twine(node.integer) +
                        ".0' for a real number");
}

Value ScoreBuilder::emitReal(const syntax::ScoreNode &node) {
  if (std::isfinite(static_cast<float>(node.real)))
    return real(static_cast<float>(node.real));
  return fail(node, "number is outside the range of f32");
}

Value ScoreBuilder::emitName(const syntax::ScoreNode &node) {
  StringRef name = node.text.text;
  // The order of the region's arguments.
  constexpr StringRef kParameters = "sbhqk";
  for (const syntax::Word &parameter : score.parameters)
    if (parameter.text == name)
      return body->getArgument(kParameters.find(name.front()));
  SmallVector<StringRef> words;
  for (const syntax::Word &parameter : score.parameters)
    words.push_back(parameter.text);
  InFlightDiagnostic diag = source.error(node.text.loc);
  diag << "unknown name '" << name << "', the parameters of this score are "
       << quotedList(words, "and");
  if (name.size() == 1 && kParameters.contains(name))
    diag.attachNote() << "add '" << name << "' to the parameters after 'score'";
  for (const Function &function : kFunctions)
    if (function.name == name)
      diag.attachNote() << "the function is written " << function.usage;
  for (const syntax::Input &input : inputs)
    if (input.name.text == name)
      diag.attachNote() << "an element of the input is written " << name
                        << "[...], with an index for "
                        << "each of its " << input.extents.size() << " dimensions";
  return {};
}

Value ScoreBuilder::emitUnary(const syntax::ScoreNode &node, Value operand) {
  bool inverts = node.text.text == "!";
  if (inverts != isCondition(operand))
    return fail(node, inverts ? "'!' needs a condition such as 'q < k'"
                              : "'-' needs a number, not a condition");
  if (inverts)
    return op<arith::XOrIOp>(operand,
                             arith::ConstantOp::create(builder, loc, builder.getBoolAttr(true)));
  return isReal(operand) ? op<arith::NegFOp>(operand) : op<arith::SubIOp>(integer(0), operand);
}

Value ScoreBuilder::emitArithmetic(StringRef symbol, Value left, Value right) {
  if (isReal(left) || isReal(right) || symbol == "/") {
    left = toReal(left), right = toReal(right);
    return symbol == "+"   ? op<arith::AddFOp>(left, right)
           : symbol == "-" ? op<arith::SubFOp>(left, right)
           : symbol == "*" ? op<arith::MulFOp>(left, right)
                           : op<arith::DivFOp>(left, right);
  }
  return symbol == "+"   ? op<arith::AddIOp>(left, right)
         : symbol == "-" ? op<arith::SubIOp>(left, right)
                         : op<arith::MulIOp>(left, right);
}

struct Comparison {
  StringRef symbol;
  arith::CmpIPredicate integer;
  arith::CmpFPredicate real; // false for NaN, but != is true, as in C
};
const Comparison kComparisons[] = {
    {"<", arith::CmpIPredicate::slt, arith::CmpFPredicate::OLT},
    {"<=", arith::CmpIPredicate::sle, arith::CmpFPredicate::OLE},
    {">", arith::CmpIPredicate::sgt, arith::CmpFPredicate::OGT},
    {">=", arith::CmpIPredicate::sge, arith::CmpFPredicate::OGE},
    {"==", arith::CmpIPredicate::eq, arith::CmpFPredicate::OEQ},
    {"!=", arith::CmpIPredicate::ne, arith::CmpFPredicate::UNE},
};

Value ScoreBuilder::emitComparison(StringRef symbol, Value left, Value right) {
  const auto *comparison = llvm::find_if(
      kComparisons, [&](const Comparison &candidate) { return candidate.symbol == symbol; });
  assert(comparison != std::end(kComparisons) && "every comparison of the parser has a row");
  if (isReal(left) || isReal(right))
    return op<arith::CmpFOp>(comparison->real, toReal(left), toReal(right));
  return op<arith::CmpIOp>(comparison->integer, left, right);
}

/// floor(left / right) and the remainder that belongs to it. Divisors below 1 count as 1, so that no
/// data stops a kernel.
Value ScoreBuilder::emitDivision(const syntax::ScoreNode &node, Value left, Value right) {
  StringRef symbol = node.text.text;
  if (isReal(left) || isReal(right))
    return fail(node, "'" + symbol + "' needs integers on both sides");
  APInt divisor;
  if (!matchPattern(right, m_ConstantInt(&divisor)))
    right = op<arith::MaxSIOp>(right, integer(1));
  else if (divisor.getSExtValue() < 1)
    return fail(node, "the divisor of '" + symbol + "' is " + Twine(divisor.getSExtValue()) +
                          ", but must be at least 1");
  // Division truncates, so a negative numerator is shifted.
  Value isNegative = op<arith::CmpIOp>(arith::CmpIPredicate::slt, left, integer(0));
  Value shifted = op<arith::SubIOp>(left, op<arith::SubIOp>(right, integer(1)));
  Value numerator = op<arith::SelectOp>(isNegative, shifted, left);
  Value quotient = op<arith::DivSIOp>(numerator, right);
  return symbol == "floordiv" ? quotient
                              : op<arith::SubIOp>(left, op<arith::MulIOp>(quotient, right));
}

Value ScoreBuilder::emitBinary(const syntax::ScoreNode &node, Value left, Value right) {
  StringRef symbol = node.text.text;
  if (symbol == "&&" || symbol == "||") {
    if (!isCondition(left) || !isCondition(right))
      return fail(node, "'" + symbol + "' needs conditions such as 'q < k' on both sides");
    return symbol == "&&" ? op<arith::AndIOp>(left, right) : op<arith::OrIOp>(left, right);
  }
  if (isCondition(left) || isCondition(right))
    return fail(node, "'" + symbol + "' needs numbers on both sides, not conditions");
  if (StringRef("+-*/").contains(symbol))
    return emitArithmetic(symbol, left, right);
  if (symbol == "floordiv" || symbol == "mod" || symbol == "%")
    return emitDivision(node, left, right);
  return emitComparison(symbol, left, right);
}

Value ScoreBuilder::emitSelect(const syntax::ScoreNode &node, ArrayRef<Value> operands) {
  Value condition = operands[0], yes = operands[1], no = operands[2];
  if (!isCondition(condition))
    return fail(node, "'?' needs a condition such as 'q < k' before it");
  if (isCondition(yes) != isCondition(no))
    return fail(node, "the two values of '? :' must both be numbers or both be conditions");
  if (isReal(yes) || isReal(no))
    yes = toReal(yes), no = toReal(no);
  return op<arith::SelectOp>(condition, yes, no);
}

Value ScoreBuilder::emitCall(const syntax::ScoreNode &node, ArrayRef<Value> arguments) {
  StringRef name = node.text.text;
  const auto *function =
      llvm::find_if(kFunctions, [&](const Function &candidate) { return candidate.name == name; });
  if (function == std::end(kFunctions)) {
    SmallVector<StringRef> names;
    for (const Function &known : kFunctions)
      names.push_back(known.name);
    InFlightDiagnostic diag = source.error(node.text.loc);
    diag << "unknown function '" << name << "', expected " << quotedList(names);
    suggest(*diag.getUnderlyingDiagnostic(), name, names);
    return {};
  }
  if (arguments.size() != function->arity)
    return fail(node, "'" + name + "' takes " + Twine(function->arity) +
                          (function->arity == 1 ? " argument" : " arguments") + ", not " +
                          Twine(arguments.size()) + ": " + function->usage);
  if (llvm::any_of(arguments, isCondition))
    return fail(node, "'" + name + "' needs numbers, not conditions");
  if (name == "alibi" && isReal(arguments[0]))
    return fail(node, "'alibi' needs an integer, the head: alibi(h)");
  return function->emit(*this, arguments);
}

Value ScoreBuilder::unknownInput(const syntax::ScoreNode &node) {
  StringRef name = node.text.text;
  SmallVector<StringRef> names;
  for (const syntax::Input &input : inputs)
    names.push_back(input.name.text);
  InFlightDiagnostic diag = source.error(node.text.loc);
  diag << "unknown input '" << name << "'";
  if (!names.empty())
    diag << ", expected " << quotedList(names);
  suggest(*diag.getUnderlyingDiagnostic(), name, names);
  if (names.empty())
    diag.attachNote() << "declare it, for example with 'input " << name << " : f32[kv_tokens]'";
  return {};
}

/// Where in a dimension an index points, an i32. A parameter is inside where the dimension is its
/// own; other numbers are moved to the nearer end.
Value ScoreBuilder::emitPosition(const syntax::ScoreNode &index, Value value,
                                 const syntax::Extent &extent, int64_t length) {
  if (length == 1)
    return integer(0);
  bool isName = index.op == syntax::ScoreNode::Name;
  auto isParameter = [&](StringRef parameter, StringRef dimension) {
    return isName && index.text.text == parameter && extent.name == dimension;
  };
  if (isParameter("q", "tokens"))
    return RowOp::create(builder, loc, builder.getI32Type());
  bool shared = attention.getTokens() == attention.getKvTokens();
  if (isParameter("b", "batch") || isParameter("h", "heads") || isParameter("k", "kv_tokens") ||
      (shared && isParameter("k", "tokens")))
    return value;
  value = op<arith::MaxSIOp>(value, integer(0));
  // At or beyond an end that is known only at run time, attn.attention reads the last element.
  return ShapedType::isDynamic(length) ? value
                                       : op<arith::MinSIOp>(value, integer(int32_t(length - 1)));
}

/// `name[indices]`, an element of a run-time input.
Value ScoreBuilder::emitIndex(const syntax::ScoreNode &node, ArrayRef<Value> indices) {
  StringRef name = node.text.text;
  const auto *input =
      llvm::find_if(inputs, [&](const syntax::Input &known) { return known.name.text == name; });
  if (input == inputs.end())
    return unknownInput(node);
  if (indices.size() != input->extents.size()) {
    InFlightDiagnostic diag = source.error(node.text.loc);
    diag << "input '" << name << "' has " << input->extents.size()
         << (input->extents.size() == 1 ? " dimension" : " dimensions") << ", but is read with "
         << indices.size() << (indices.size() == 1 ? " index" : " indices");
    diag.attachNote(source.at(input->name.loc)) << "declared here";
    return {};
  }
  Value tensor = attention.getInputs()[input - inputs.begin()];
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<Value> positions;
  for (auto [d, value] : llvm::enumerate(indices)) {
    const syntax::ScoreNode &index = score.nodes[node.operands[d]];
    if (isReal(value) || isCondition(value))
      return fail(index, "an index must be an integer, such as 'q', 'k' or 'h'");
    Value position = emitPosition(index, value, input->extents[d], type.getDimSize(d));
    positions.push_back(op<arith::IndexCastOp>(builder.getIndexType(), position));
  }
  Value element = tensor::ExtractOp::create(builder, loc, tensor, positions);
  bool isNarrow = type.getElementType().isF16() || type.getElementType().isBF16();
  return isNarrow ? op<arith::ExtFOp>(builder.getF32Type(), element) : element;
}

Value ScoreBuilder::emit(const syntax::ScoreNode &node) {
  SmallVector<Value> operands;
  for (unsigned operand : node.operands)
    operands.push_back(values[operand]);
  switch (node.op) {
  case syntax::ScoreNode::Integer:
    return emitInteger(node);
  case syntax::ScoreNode::Real:
    return emitReal(node);
  case syntax::ScoreNode::Name:
    return emitName(node);
  case syntax::ScoreNode::Unary:
    return emitUnary(node, operands[0]);
  case syntax::ScoreNode::Binary:
    return emitBinary(node, operands[0], operands[1]);
  case syntax::ScoreNode::Select:
    return emitSelect(node, operands);
  case syntax::ScoreNode::Call:
    return emitCall(node, operands);
  case syntax::ScoreNode::Index:
    return emitIndex(node, operands);
  }
  llvm_unreachable("every node has an operation");
}

LogicalResult ScoreBuilder::build() {
  Type f32 = builder.getF32Type(), i32 = builder.getI32Type();
  SmallVector<Type> types = {f32, i32, i32, i32, i32};
  body = builder.createBlock(&attention.getScore(), {}, types, SmallVector<Location>(5, loc));
  for (const syntax::ScoreNode &node : score.nodes) {
    values.push_back(emit(node));
    if (!values.back())
      return failure();
  }
  if (isCondition(values.back())) {
    fail(score.nodes.back(), "the new score must be a number, not a condition");
    return failure();
  }
  YieldOp::create(builder, loc, toReal(values.back()));
  // Integer constants that met a real number, and parameters computed for nothing.
  for (Operation &operation : llvm::make_early_inc_range(llvm::reverse(*body)))
    if (isOpTriviallyDead(&operation))
      operation.erase();
  return success();
}

} // namespace

LogicalResult buildScore(const syntax::Score &score, const Source &source,
                         ArrayRef<syntax::Input> inputs, AttentionOp attention) {
  return ScoreBuilder(score, source, inputs, attention).build();
}

} // namespace attn
