#include "dialect/MaskFormulas.h"

#include <algorithm>

using namespace mlir;

namespace attn {

std::optional<Formula> formulaOf(Attribute mask, ArrayRef<int64_t> keyDims,
                                 ArrayRef<StringRef> inputs) {
  std::vector<int64_t> extents;
  for (int64_t dim : keyDims)
    extents.push_back(ShapedType::isDynamic(dim) ? -1 : dim);
  FormulaBuilder builder(std::move(extents));
  return builder.finish(cast<MaskAttrInterface>(mask).buildTerm(builder, inputs));
}

ParameterizedFormulas formulasOf(tile::AttentionOp op) {
  SmallVector<StringRef> inputs = op.getInputNameList();
  std::vector<Formula> perMask;
  for (Attribute mask : op.getMasks()) {
    std::optional<Formula> formula = formulaOf(mask, op.getKvTokens().getDims(), inputs);
    assert(formula && "masks with too many atoms are diagnosed before they are tiled");
    perMask.push_back(std::move(*formula));
  }
  return parameterize(perMask);
}

namespace {

/// Emits the nodes of one dimension's dag on demand, each once.
class DagEmitter {
public:
  DagEmitter(OpBuilder &builder, Location loc, const Formula &formula, int dim, Value query,
             Value batch, Value head)
      : builder(builder), loc(loc), formula(formula), nodes(formula.dags[dim].nodes()),
        query(query), batch(batch), head(head), values(nodes.size()) {}

  Value get(ExprId id) {
    if (!values[id])
      values[id] = emit(nodes[id]);
    return values[id];
  }

private:
  Value constant(int64_t value) {
    value = std::clamp(value, -kKernelInfinity, kKernelInfinity);
    return arith::ConstantIntOp::create(builder, loc, value, 32);
  }

  Value emit(const ExprNode &n) {
    switch (n.op) {
    case ExprOp::Constant: return constant(n.value);
    case ExprOp::Query: return query;
    case ExprOp::Symbol: {
      const Symbol &s = formula.symbols[n.value];
      auto kind = static_cast<tile::SymbolKindEnum>(s.kind);
      return tile::SymbolOp::create(builder, loc, builder.getI32Type(), kind, s.index, batch, head);
    }
    case ExprOp::Add: return arith::AddIOp::create(builder, loc, get(n.a), get(n.b));
    case ExprOp::Sub: return arith::SubIOp::create(builder, loc, get(n.a), get(n.b));
    case ExprOp::Mul: return arith::MulIOp::create(builder, loc, get(n.a), get(n.b));
    case ExprOp::FloorDiv: return floorDivide(n);
    case ExprOp::Mod: {
      Value product = arith::MulIOp::create(builder, loc, floorDivide(n), get(n.b));
      return arith::SubIOp::create(builder, loc, get(n.a), product);
    }
    case ExprOp::Min: return arith::MinSIOp::create(builder, loc, get(n.a), get(n.b));
    case ExprOp::Max: return arith::MaxSIOp::create(builder, loc, get(n.a), get(n.b));
    case ExprOp::Less: return arith::ExtUIOp::create(builder, loc, builder.getI32Type(), less(n));
    case ExprOp::Select: return select(n);
    }
    return {};
  }

  /// floor(a / b) for b > 0: truncating division of a shifted numerator where a is negative.
  Value floorDivide(const ExprNode &n) {
    Value a = get(n.a), b = get(n.b), zero = constant(0);
    Value negative = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, a, zero);
    Value shifted = arith::SubIOp::create(
        builder, loc, a, arith::SubIOp::create(builder, loc, b, constant(1)));
    Value numerator = arith::SelectOp::create(builder, loc, negative, shifted, a);
    return arith::DivSIOp::create(builder, loc, numerator, b);
  }

  Value less(const ExprNode &n) {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, get(n.a), get(n.b));
  }

  Value select(const ExprNode &n) {
    Value condition = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, get(n.a),
                                            constant(0));
    return arith::SelectOp::create(builder, loc, condition, get(n.b), get(n.c));
  }

  OpBuilder &builder;
  Location loc;
  const Formula &formula;
  const std::vector<ExprNode> &nodes;
  Value query, batch, head;
  std::vector<Value> values;
};

/// Everything that emitting one formula shares.
struct FormulaEmitter {
  OpBuilder &builder;
  Location loc;
  const Formula &formula;
  Value batch, head;
  ValueRange q, k, inputs;
  std::vector<DagEmitter> dags;

  Value constant(bool value) { return arith::ConstantIntOp::create(builder, loc, value, 1); }
  Value both(Value a, Value b) {
    return !a ? b : !b ? a : Value(arith::AndIOp::create(builder, loc, a, b));
  }
  bool isConstant(int dim, ExprId id, bool (*test)(int64_t)) {
    const ExprNode &node = formula.dags[dim].nodes()[id];
    return node.op == ExprOp::Constant && test(node.value);
  }

  /// lo <= k < hi and the residue; bounds that are infinite are not compared.
  Value interval(int d, const AtomDim &dim) {
    Value all;
    using Predicate = arith::CmpIPredicate;
    if (!isConstant(d, dim.lo, [](int64_t v) { return v <= -kInfinity; }))
      all = arith::CmpIOp::create(builder, loc, Predicate::sle, dags[d].get(dim.lo), k[d]);
    if (!isConstant(d, dim.hi, [](int64_t v) { return v >= kInfinity; }))
      all = both(all, arith::CmpIOp::create(builder, loc, Predicate::slt, k[d],
                                            dags[d].get(dim.hi)));
    if (dim.modulus > 1) {
      Value modulus = arith::ConstantIntOp::create(builder, loc, dim.modulus, 32);
      Value zero = arith::ConstantIntOp::create(builder, loc, 0, 32);
      // Both are non-negative, so equal remainders say the same as (k - q) mod modulus == 0.
      Value residueK = arith::RemUIOp::create(builder, loc, k[d], modulus);
      Value residueQ = arith::RemUIOp::create(builder, loc, q[d], modulus);
      Value difference = arith::SubIOp::create(builder, loc, residueK, residueQ);
      all = both(all, arith::CmpIOp::create(builder, loc, Predicate::eq, difference, zero));
    }
    return all;
  }

  Value index(Value i32) {
    return arith::IndexCastOp::create(builder, loc, builder.getIndexType(), i32);
  }

  /// Row-major position on the layout of the coordinates; extents come from constants or symbols.
  Value linear(ValueRange coords) {
    Value position = coords.front();
    for (auto [d, coord] : llvm::enumerate(coords.drop_front())) {
      Value extent = tile::SymbolOp::create(builder, loc, builder.getI32Type(),
                                            tile::SymbolKindEnum::Dim, int32_t(d) + 1, batch, head);
      Value scaled = arith::MulIOp::create(builder, loc, position, extent);
      position = arith::AddIOp::create(builder, loc, scaled, coord);
    }
    return position;
  }

  Value labels(const Atom &atom) {
    Value vector = inputs[atom.input];
    auto at = [&](ValueRange coords) {
      return tensor::ExtractOp::create(builder, loc, vector, ValueRange{index(linear(coords))});
    };
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, at(q), at(k));
  }

  /// Extents of 1 are broadcast; the others are indexed.
  Value mask(const Atom &atom) {
    auto type = cast<RankedTensorType>(inputs[atom.input].getType());
    SmallVector<Value> at{batch, head, linear(q), linear(k)};
    SmallVector<Value> indices;
    for (auto [d, value] : llvm::enumerate(at))
      indices.push_back(type.getDimSize(d) == 1
                            ? Value(arith::ConstantIndexOp::create(builder, loc, 0))
                            : index(value));
    return tensor::ExtractOp::create(builder, loc, inputs[atom.input], indices);
  }

  Value atom(const Atom &atom) {
    if (atom.kind == AtomKind::Labels)
      return labels(atom);
    if (atom.kind == AtomKind::Mask)
      return mask(atom);
    Value all;
    for (int d = 0; d < formula.rank; ++d)
      all = both(all, interval(d, atom.dims[d]));
    return all ? all : constant(true);
  }
};

} // namespace

Value emitFormula(OpBuilder &builder, Location loc, const Formula &formula, Value batch, Value head,
                  ValueRange q, ValueRange k, ValueRange inputs) {
  FormulaEmitter emitter{builder, loc, formula, batch, head, q, k, inputs, {}};
  for (int d = 0; d < formula.rank; ++d)
    emitter.dags.emplace_back(builder, loc, formula, d, q[d], batch, head);
  std::vector<Value> atoms(formula.atoms.size());
  SmallVector<Value> stack;
  for (const TruthStep &step : formula.truth) {
    if (step.op == TruthOp::Atom) {
      if (!atoms[step.atom])
        atoms[step.atom] = emitter.atom(formula.atoms[step.atom]);
      stack.push_back(atoms[step.atom]);
    } else if (step.op == TruthOp::True) {
      stack.push_back(emitter.constant(true));
    } else if (step.op == TruthOp::Not) {
      stack.back() = arith::XOrIOp::create(builder, loc, stack.back(), emitter.constant(true));
    } else {
      Value right = stack.pop_back_val(), left = stack.pop_back_val();
      stack.push_back(step.op == TruthOp::And
                          ? Value(arith::AndIOp::create(builder, loc, left, right))
                          : Value(arith::OrIOp::create(builder, loc, left, right)));
    }
  }
  return stack.back();
}

} // namespace attn
