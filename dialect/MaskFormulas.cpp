#include "dialect/MaskFormulas.h"

#include <algorithm>
#include <map>

using namespace mlir;

namespace attn {

static std::vector<int64_t> lengthsOf(ArrayRef<int64_t> dims) {
  std::vector<int64_t> lengths;
  for (int64_t dim : dims)
    lengths.push_back(ShapedType::isDynamic(dim) ? -1 : dim);
  return lengths;
}

std::optional<Formula> formulaOf(Attribute mask, LayoutAttr layout, const MaskInputs &inputs) {
  LayoutShape shape{lengthsOf(layout.getDims()), {}, {}, {}};
  if (SplitAttr split = layout.getSplit()) {
    shape.lengths = lengthsOf(split.getLengths());
    shape.steps = split.getSteps().vec();
  }
  for (GroupAttr group : layout.getGroups())
    shape.groups.push_back({group.getName().str(), lengthsOf(group.getDims())});
  FormulaBuilder builder(std::move(shape));
  return builder.finish(cast<MaskAttrInterface>(mask).buildTerm(builder, inputs));
}

ParameterizedFormulas formulasOf(tile::AttentionOp op) {
  MaskInputs inputs{op.getInputNameList(), SmallVector<Type>(op.getInputs().getTypes())};
  std::vector<Formula> perMask;
  for (Attribute mask : op.getMasks()) {
    std::optional<Formula> formula = formulaOf(mask, op.getKvTokens(), inputs);
    assert(formula && "masks with too many atoms are diagnosed before they are tiled");
    perMask.push_back(std::move(*formula));
  }
  return parameterize(perMask);
}

/// floor(a / b) for b > 0: truncating division of a shifted numerator where a is negative. Divisors
/// below 1, as an empty length is, count as 1.
static Value emitFloorDiv(OpBuilder &builder, Location loc, Value a, Value b) {
  auto constant = [&](int64_t value) {
    return arith::ConstantIntOp::create(builder, loc, value, 32).getResult();
  };
  if (!b.getDefiningOp<arith::ConstantIntOp>())
    b = arith::MaxSIOp::create(builder, loc, b, constant(1));
  Value negative = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, a, constant(0));
  Value shifted =
      arith::SubIOp::create(builder, loc, a, arith::SubIOp::create(builder, loc, b, constant(1)));
  Value numerator = arith::SelectOp::create(builder, loc, negative, shifted, a);
  return arith::DivSIOp::create(builder, loc, numerator, b);
}

static Value emitSymbol(OpBuilder &builder, Location loc, const Symbol &symbol, Value batch,
                        Value head, ValueRange inputs) {
  if (symbol.kind == SymbolKind::Batch)
    return batch;
  if (symbol.kind == SymbolKind::HeadInput) {
    Value at = arith::IndexCastOp::create(builder, loc, builder.getIndexType(), head);
    return tensor::ExtractOp::create(builder, loc, inputs[symbol.index], at);
  }
  assert(symbol.kind <= SymbolKind::HeadFormula && "spans are head parameters");
  return tile::SymbolOp::create(builder, loc, builder.getI32Type(),
                                static_cast<tile::SymbolKindEnum>(symbol.kind), symbol.index, batch,
                                head);
}

static Value emitMod(OpBuilder &builder, Location loc, Value a, Value b) {
  Value quotient = emitFloorDiv(builder, loc, a, b);
  if (auto divided = quotient.getDefiningOp<arith::DivSIOp>())
    b = divided.getRhs();
  return arith::SubIOp::create(builder, loc, a,
                               arith::MulIOp::create(builder, loc, quotient, b));
}

namespace {

/// Emits the nodes of one dimension's dag on demand, each once.
class DagEmitter {
public:
  DagEmitter(OpBuilder &builder, Location loc, const Formula &formula, int dim, Value query,
             Value batch, Value head, ValueRange inputs)
      : builder(builder), loc(loc), formula(formula), nodes(formula.dags[dim].nodes()),
        query(query), batch(batch), head(head), inputs(inputs), values(nodes.size()) {}

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
    case ExprOp::Symbol:
      return emitSymbol(builder, loc, formula.symbols[n.value], batch, head, inputs);
    case ExprOp::Add: return arith::AddIOp::create(builder, loc, get(n.a), get(n.b));
    case ExprOp::Sub: return arith::SubIOp::create(builder, loc, get(n.a), get(n.b));
    case ExprOp::Mul: return arith::MulIOp::create(builder, loc, get(n.a), get(n.b));
    case ExprOp::FloorDiv: return floorDivide(n);
    case ExprOp::Mod: return emitMod(builder, loc, get(n.a), get(n.b));
    case ExprOp::Min: return arith::MinSIOp::create(builder, loc, get(n.a), get(n.b));
    case ExprOp::Max: return arith::MaxSIOp::create(builder, loc, get(n.a), get(n.b));
    case ExprOp::Less: return arith::ExtUIOp::create(builder, loc, builder.getI32Type(), less(n));
    case ExprOp::Select: return select(n);
    case ExprOp::Table:
      return tile::TableOp::create(builder, loc, builder.getI32Type(), int32_t(n.value), get(n.a));
    }
    return {};
  }

  Value floorDivide(const ExprNode &n) { return emitFloorDiv(builder, loc, get(n.a), get(n.b)); }

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
  ValueRange inputs;
  std::vector<Value> values;
};

/// Everything that emitting one formula shares.
struct FormulaEmitter {
  OpBuilder &builder;
  Location loc;
  const Formula &formula;
  Value batch, head;
  ValueRange q, k, inputs;
  Value listed;
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
    if (dim.modulus > 1)
      all = both(all, residue(d, dim));
    return all;
  }

  /// (k - q - shift) mod modulus < width
  Value residue(int d, const AtomDim &dim) {
    Value modulus = i32(dim.modulus), distance = k[d];
    if (dim.relative)
      distance = arith::SubIOp::create(builder, loc, distance, q[d]);
    if (dim.shift >= 0)
      distance = arith::SubIOp::create(builder, loc, distance, dags[d].get(dim.shift));
    Value remainder = emitMod(builder, loc, distance, modulus);
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, remainder,
                                 i32(dim.width));
  }

  Value i32(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 32); }

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

  /// Entry of an i32 vector over tokens.
  Value entry(int32_t input, ValueRange coords) {
    return tensor::ExtractOp::create(builder, loc, inputs[input],
                                     ValueRange{index(linear(coords))});
  }

  Value labels(const Atom &atom) {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, entry(atom.input, q),
                                 entry(atom.keyInput, k));
  }

  /// The rows of the table that show anything, each as "the query's class is i and the key's is one
  /// that i sees".
  Value classes(const Atom &atom) {
    const ClassTable &table = formula.classTables[atom.index];
    Value ofQuery = entry(atom.input, q), ofKey = entry(atom.keyInput, k);
    auto isClass = [&](Value value, int32_t number) -> Value {
      return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, value, i32(number));
    };
    Value any = constant(false);
    std::map<std::vector<uint8_t>, Value> keysOfRow; // equal rows share their keys
    for (int32_t i = 0; i < table.count; ++i) {
      std::vector<uint8_t> row(table.allow.begin() + i * table.count,
                               table.allow.begin() + (i + 1) * table.count);
      Value &keys = keysOfRow[row];
      if (!keys) {
        keys = constant(false);
        for (int32_t j = 0; j < table.count; ++j)
          if (row[j])
            keys = arith::OrIOp::create(builder, loc, keys, isClass(ofKey, j));
      }
      any = arith::OrIOp::create(
          builder, loc, any, arith::AndIOp::create(builder, loc, isClass(ofQuery, i), keys));
    }
    return any;
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

  Value bit(int32_t number) {
    assert(listed && "the caller knows which blocks are listed");
    Value one = arith::AndIOp::create(builder, loc, listed, i32(int64_t(1) << number));
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, one, i32(0));
  }

  Value symbol(const Symbol &s) { return emitSymbol(builder, loc, s, batch, head, inputs); }

  /// A predicate's truth values are i32 as its numbers are; its last node becomes the condition.
  Value predicate(const PairExpr &expr) {
    SmallVector<Value> values;
    for (const PairNode &node : expr)
      values.push_back(pairNode(node, values));
    return isTrue(values.back());
  }
  Value isTrue(Value value) {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, value, i32(0));
  }
  Value asNumber(Value condition) {
    return arith::ExtUIOp::create(builder, loc, builder.getI32Type(), condition);
  }
  Value compare(arith::CmpIPredicate how, Value a, Value b) {
    return asNumber(arith::CmpIOp::create(builder, loc, how, a, b));
  }

  Value pairNode(const PairNode &node, ArrayRef<Value> values) {
    auto at = [&](int32_t id) { return id < 0 ? Value() : values[id]; };
    Value a = at(node.a), b = at(node.b), c = at(node.c);
    switch (node.op) {
    case PairOp::Constant: return i32(node.value);
    case PairOp::Query:
      return node.value >= 0 ? q[node.value]
                             : arith::AddIOp::create(builder, loc, linear(q),
                                                     symbol({SymbolKind::QueryOffset}));
    case PairOp::Row: return linear(q);
    case PairOp::Key: return node.value >= 0 ? k[node.value] : linear(k);
    case PairOp::Head: return head;
    case PairOp::Symbol: return symbol(formula.symbols[node.value]);
    case PairOp::Table:
      return tile::TableOp::create(builder, loc, builder.getI32Type(), int32_t(node.value),
                                   linear(q));
    case PairOp::Add: return arith::AddIOp::create(builder, loc, a, b);
    case PairOp::Sub: return arith::SubIOp::create(builder, loc, a, b);
    case PairOp::Mul: return arith::MulIOp::create(builder, loc, a, b);
    case PairOp::FloorDiv: return emitFloorDiv(builder, loc, a, b);
    case PairOp::Mod: return emitMod(builder, loc, a, b);
    case PairOp::Min: return arith::MinSIOp::create(builder, loc, a, b);
    case PairOp::Max: return arith::MaxSIOp::create(builder, loc, a, b);
    case PairOp::Less: return compare(arith::CmpIPredicate::slt, a, b);
    case PairOp::LessEqual: return compare(arith::CmpIPredicate::sle, a, b);
    case PairOp::Equal: return compare(arith::CmpIPredicate::eq, a, b);
    case PairOp::And: return arith::AndIOp::create(builder, loc, a, b);
    case PairOp::Or: return arith::OrIOp::create(builder, loc, a, b);
    case PairOp::Not: return arith::XOrIOp::create(builder, loc, a, i32(1));
    case PairOp::Select: return arith::SelectOp::create(builder, loc, isTrue(a), b, c);
    case PairOp::Lookup: return lookup(node, values);
    }
    return {};
  }

  /// Rows and keys beyond the ends of a ragged tile may ask for entries that do not exist.
  Value lookup(const PairNode &node, ArrayRef<Value> values) {
    Value input = inputs[node.value];
    auto type = cast<RankedTensorType>(input.getType());
    SmallVector<Value> indices;
    auto operands = node.operands();
    for (auto [d, operand] : llvm::enumerate(ArrayRef(operands).take_front(type.getRank()))) {
      if (type.getDimSize(d) == 1) {
        indices.push_back(arith::ConstantIndexOp::create(builder, loc, 0));
        continue;
      }
      Value at = arith::MaxSIOp::create(builder, loc, values[operand], i32(0));
      if (!type.isDynamicDim(d))
        at = arith::MinSIOp::create(builder, loc, at, i32(type.getDimSize(d) - 1));
      indices.push_back(index(at));
    }
    Value entry = tensor::ExtractOp::create(builder, loc, input, indices);
    return type.getElementType().isInteger(1) ? asNumber(entry) : entry;
  }

  Value atom(const Atom &atom) {
    switch (atom.kind) {
    case AtomKind::Labels: return labels(atom);
    case AtomKind::Mask: return mask(atom);
    case AtomKind::Classes: return classes(atom);
    case AtomKind::Listed: return bit(atom.index);
    case AtomKind::Predicate: return predicate(formula.predicates[atom.index]);
    case AtomKind::Box: break;
    }
    Value all;
    for (int d = 0; d < formula.rank; ++d)
      all = both(all, interval(d, atom.dims[d]));
    return all ? all : constant(true);
  }
};

} // namespace

Value emitFormula(OpBuilder &builder, Location loc, const Formula &formula, Value batch, Value head,
                  ValueRange q, ValueRange k, ValueRange inputs, Value listed) {
  FormulaEmitter emitter{builder, loc, formula, batch, head, q, k, inputs, listed, {}};
  for (int d = 0; d < formula.rank; ++d)
    emitter.dags.emplace_back(builder, loc, formula, d, q[d], batch, head, inputs);
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

Value emitZeroKeys(OpBuilder &builder, Location loc, const Formula &formula, Value batch, Value head,
                   ValueRange q, ValueRange inputs) {
  auto constant = [&](int64_t value) {
    return arith::ConstantIntOp::create(builder, loc, value, 32).getResult();
  };
  Value window = constant(1), held = constant(1);
  for (int d = 0; d < formula.rank; ++d) {
    DagEmitter dag(builder, loc, formula, d, q[d], batch, head, inputs);
    const AtomDim &dim = formula.atoms.front().dims[d];
    window = arith::MulIOp::create(builder, loc, window, dag.get(formula.taps[d]));
    // ceil((hi - lo) / modulus), none where hi < lo.
    Value length = arith::SubIOp::create(builder, loc, dag.get(dim.hi), dag.get(dim.lo));
    length = arith::AddIOp::create(builder, loc, length, constant(dim.modulus - 1));
    Value keys = emitFloorDiv(builder, loc, length, constant(dim.modulus));
    held = arith::MulIOp::create(builder, loc, held,
                                 arith::MaxSIOp::create(builder, loc, keys, constant(0)));
  }
  return arith::SubIOp::create(builder, loc, window, held);
}

} // namespace attn
