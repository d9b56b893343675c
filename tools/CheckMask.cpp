//===- CheckMask.cpp - masks in the reference's words ---------------------===//
#include "tools/CheckMask.h"

#include "dialect/algebra/PredicateParser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace attn::tools {

namespace ref = reference;

//===----------------------------------------------------------------------===//
// Predicates
//===----------------------------------------------------------------------===//

namespace {

/// From the compiler's parts of a predicate, which may share operands, to the reference's tree.
/// Parsing is all that the two have in common.
class PredicateConverter {
public:
  PredicateConverter(const ParsedPredicate &predicate, ArrayRef<StringRef> inputs)
      : predicate(predicate), inputs(inputs) {}

  std::optional<ref::Expr> convert() {
    ref::Expr expr = at(int32_t(predicate.expr.size()) - 1);
    return isKnown ? std::optional(std::move(expr)) : std::nullopt;
  }

private:
  /// Shared operands, of which a tree has copies, could make it grow without end.
  static constexpr int64_t kMaxCopies = 100'000;

  ref::Expr unknown() {
    isKnown = false;
    return {};
  }
  ref::Expr tableAt(int64_t input, std::vector<ref::Expr> indices) {
    return ref::lookup(inputs[size_t(input)].str(), std::move(indices),
                       std::vector<std::string>(indices.size(), "?"));
  }
  ref::Expr symbolAt(const Symbol &symbol) {
    switch (symbol.kind) {
    case SymbolKind::NumQueries:
      return ref::queryCount();
    case SymbolKind::NumKeys:
      return ref::keyCount();
    case SymbolKind::Batch:
      return ref::batchNumber();
    case SymbolKind::BatchInput:
      return tableAt(symbol.index, {ref::batchNumber()});
    case SymbolKind::HeadInput:
      return tableAt(symbol.index, {ref::headNumber()});
    default:
      return unknown();
    }
  }
  ref::Expr lookupAt(const PairNode &node) {
    std::vector<ref::Expr> indices;
    for (int32_t operand : node.operands())
      if (operand >= 0)
        indices.push_back(at(operand));
    return tableAt(node.value, std::move(indices));
  }
  ref::Expr at(int32_t index) {
    const PairNode &node = predicate.expr[size_t(index)];
    if (!isKnown || ++copies > kMaxCopies)
      return unknown();
    auto a = [&] { return at(node.a); };
    auto b = [&] { return at(node.b); };
    switch (node.op) {
    case PairOp::Constant:
      return ref::Expr(node.value);
    case PairOp::Query:
      return node.value < 0 ? ref::queryPosition() : ref::queryCoordinate(node.value);
    case PairOp::Key:
      return node.value < 0 ? ref::keyPosition() : ref::keyCoordinate(node.value);
    case PairOp::Row: // the index `q` of a table, which the reference reads as this row
      return ref::queryPosition();
    case PairOp::Head:
      return ref::headNumber();
    case PairOp::Symbol:
      return symbolAt(predicate.symbols[size_t(node.value)]);
    case PairOp::Add:
      return a() + b();
    case PairOp::Sub:
      return a() - b();
    case PairOp::Mul:
      return a() * b();
    case PairOp::FloorDiv:
      return ref::floordiv(a(), b());
    case PairOp::Mod:
      return ref::mod(a(), b());
    case PairOp::Min:
      return ref::minimum(a(), b());
    case PairOp::Max:
      return ref::maximum(a(), b());
    case PairOp::Less:
      return a() < b();
    case PairOp::LessEqual:
      return a() <= b();
    case PairOp::Equal:
      return a() == b();
    case PairOp::And:
      return a() && b();
    case PairOp::Or:
      return a() || b();
    case PairOp::Not:
      return !a();
    case PairOp::Select:
      return ref::select(a(), b(), at(node.c));
    case PairOp::Lookup:
      return lookupAt(node);
    case PairOp::Table: // bounds have them, predicates as they are written do not
      return unknown();
    }
    return unknown();
  }

  const ParsedPredicate &predicate;
  ArrayRef<StringRef> inputs;
  int64_t copies = 0;
  bool isKnown = true;
};

//===----------------------------------------------------------------------===//
// Kinds
//===----------------------------------------------------------------------===//

/// Masks of one attention.
class MaskConverter {
public:
  explicit MaskConverter(AttentionOp op)
      : op(op), inputNames(op.getInputNameList()), heads(size_t(op.getNumHeads())) {}

  Expected<MaskNode> nodeOf(Attribute mask);

private:
  static MaskNode leaf(ref::Mask mask) { return {MaskNode::Leaf, std::move(mask), "", {}}; }
  static std::string nameOf(FlatSymbolRefAttr symbol) {
    return symbol ? symbol.getValue().str() : "";
  }
  Expected<MaskNode> connective(MaskNode::Kind kind, ArrayRef<Attribute> operands);
  Expected<MaskNode> predicateOf(WhereAttr mask);
  ref::Mask spansOf(ArrayRef<double> alphas, ArrayRef<double> betas, int64_t newTokens) {
    return ref::spans({alphas.begin(), alphas.end()}, {betas.begin(), betas.end()}, newTokens);
  }

  AttentionOp op;
  SmallVector<StringRef> inputNames;
  size_t heads;
};

} // namespace

static Error unknownMask(Attribute mask) {
  std::string text;
  llvm::raw_string_ostream(text) << mask;
  return makeError("the reference does not know the mask '{}'", text);
}

static ref::Mask neighborhoodOf(NeighborhoodAttr mask) {
  std::vector<ref::NeighborhoodDim> dims;
  for (int64_t d = 0; d < mask.getWindow().size(); ++d)
    dims.push_back(
        {mask.getWindow()[d], mask.getStride()[d], mask.getDilation()[d], mask.getCausal()[d]});
  ref::Border border = mask.getBorder() == Border::Shift  ? ref::Border::Shift
                       : mask.getBorder() == Border::Clip ? ref::Border::Clip
                                                          : ref::Border::Zero;
  return ref::neighborhood(std::move(dims), border);
}

static ref::Mask classesOf(ClassesAttr mask) {
  auto count = size_t(mask.getCount());
  std::vector<std::vector<int>> allow(count, std::vector<int>(count));
  for (size_t i = 0; i < count * count; ++i)
    allow[i / count][i % count] = mask.getAllow()[int64_t(i)];
  ref::Mask made = ref::classes(mask.getInput().getValue().str(), std::move(allow));
  if (mask.getKeyInput())
    made.keyInput = mask.getKeyInput().getValue().str();
  return made;
}

Expected<MaskNode> MaskConverter::connective(MaskNode::Kind kind, ArrayRef<Attribute> operands) {
  MaskNode node;
  node.kind = kind;
  for (Attribute operand : operands) {
    Expected<MaskNode> child = nodeOf(operand);
    if (!child)
      return child;
    node.operands.push_back(std::move(*child));
  }
  return node;
}

Expected<MaskNode> MaskConverter::predicateOf(WhereAttr mask) {
  PredicateScope scope;
  scope.rank = int(op.getTokens().getDims().size());
  for (auto [name, value] : llvm::zip(inputNames, op.getInputs())) {
    auto type = cast<RankedTensorType>(value.getType());
    scope.inputs.push_back({name.str(), int(type.getRank()), type.getElementType().isInteger(1)});
  }
  PredicateError error;
  std::optional<ParsedPredicate> parsed = parsePredicate(mask.getText().getValue(), scope, error);
  assert(parsed && "verifyOn has parsed the predicate");
  std::optional<ref::Expr> expr = PredicateConverter(*parsed, inputNames).convert();
  if (!expr)
    return unknownMask(mask);
  return leaf(ref::predicate(std::move(*expr)));
}

Expected<MaskNode> MaskConverter::nodeOf(Attribute mask) {
  using Node = Expected<MaskNode>;
  return llvm::TypeSwitch<Attribute, Node>(mask)
      .Case([](AllAttr) { return leaf(ref::all()); })
      .Case([](CausalAttr m) {
        return leaf(m.getDim() >= 0  ? ref::causalDim(m.getDim())
                    : m.getTopLeft() ? ref::causalTopLeft()
                                     : ref::causal());
      })
      .Case([](WindowAttr m) {
        return leaf(ref::dilatedWindow(m.getLeft(), m.getRight(), m.getDilation()));
      })
      .Case([](SinkAttr m) { return leaf(ref::sink(m.getCount())); })
      .Case([](PrefixAttr m) {
        return leaf(m.getInput() ? ref::prefix(nameOf(m.getInput())) : ref::prefix(m.getCount()));
      })
      .Case([](KeysAttr m) {
        return leaf(m.getGroup() ? ref::keys(nameOf(m.getGroup()))
                                 : ref::keys(m.getFirst(), m.getCount()));
      })
      .Case([](QueriesAttr m) {
        return leaf(m.getGroup() ? ref::queries(nameOf(m.getGroup()))
                                 : ref::queries(m.getFirst(), m.getCount()));
      })
      .Case([](GlobalAttr m) { return leaf(ref::global(m.getFirst(), m.getCount())); })
      .Case([](StridedAttr m) { return leaf(ref::strided(m.getStride())); })
      .Case([](FixedAttr m) { return leaf(ref::fixed(m.getStride(), m.getCount())); })
      .Case([&](SpanAttr m) { // the span of the head at hand, whichever it is
        std::vector<double> alphas(heads, m.getAlpha().getValueAsDouble());
        std::vector<double> betas(heads, m.getBeta().getValueAsDouble());
        return leaf(spansOf(alphas, betas, m.getNewTokens()));
      })
      .Case(
          [&](SpansAttr m) { return leaf(spansOf(m.getAlphas(), m.getBetas(), m.getNewTokens())); })
      .Case([](BlockAttr m) {
        return leaf(
            ref::block({m.getSize().asArrayRef().begin(), m.getSize().asArrayRef().end()},
                       {m.getOffset().asArrayRef().begin(), m.getOffset().asArrayRef().end()}));
      })
      .Case([](NeighborhoodAttr m) { return leaf(neighborhoodOf(m)); })
      .Case([](SameAttr m) {
        return leaf(m.getKeyInput() ? ref::same(nameOf(m.getInput()), nameOf(m.getKeyInput()))
                                    : ref::same(nameOf(m.getInput())));
      })
      .Case([](ClassesAttr m) { return leaf(classesOf(m)); })
      .Case([](InputAttr m) {
        return MaskNode{MaskNode::Data, {}, nameOf(m.getInput()), {}};
      })
      .Case([](BlocksAttr m) {
        return leaf(m.getKeys() ? ref::blocks(nameOf(m.getRows()), nameOf(m.getKeys()), m.getSize())
                                : ref::blockBits(nameOf(m.getRows()), m.getSize()));
      })
      .Case([&](WhereAttr m) { return predicateOf(m); })
      .Case([&](AndAttr m) { return connective(MaskNode::And, m.getOperands()); })
      .Case([&](OrAttr m) { return connective(MaskNode::Or, m.getOperands()); })
      .Case([&](NotAttr m) { return connective(MaskNode::Not, m.getOperand()); })
      .Default([](Attribute m) -> Node { return unknownMask(m); });
}

/// Keys of other sequences are hidden whatever the mask says: leaves know that, an inverted one
/// does not.
static MaskNode insideSequence(MaskNode node) {
  MaskNode both;
  both.kind = MaskNode::And;
  both.operands.push_back({MaskNode::Leaf, ref::all(), "", {}});
  both.operands.push_back(std::move(node));
  return both;
}

Expected<CheckedMask> checkedMaskOf(Attribute mask, AttentionOp op) {
  CheckedMask checked;
  auto packed = dyn_cast<PackedAttr>(mask);
  if (packed) {
    checked.cuQueries = packed.getQueries().getValue().str();
    checked.cuKeys = packed.getKeys().getValue().str();
    mask = packed.getMask();
  }
  Expected<MaskNode> node = MaskConverter(op).nodeOf(mask);
  if (!node)
    return node.takeError();
  checked.node = packed ? insideSequence(std::move(*node)) : std::move(*node);
  return checked;
}

void forEachLeaf(const MaskNode &node, llvm::function_ref<void(const ref::Mask &)> f) {
  if (node.kind == MaskNode::Leaf)
    f(node.leaf);
  for (const MaskNode &operand : node.operands)
    forEachLeaf(operand, f);
}

//===----------------------------------------------------------------------===//
// Contexts
//===----------------------------------------------------------------------===//

static ref::Tensor integers(const TensorView &view) {
  ref::Tensor tensor{view.shape, {}};
  std::vector<int64_t> at(view.rank(), 0);
  for (int64_t i = 0, count = view.numElements(); i < count; ++i) {
    tensor.values.push_back(int32_t(view.at(std::span<const int64_t>(at))));
    for (size_t d = view.rank(); d-- > 0 && ++at[d] == view.shape[d];)
      at[d] = 0;
  }
  return tensor;
}

/// Everything that a leaf may look for by this name.
static void addInput(const std::string &name, const Bindings &bindings, ref::Context &context) {
  auto input = bindings.inputs.find(name);
  if (input == bindings.inputs.end() || context.tensors.count(name))
    return;
  ref::Tensor tensor = integers(input->second);
  if (tensor.shape.size() == 1)
    context.labels[name] = context.batchInputs[name] = tensor.values;
  context.tensors[name] = std::move(tensor);
}

CheckedGroups checkedGroupsOf(LayoutAttr layout) {
  CheckedGroups checked;
  if (!layout.hasGroups())
    return checked;
  TokenCount count = layout.getTokenCount();
  checked.base = count.base;
  checked.unit = count.unit;
  for (GroupAttr group : layout.getGroups()) {
    std::vector<int64_t> dims(group.getDims().begin(), group.getDims().end());
    if (ShapedType::isDynamic(dims[0]))
      dims[0] = -1;
    checked.groups.push_back({group.getName().getValue().str(), std::move(dims)});
  }
  return checked;
}

/// With the open length, if there is one, bound by the number of all tokens.
static std::vector<ref::TokenGroup> bound(const CheckedGroups &checked, int64_t tokens) {
  std::vector<ref::TokenGroup> groups = checked.groups;
  for (ref::TokenGroup &group : groups)
    if (group.dims[0] < 0)
      group.dims[0] = (tokens - checked.base) / checked.unit;
  return groups;
}

ref::Context contextOf(const CheckedMask &mask, const CheckedGroups &groups,
                       const Bindings &bindings, const CheckSizes &sizes) {
  ref::Context context;
  context.dims = sizes.kvTokens;
  context.queryDims = sizes.tokens;
  context.nq = sizes.numQueries;
  context.nk = sizes.numKeys;
  context.qOffset = sizes.queryOffset;
  context.groups = bound(groups, sizes.numQueries);
  forEachLeaf(mask.node, [&](const ref::Mask &leaf) {
    addInput(leaf.input, bindings, context);
    addInput(leaf.keyInput, bindings, context);
    ref::forEachNode(leaf.predicate,
                     [&](const ref::Expr &part) { addInput(part.table, bindings, context); });
  });
  if (!mask.cuQueries.empty()) {
    context.cuQueries = integers(bindings.inputs.at(mask.cuQueries)).values;
    context.cuKeys = integers(bindings.inputs.at(mask.cuKeys)).values;
  }
  return context;
}

} // namespace attn::tools
