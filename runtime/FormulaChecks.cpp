// What evaluating a formula, and making a tile map of it, relies on.
#include "runtime/KernelInfoChecks.h"

#include <algorithm>

namespace attn {
namespace {

/// More than any mask has; printing and evaluating stay quick.
constexpr size_t kMaxNodes = 4096;
/// As deep as Formula::truthOf goes.
constexpr int kMaxTruthStack = 127;
/// Listed atoms whose truth a box of key tiles can hold.
constexpr int32_t kMaxListed = 31;

class FormulaChecker {
public:
  FormulaChecker(const KernelInfo &info, const Formula &formula) : info(info), formula(formula) {}

  Status check() {
    require(formula.rank == info.rank, "a formula of rank {} in a kernel of rank {}", formula.rank,
            info.rank);
    require(formula.tables == info.formulas.front().tables,
            "formulas differ in their tables, which all share");
    if (error)
      return std::move(*error);
    checkSymbols();
    checkTables();
    checkLists();
    checkPredicates();
    checkDags();
    if (!error)
      checkAtoms();
    checkTruth();
    checkTaps();
    return error ? Status(std::move(*error)) : Status();
  }

private:
  template <class... Args>
  bool require(bool holds, fmt::format_string<Args...> format, Args &&...args) {
    if (!holds && !error)
      error = makeError(format, std::forward<Args>(args)...);
    return !error;
  }

  //===--------------------------------------------------------------------===//
  // Inputs
  //===--------------------------------------------------------------------===//

  /// Input `index` exists and is a vector of i32.
  bool isVector(int32_t index, const char *what) {
    if (!require(index >= 0 && size_t(index) < info.inputs.size(), "a formula reads input {} of {}",
                 index, info.inputs.size()))
      return false;
    const InputInfo &input = info.inputs[size_t(index)];
    return require(input.dtype == DType::I32 && input.shape.size() == 1,
                   "input '{}' is read as {}, which are i32 in one dimension", input.name, what);
  }

  /// Extent `given` of an input, -1 where the launch checks it, serves `wanted` entries, -1 where
  /// these are known at run time alone.
  bool serves(const InputInfo &input, int64_t given, int64_t wanted) {
    return require(given < 0 || (wanted >= 0 && given >= wanted),
                   "input '{}' has an extent of {}, but {} entries may be read", input.name, given,
                   wanted < 0 ? std::string("any number of") : std::to_string(wanted));
  }

  /// -1 where the launch binds it.
  int64_t tokens(bool ofQueries) const {
    if (info.bounded)
      return info.tokenUnit ? -1 : info.tokenBase;
    int64_t count = 1;
    for (int64_t length : ofQueries ? info.tokens : info.kvTokens) {
      if (length < 0 || (length > 0 && count > kMaxMagnitude / length))
        return -1;
      count *= length;
    }
    return count;
  }

  void checkLabels(int32_t input, bool ofQueries) {
    if (isVector(input, "labels"))
      serves(info.inputs[size_t(input)], info.inputs[size_t(input)].shape[0], tokens(ofQueries));
  }

  /// A bool tensor [batch, heads, queries, keys]; extents of 1 are broadcast.
  void checkMask(int32_t index) {
    if (!require(index >= 0 && size_t(index) < info.inputs.size(), "a formula reads input {} of {}",
                 index, info.inputs.size()))
      return;
    const InputInfo &input = info.inputs[size_t(index)];
    if (!require(input.dtype == DType::Bool && input.shape.size() == 4,
                 "input '{}' is read as a mask, which is bool in 4 dimensions", input.name))
      return;
    int64_t wanted[] = {info.batch, info.heads, tokens(true), tokens(false)};
    for (size_t d = 0; d < 4; ++d)
      if (input.shape[d] != 1)
        serves(input, input.shape[d], wanted[d]);
  }

  //===--------------------------------------------------------------------===//
  // Lists
  //===--------------------------------------------------------------------===//

  void checkSymbols() {
    for (const Symbol &symbol : formula.symbols)
      switch (symbol.kind) {
      case SymbolKind::NumQueries:
      case SymbolKind::NumKeys:
      case SymbolKind::QueryOffset:
      case SymbolKind::Batch:
        break;
      case SymbolKind::Dim:
        require(symbol.index >= 0 && symbol.index < info.rank, "a symbol of dimension {}",
                symbol.index);
        break;
      case SymbolKind::HeadParam:
        checkHeadParameter(symbol.index);
        break;
      case SymbolKind::BatchInput:
      case SymbolKind::HeadInput:
        if (isVector(symbol.index, "entries of batch or heads"))
          serves(info.inputs[size_t(symbol.index)], info.inputs[size_t(symbol.index)].shape[0],
                 symbol.kind == SymbolKind::HeadInput ? info.heads : info.batch);
        break;
      case SymbolKind::HeadFormula:
      case SymbolKind::Span:
        require(false, "a symbol of kind {}, which kernels do not have", int(symbol.kind));
      }
  }

  void checkHeadParameter(int32_t index) {
    size_t number = size_t(&formula - info.formulas.data());
    for (size_t mask = 0; mask < info.formulaOfMask.size(); ++mask)
      if (size_t(info.formulaOfMask[mask]) == number)
        require(index >= 0 && size_t(index) < info.parametersOfMask[mask].size(),
                "head parameter {} of a mask that has {}", index,
                info.parametersOfMask[mask].size());
  }

  void checkTables() {
    require(formula.tables.size() <= size_t(kMaxTables), "{} tables, but a kernel takes at most {}",
            formula.tables.size(), kMaxTables);
    for (const TableInfo &table : formula.tables) {
      bool runs = table.kind == TableKind::RunBegin || table.kind == TableKind::RunEnd;
      require(!runs, "a table of runs, which launches make by themselves");
      isVector(table.queryInput, "a table");
      if (table.kind != TableKind::Input)
        isVector(table.keyInput, "a table");
      else
        require(table.keyInput == -1, "a table of one input has a second one");
    }
  }

  void checkLists() {
    for (const ClassTable &table : formula.classTables)
      require(table.count >= 0 && table.count <= 4096 &&
                  table.allow.size() == size_t(table.count) * size_t(table.count),
              "a table of {} classes has {} entries", table.count, table.allow.size());
    require(formula.blockLists.empty() || info.rank == 1,
            "blocks are listed on a layout of {} dimensions", info.rank);
    for (const BlockList &list : formula.blockLists)
      if (require(list.size > 0 && list.size < kMaxMagnitude &&
                      list.size % info.queryTile[0] == 0 && list.size % info.keyTile[0] == 0,
                  "listed blocks of {} tokens are no multiple of the tiles", list.size))
        checkBlockInputs(list);
  }

  void checkBlockInputs(const BlockList &list) {
    bool bits = list.keyInput < 0;
    for (int32_t index : {list.rowInput, list.keyInput}) {
      if (index == -1 && index == list.keyInput)
        continue;
      if (!require(index >= 0 && size_t(index) < info.inputs.size(),
                   "a formula reads input {} of {}", index, info.inputs.size()))
        return;
      const InputInfo &input = info.inputs[size_t(index)];
      size_t rank = input.shape.size();
      require(input.dtype == DType::I32 && (bits ? rank == 2 || rank == 4 : rank == 1 || rank == 3),
              "input '{}' of {} dimensions cannot list blocks", input.name, rank);
    }
  }

  //===--------------------------------------------------------------------===//
  // Expressions
  //===--------------------------------------------------------------------===//

  bool isSymbol(int64_t index) {
    return require(index >= 0 && size_t(index) < formula.symbols.size(), "symbol {} of {}", index,
                   formula.symbols.size());
  }
  bool isTable(int64_t index) {
    return require(index >= 0 && size_t(index) < formula.tables.size(), "table {} of {}", index,
                   formula.tables.size());
  }

  void checkDags() {
    if (!require(formula.dags.size() == size_t(formula.rank), "{} dags in {} dimensions",
                 formula.dags.size(), formula.rank))
      return;
    for (const ExprDag &dag : formula.dags) {
      require(dag.nodes().size() <= kMaxNodes, "a dag of {} nodes; {} are possible",
              dag.nodes().size(), kMaxNodes);
      for (const ExprNode &node : dag.nodes()) {
        require(node.op != ExprOp::Table || formula.rank == 1,
                "a table is read in a layout of {} dimensions", formula.rank);
        if (node.op == ExprOp::Symbol)
          isSymbol(node.value);
        else if (node.op == ExprOp::Table)
          isTable(node.value);
        else
          require(node.value >= -2 * kInfinity && node.value <= 2 * kInfinity,
                  "a constant of {}, which is beyond infinity", node.value);
      }
    }
  }

  void checkPredicates() {
    for (const PairExpr &expr : formula.predicates) {
      require(!expr.empty() && expr.size() <= kMaxNodes, "a predicate of {} nodes", expr.size());
      for (size_t i = 0; i < expr.size() && !error; ++i)
        checkPairNode(expr[i], int32_t(i));
    }
  }

  void checkPairNode(const PairNode &node, int32_t number) {
    int operands = 2;
    switch (node.op) {
    case PairOp::Constant:
      operands = 0;
      require(node.value > -kMaxMagnitude && node.value < kMaxMagnitude,
              "a predicate has the constant {}, which is beyond 2^40", node.value);
      break;
    case PairOp::Query:
    case PairOp::Key:
      operands = 0;
      require(node.value >= -1 && node.value < formula.rank, "a predicate reads coordinate {}",
              node.value);
      break;
    case PairOp::Row:
      operands = 0;
      break;
    case PairOp::Head:
      require(false, "a predicate reads the head, but a formula belongs to one");
      break;
    case PairOp::Symbol:
      operands = 0;
      isSymbol(node.value);
      break;
    case PairOp::Table:
      operands = 0;
      isTable(node.value);
      break;
    case PairOp::Not:
      operands = 1;
      break;
    case PairOp::Select:
      operands = 3;
      break;
    case PairOp::Lookup:
      operands = checkLookup(node);
      break;
    default:
      break;
    }
    std::array<int32_t, 4> list = node.operands();
    for (int i = 0; i < 4; ++i)
      require(i < operands ? list[size_t(i)] >= 0 && list[size_t(i)] < number
                           : list[size_t(i)] == -1,
              "node {} of a predicate has operands that its operation does not take", number);
  }

  /// The input's dimensions.
  int checkLookup(const PairNode &node) {
    if (!require(node.value >= 0 && size_t(node.value) < info.inputs.size(),
                 "a predicate reads input {} of {}", node.value, info.inputs.size()))
      return 0;
    const InputInfo &input = info.inputs[size_t(node.value)];
    require(input.dtype == DType::I32 || input.dtype == DType::Bool,
            "a predicate reads input '{}' of type '{}'", input.name, dtypeName(input.dtype));
    return int(input.shape.size());
  }

  //===--------------------------------------------------------------------===//
  // Atoms and their truth
  //===--------------------------------------------------------------------===//

  bool isNode(int d, ExprId id) {
    return require(id >= 0 && size_t(id) < formula.dags[size_t(d)].nodes().size(),
                   "a bound is node {} of {}", id, formula.dags[size_t(d)].nodes().size());
  }

  void checkBox(const Atom &atom) {
    if (!require(atom.dims.size() == size_t(formula.rank), "a box of {} dimensions in {}",
                 atom.dims.size(), formula.rank))
      return;
    for (int d = 0; d < formula.rank; ++d) {
      const AtomDim &dim = atom.dims[size_t(d)];
      require(dim.modulus >= 1 && dim.modulus < kMaxMagnitude && dim.width >= 1 &&
                  dim.width < kMaxMagnitude,
              "a box with modulus {} and width {}", dim.modulus, dim.width);
      if (!isNode(d, dim.lo) || !isNode(d, dim.hi) || dim.shift == -1 || !isNode(d, dim.shift))
        continue;
      require(!formula.dags[size_t(d)].dependsOnQuery()[size_t(dim.shift)],
              "the shift of a box depends on the query");
    }
  }

  void checkAtom(const Atom &atom) {
    require(atom.kind == AtomKind::Box || atom.dims.empty(), "a data atom has intervals");
    auto isIndex = [&](size_t count) {
      return require(atom.index >= 0 && size_t(atom.index) < count, "an atom is number {} of {}",
                     atom.index, count);
    };
    switch (atom.kind) {
    case AtomKind::Box:
      return checkBox(atom);
    case AtomKind::Classes:
      isIndex(formula.classTables.size());
      [[fallthrough]];
    case AtomKind::Labels:
      checkLabels(atom.input, true);
      checkLabels(atom.keyInput, false);
      break;
    case AtomKind::Mask:
      checkMask(atom.input);
      break;
    case AtomKind::Listed:
      if (isIndex(formula.blockLists.size())) {
        const BlockList &list = formula.blockLists[size_t(atom.index)];
        require(atom.index < kMaxListed && atom.input == list.rowInput &&
                    atom.keyInput == list.keyInput,
                "an atom and its list of blocks read different inputs");
      }
      break;
    case AtomKind::Predicate:
      isIndex(formula.predicates.size());
    }
  }

  void checkAtoms() {
    require(formula.atoms.size() <= size_t(kMaxAtoms), "{} atoms, but a mask has at most {}",
            formula.atoms.size(), kMaxAtoms);
    for (const Atom &atom : formula.atoms)
      checkAtom(atom);
  }

  void checkTruth() {
    require(formula.truth.size() <= kMaxNodes, "a mask of {} operations; {} are possible",
            formula.truth.size(), kMaxNodes);
    int depth = 0;
    for (const TruthStep &step : formula.truth) {
      bool pushes = step.op == TruthOp::Atom || step.op == TruthOp::True;
      int taken = pushes ? 0 : step.op == TruthOp::Not ? 1 : 2;
      if (step.op == TruthOp::Atom)
        require(step.atom >= 0 && size_t(step.atom) < formula.atoms.size(), "atom {} of {}",
                step.atom, formula.atoms.size());
      if (!require(depth >= taken, "the program of the mask takes more than it has"))
        return;
      depth += 1 - taken;
      if (!require(depth <= kMaxTruthStack, "the program of the mask is too deep"))
        return;
    }
    require(depth == 1, "the program of the mask leaves {} values", depth);
  }

  void checkTaps() {
    if (formula.taps.empty() || error)
      return;
    if (require(formula.taps.size() == size_t(formula.rank) && formula.atoms.size() == 1 &&
                    formula.atoms.front().kind == AtomKind::Box,
                "taps belong to a mask of one box"))
      for (int d = 0; d < formula.rank; ++d)
        isNode(d, formula.taps[size_t(d)]);
  }

  const KernelInfo &info;
  const Formula &formula;
  std::optional<Error> error;
};

} // namespace

Status checkFormula(const KernelInfo &info, const Formula &formula) {
  return FormulaChecker(info, formula).check();
}

} // namespace attn
