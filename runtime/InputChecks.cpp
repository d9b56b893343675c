#include "runtime/InputChecks.h"

#include "runtime/BoundChecks.h"

#include <algorithm>

namespace attn {

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

namespace {
/// The ways in which masks read one input.
struct InputRoles {
  bool perBatch = false, perHead = false; ///< one entry each
  bool ofQueries = false, ofKeys = false; ///< a vector over tokens
  bool isMask = false;                    ///< [batch, heads, queries, keys]
  bool isFree = false;                    ///< lengths, lists and tables: any extent
};
} // namespace

static void addAtomRoles(const Formula &formula, const Atom &atom, int32_t input,
                         InputRoles &roles) {
  switch (atom.kind) {
  case AtomKind::Labels:
  case AtomKind::Classes:
    roles.ofQueries |= atom.input == input;
    roles.ofKeys |= atom.keyInput == input;
    break;
  case AtomKind::Mask:
    roles.isMask |= atom.input == input;
    break;
  case AtomKind::Listed:
    roles.isFree |= atom.input == input || atom.keyInput == input;
    break;
  case AtomKind::Predicate:
    for (const PairNode &node : formula.predicates[size_t(atom.index)])
      roles.isFree |= node.op == PairOp::Lookup && node.value == input;
    break;
  case AtomKind::Box:
    break;
  }
}

static InputRoles rolesOf(const KernelInfo &info, int32_t input) {
  InputRoles roles;
  for (const Formula &formula : info.formulas) {
    for (const Symbol &symbol : formula.symbols) {
      roles.perBatch |= symbol.kind == SymbolKind::BatchInput && symbol.index == input;
      roles.perHead |= symbol.kind == SymbolKind::HeadInput && symbol.index == input;
    }
    for (const TableInfo &table : formula.tables) {
      roles.ofQueries |= table.kind == TableKind::Input && table.queryInput == input;
      roles.isFree |= table.kind != TableKind::Input &&
                      (table.queryInput == input || table.keyInput == input);
    }
    for (const Atom &atom : formula.atoms)
      addAtomRoles(formula, atom, input, roles);
  }
  return roles;
}

bool isReadByMasks(const KernelInfo &info, int32_t index) {
  InputRoles roles = rolesOf(info, index);
  return roles.perBatch || roles.perHead || roles.ofQueries || roles.ofKeys || roles.isMask ||
         roles.isFree;
}

std::vector<int64_t> wantedShape(const KernelInfo &info, int32_t index, const LaunchSizes &sizes) {
  std::vector<int64_t> shape = info.inputs[size_t(index)].shape;
  InputRoles roles = rolesOf(info, index);
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] >= 0)
      continue;
    IndexedBy inScore = info.inputs[size_t(index)].indexedBy[d];
    if (inScore != IndexedBy::Unsaid)
      shape[d] = inScore == IndexedBy::Query ? sizes.numQueries : sizes.numKeys;
    else if (roles.perBatch)
      shape[d] = sizes.batch;
    else if (roles.perHead)
      shape[d] = info.heads;
    else if (shape.size() == 1 && roles.ofQueries)
      shape[d] = sizes.numQueries;
    else if (shape.size() == 1 && roles.ofKeys)
      shape[d] = sizes.numKeys;
    else if (!roles.isFree)
      shape[d] = d + 2 == shape.size() ? sizes.numQueries : sizes.numKeys;
  }
  return shape;
}

/// The wanted shape with the given one's extents where anything goes.
static std::vector<int64_t> closedShape(std::vector<int64_t> wanted, const TensorView &view) {
  for (size_t d = 0; d < wanted.size(); ++d)
    if (wanted[d] < 0 && d < view.rank())
      wanted[d] = view.shape[d];
  return wanted;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

std::vector<DataView> inputViews(const KernelInfo &info, const Bindings &bindings) {
  std::vector<DataView> views;
  for (const InputInfo &input : info.inputs) {
    DataView &view = views.emplace_back();
    const TensorView &tensor = bindings.inputs.at(input.name);
    view.rank = int(tensor.rank());
    view.isBool = input.dtype == DType::Bool;
    if (input.dtype == DType::I32 || view.isBool)
      view.data = tensor.data;
    for (size_t d = 0; d < tensor.rank(); ++d) {
      view.shape[d] = tensor.shape[d];
      view.strides[d] = tensor.shape[d] == 1 ? 0 : tensor.strides[d];
    }
  }
  return views;
}

namespace {
class ValueChecker {
public:
  ValueChecker(const KernelInfo &info, const LaunchSizes &sizes, std::vector<DataView> views)
      : info(info), sizes(sizes), geometry(geometryOf(info, sizes)), views(std::move(views)) {}

  Status check() {
    for (const Formula &formula : info.formulas) {
      for (const TableInfo &table : formula.tables)
        if (Status status = checkTable(table); !status)
          return status;
      for (const Atom &atom : formula.atoms) {
        if (Status status = checkAtom(formula, atom); !status)
          return status;
        if (Status status = checkKeyCount(formula, atom); !status)
          return status;
      }
    }
    return {};
  }

private:
  const std::string &name(int32_t input) const { return info.inputs[size_t(input)].name; }
  int64_t entry(int32_t input, int64_t i) const {
    return views[size_t(input)].at(std::array<int64_t, 1>{i});
  }
  int64_t length(int32_t input) const { return views[size_t(input)].shape[0]; }

  Status checkTable(const TableInfo &table) {
    if (table.kind == TableKind::Input) {
      if (length(table.queryInput) >= sizes.numQueries)
        return {};
      return makeError("input '{}' has {} entries, but the mask reads it at {} queries",
                       name(table.queryInput), length(table.queryInput), sizes.numQueries);
    }
    if (table.kind == TableKind::RunBegin || table.kind == TableKind::RunEnd)
      return {};
    if (Status status = checkLengths(table.queryInput, sizes.numQueries, "queries"); !status)
      return status;
    if (Status status = checkLengths(table.keyInput, sizes.numKeys, "keys"); !status)
      return status;
    if (length(table.queryInput) == length(table.keyInput))
      return {};
    return makeError("inputs '{}' and '{}' have cumulative lengths of {} and {} sequences, but every "
                     "sequence has queries and keys",
                     name(table.queryInput), name(table.keyInput), length(table.queryInput) - 1,
                     length(table.keyInput) - 1);
  }

  Status checkLengths(int32_t input, int64_t tokens, const char *what) {
    int64_t count = length(input), before = 0;
    if (count < 1)
      return makeError("input '{}' of cumulative lengths is empty, but must start with 0",
                       name(input));
    for (int64_t i = 0; i < count; ++i) {
      int64_t value = entry(input, i);
      if (i == 0 && value != 0)
        return makeError("input '{}' of cumulative lengths starts with {}, but must start with 0",
                         name(input), value);
      if (value < before)
        return makeError("cumulative lengths must not descend, but entry {} of input '{}' is {} after "
                         "{}",
                         i, name(input), value, before);
      before = value;
    }
    if (before == tokens)
      return {};
    return makeError("the cumulative lengths of input '{}' end at {}, but there are {} {}",
                     name(input), before, tokens, what);
  }

  Status checkAtom(const Formula &formula, const Atom &atom) {
    switch (atom.kind) {
    case AtomKind::Listed:
      return checkBlocks(formula.blockLists[size_t(atom.index)]);
    case AtomKind::Predicate:
      return checkPredicate(formula, formula.predicates[size_t(atom.index)]);
    default:
      return {};
    }
  }

  /// Keys 0 <= k < length[b]: a length that no sequence of keys has is a mistake of the caller.
  Status checkKeyCount(const Formula &formula, const Atom &atom) {
    if (atom.kind != AtomKind::Box || formula.rank != 1)
      return {};
    const std::vector<ExprNode> &nodes = formula.dags[0].nodes();
    const ExprNode &lo = nodes[size_t(atom.dims[0].lo)];
    ExprNode hi = nodes[size_t(atom.dims[0].hi)]; // 0 + length
    if (hi.op == ExprOp::Add && nodes[size_t(hi.a)] == ExprNode{ExprOp::Constant})
      hi = nodes[size_t(hi.b)];
    if (lo.op != ExprOp::Constant || lo.value > 0 || hi.op != ExprOp::Symbol)
      return {};
    const Symbol &symbol = formula.symbols[size_t(hi.value)];
    if (symbol.kind != SymbolKind::BatchInput)
      return {};
    for (int64_t b = 0; b < sizes.batch; ++b)
      if (int64_t value = entry(symbol.index, b); value < 0 || value > sizes.numKeys)
        return makeError("entry {} of input '{}' is {}, but must be a number of keys from 0 to {}",
                         b, name(symbol.index), value, sizes.numKeys);
    return {};
  }

  Status checkLeading(int32_t input) {
    const DataView &view = views[size_t(input)];
    if (view.rank < 3)
      return {};
    int64_t wanted[2] = {sizes.batch, info.heads};
    for (int d = 0; d < 2; ++d)
      if (view.rank > d + 1 && view.shape[size_t(d)] != 1 && view.shape[size_t(d)] != wanted[d])
        return makeError("extent {} of input '{}' is {}, but must be 1 or {}", d, name(input),
                         view.shape[size_t(d)], wanted[d]);
    return {};
  }

  Status checkBlocks(const BlockList &list) {
    int64_t rows = ceilDiv(sizes.numQueries, list.size), columns = ceilDiv(sizes.numKeys, list.size);
    for (int32_t input : {list.rowInput, list.keyInput})
      if (input >= 0)
        if (Status status = checkLeading(input); !status)
          return status;
    const DataView &view = views[size_t(list.rowInput)];
    int64_t last = view.shape[size_t(view.rank - 1)];
    if (list.keyInput < 0) {
      int64_t words = ceilDiv(columns, 32), given = view.shape[size_t(view.rank - 2)];
      if (given == rows && last == words)
        return {};
      return makeError("input '{}' lists {} rows of {} words, but {} queries and {} keys in blocks of "
                       "{} need {} rows of {}",
                       name(list.rowInput), given, last, sizes.numQueries, sizes.numKeys, list.size,
                       rows, words);
    }
    if (last != rows + 1)
      return makeError("input '{}' has {} row pointers, but {} queries in blocks of {} need {}",
                       name(list.rowInput), last, sizes.numQueries, list.size, rows + 1);
    const DataView &keys = views[size_t(list.keyInput)];
    int64_t batches = view.rank > 2 ? view.shape[0] : 1, heads = view.rank > 2 ? view.shape[1] : 1;
    if (keys.rank == 3) {
      batches = std::max(batches, keys.shape[0]);
      heads = std::max(heads, keys.shape[1]);
    }
    for (int64_t b = 0; b < batches; ++b)
      for (int64_t h = 0; h < heads; ++h)
        if (Status status = checkRows(list, b, h, rows, columns); !status)
          return status;
    return {};
  }

  static int64_t at(const DataView &view, int64_t b, int64_t h, int64_t i) {
    return view.rank == 1 ? view.at(std::array<int64_t, 1>{i})
                          : view.at(std::array<int64_t, 3>{b, h, i});
  }

  Status checkRows(const BlockList &list, int64_t b, int64_t h, int64_t rows, int64_t columns) {
    const DataView &pointers = views[size_t(list.rowInput)], &keys = views[size_t(list.keyInput)];
    int64_t entries = keys.shape[size_t(keys.rank - 1)], before = 0;
    for (int64_t i = 0; i <= rows; ++i) {
      int64_t value = at(pointers, b, h, i);
      if (value < before || value > entries || (i == 0 && value != 0))
        return makeError("row pointers must ascend from 0 to at most {}, but entry {} of input '{}' is "
                         "{}",
                         entries, i, name(list.rowInput), value);
      before = value;
    }
    for (int64_t i = 0; i < before; ++i)
      if (int64_t value = at(keys, b, h, i); value < 0 || value >= columns)
        return makeError("entry {} of input '{}' is {}, but there are {} blocks of keys", i,
                         name(list.keyInput), value, columns);
    return {};
  }

  Status checkPredicate(const Formula &formula, const PairExpr &expr) {
    PairBox box;
    for (size_t d = 0; d < kMaxRank; ++d) {
      box.query[d] = {0, std::max<int64_t>(geometry.queries[d] - 1, 0)};
      box.key[d] = {0, std::max<int64_t>(geometry.keys[d] - 1, 0)};
    }
    box.row = {0, std::max<int64_t>(sizes.numQueries - 1, 0)};
    box.position = {sizes.queryOffset, box.row.hi + sizes.queryOffset};
    box.keyPosition = {0, std::max<int64_t>(sizes.numKeys - 1, 0)};
    box.head = {0, info.heads - 1};
    std::vector<std::string> names;
    for (const InputInfo &input : info.inputs)
      names.push_back(input.name);
    // What differs between heads or batch entries takes part with its smallest and its largest value, in
    // all combinations: divisors, indices and results are at their worst there.
    std::vector<int32_t> open;
    for (size_t i = 0; i < formula.symbols.size() && open.size() < kMaxOpen; ++i)
      if (isFromInput(formula.symbols[i]))
        open.push_back(int32_t(i));
    Interval params = parameterRange();
    for (uint32_t largest = 0; largest >> open.size() == 0; ++largest) {
      PairExpr bound = expr;
      for (PairNode &node : bound)
        if (node.op == PairOp::Symbol || node.op == PairOp::Table) {
          auto at = std::find(open.begin(), open.end(), node.value) - open.begin();
          bindNode(formula, node, params, largest >> at & 1);
        }
      if (std::optional<PairProblem> problem = findProblem(bound, box, {nullptr, nullptr, views}))
        return makeError("{}", describe(*problem, bound, names));
    }
    return {};
  }

  static constexpr size_t kMaxOpen = 8;
  static bool isFromInput(const Symbol &symbol) {
    return symbol.kind == SymbolKind::BatchInput || symbol.kind == SymbolKind::HeadInput;
  }

  static bool isSequenceStart(TableKind kind) {
    return kind == TableKind::KeyBegin || kind == TableKind::AlignBegin ||
           kind == TableKind::AlignEnd;
  }

  /// Replaces a symbol by its value, of several the largest or the smallest one, and tables by the largest
  /// that they may have.
  void bindNode(const Formula &formula, PairNode &node, Interval params, bool largest) const {
    int64_t value = std::max(sizes.numQueries, sizes.numKeys);
    // A sequence that is all there is: its length and its positions are the largest that there may be.
    if (node.op == PairOp::Table && isSequenceStart(formula.tables[size_t(node.value)].kind))
      value = 0;
    if (node.op == PairOp::Symbol) {
      const Symbol &symbol = formula.symbols[size_t(node.value)];
      switch (symbol.kind) {
      case SymbolKind::NumQueries: value = sizes.numQueries; break;
      case SymbolKind::NumKeys: value = sizes.numKeys; break;
      case SymbolKind::QueryOffset: value = sizes.queryOffset; break;
      case SymbolKind::Dim: value = geometry.keys[size_t(symbol.index)]; break;
      case SymbolKind::HeadParam: value = params.hi; break;
      case SymbolKind::Batch: value = std::max<int64_t>(sizes.batch - 1, 0); break;
      case SymbolKind::BatchInput:
      case SymbolKind::HeadInput: {
        value = length(symbol.index) ? entry(symbol.index, 0) : 0;
        for (int64_t i = 1; i < length(symbol.index); ++i)
          value = largest ? std::max(value, entry(symbol.index, i))
                          : std::min(value, entry(symbol.index, i));
        break;
      }
      default: break;
      }
    }
    node = {PairOp::Constant, -1, -1, -1, -1, value};
  }

  Interval parameterRange() const {
    Interval range{0, 0};
    for (const auto &row : info.parametersOfMask)
      for (const HeadParameter &parameter : row) {
        int64_t value = valueOf(parameter, sizes.numKeys);
        range = {std::min(range.lo, value), std::max(range.hi, value)};
      }
    return range;
  }

  const KernelInfo &info;
  const LaunchSizes &sizes;
  TileGeometry geometry;
  std::vector<DataView> views;
};
} // namespace

static std::string inputList(const KernelInfo &info) {
  std::string list;
  for (const InputInfo &input : info.inputs)
    list += (list.empty() ? "'" : ", '") + input.name + "'";
  return list.empty() ? "none" : list;
}

/// One vector for queries and keys wants as many of the ones as of the others.
static Status checkLabels(const KernelInfo &info, const LaunchSizes &sizes) {
  for (const Formula &formula : info.formulas)
    for (const Atom &atom : formula.atoms) {
      bool labels = atom.kind == AtomKind::Labels || atom.kind == AtomKind::Classes;
      if (labels && atom.input == atom.keyInput && sizes.numQueries != sizes.numKeys)
        return makeError("input '{}' labels queries and keys alike, but there are {} queries and {} "
                         "keys",
                         info.inputs[size_t(atom.input)].name, sizes.numQueries, sizes.numKeys);
    }
  return {};
}

Status checkInputs(const KernelInfo &info, const Bindings &bindings, const LaunchSizes &sizes) {
  for (const auto &[name, view] : bindings.inputs)
    if (std::none_of(info.inputs.begin(), info.inputs.end(),
                     [&](const InputInfo &input) { return input.name == name; }))
      return makeError("the kernel has no input '{}'", name)
          .withNote("its inputs are {}", inputList(info));
  if (Status status = checkLabels(info, sizes); !status)
    return status;
  for (size_t i = 0; i < info.inputs.size(); ++i) {
    const InputInfo &input = info.inputs[i];
    auto it = bindings.inputs.find(input.name);
    std::vector<int64_t> shape = wantedShape(info, int32_t(i), sizes);
    if (it == bindings.inputs.end())
      return makeError("input '{}' is missing: {} of shape {}", input.name, dtypeName(input.dtype),
                       shapeText(shape));
    if (Status status = checkTensor(it->second, input.name, input.dtype,
                                    closedShape(shape, it->second), false);
        !status)
      return status;
  }
  std::vector<DataView> views = inputViews(info, bindings);
  if (Status status = checkBounds(info, sizes, views); !status)
    return status;
  return ValueChecker(info, sizes, std::move(views)).check();
}

} // namespace attn
