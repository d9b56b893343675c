#include "tools/ExplainFacts.h"

#include "tools/BoundSpec.h"
#include "tools/ExplainAtoms.h"

#include "llvm/ADT/SetVector.h"

#include <fmt/format.h>

namespace attn::tools {

//===----------------------------------------------------------------------===//
// What formulas read
//===----------------------------------------------------------------------===//

namespace {
/// Names of inputs, each once.
class InputList {
public:
  explicit InputList(const MaskInputs &inputs) : inputs(inputs) {}
  void add(int32_t input) {
    if (input >= 0)
      list.insert(input);
  }
  std::string text() const {
    std::string text;
    for (int32_t input : list)
      text += (text.empty() ? "'" : ", '") + inputs.names[size_t(input)].str() + "'";
    return text;
  }

private:
  const MaskInputs &inputs;
  llvm::SetVector<int32_t> list;
};
} // namespace

std::string FormulaUse::inputsOf(AtomKind kind) const {
  InputList list(inputs);
  for (const Formula &formula : formulas)
    for (const Atom &atom : formula.atoms)
      if (atom.kind == kind) {
        list.add(atom.input);
        list.add(atom.keyInput);
      }
  return list.text();
}

std::string FormulaUse::inputsOf(SymbolKind kind) const {
  InputList list(inputs);
  for (const Formula &formula : formulas)
    for (const Symbol &symbol : formula.symbols)
      if (symbol.kind == kind)
        list.add(symbol.index);
  return list.text();
}

std::string FormulaUse::inputsOfTables(bool packed) const {
  InputList list(inputs);
  for (const Formula &formula : formulas)
    for (const TableInfo &table : formula.tables)
      if ((table.kind != TableKind::Input) == packed) {
        list.add(table.queryInput);
        list.add(table.keyInput);
      }
  return list.text();
}

bool FormulaUse::has(AtomKind kind) const {
  return llvm::any_of(formulas, [&](const Formula &formula) {
    return llvm::any_of(formula.atoms, [&](const Atom &atom) { return atom.kind == kind; });
  });
}

bool FormulaUse::has(SymbolKind kind) const {
  return llvm::any_of(formulas, [&](const Formula &formula) {
    return llvm::any_of(formula.symbols, [&](const Symbol &s) { return s.kind == kind; });
  });
}

//===----------------------------------------------------------------------===//
// When
//===----------------------------------------------------------------------===//

/// Whether some length is known only at a launch.
static bool isOpen(const Naming &naming) {
  bool open = false;
  for (int d = 0; d < naming.rank(); ++d)
    open |= !naming.keys(d).asConstant() || !naming.queries(d).asConstant();
  return open;
}

static std::string bytesText(int64_t bytes) {
  if (bytes < 1024)
    return fmt::format("{} bytes", bytes);
  return bytes < 1 << 20 ? fmt::format("{:.1f} KB", double(bytes) / 1024)
                         : fmt::format("{:.1f} MB", double(bytes) / (1 << 20));
}

static Fact listFact(const Naming &naming, const Explanation &explanation, bool readsData) {
  std::string text = "the list of the key tiles that each query tile visits, from the formulas" +
                     std::string(readsData ? " and the data" : "");
  int64_t bytes = 0;
  for (const GroupFact &group : explanation.groups)
    bytes += group.list ? group.list->bytes : 0;
  if (explanation.total)
    text += fmt::format(": {} for {} mask{}", bytesText(bytes), explanation.groups.size(),
                        explanation.groups.size() == 1 ? "" : "s");
  if (isOpen(naming))
    text += "; so other lengths need no other kernel";
  return {"range_lists", text};
}

std::vector<Fact> launchFacts(const FormulaUse &use, const Naming &naming,
                              const Explanation &explanation) {
  bool readsData = llvm::any_of(use.formulas, [](const Formula &formula) {
    return formula.dataAtoms() != 0 || !formula.tables.empty();
  });
  std::vector<Fact> facts{listFact(naming, explanation, readsData)};
  auto add = [&](const char *id, const std::string &inputs, const char *format) {
    if (!inputs.empty())
      facts.push_back({id, fmt::format(fmt::runtime(format), inputs)});
  };
  add("labels", use.inputsOf(AtomKind::Labels),
      "runs of equal labels in {}: where every label is one run they become exact ranges of keys, "
      "else tiles are compared label by label");
  add("sequences", use.inputsOfTables(true),
      "begin and end of every query's sequence, from the cumulative lengths in {}");
  add("query_values", use.inputsOfTables(false), "the entries of {}, one for each query");
  add("batch_lengths", use.inputsOf(SymbolKind::BatchInput),
      "the entry of {0} for each batch entry: those that differ have a list of their own");
  add("head_values", use.inputsOf(SymbolKind::HeadInput),
      "the entry of {0} for each head: those that differ have a list of their own");
  add("bool_masks", use.inputsOf(AtomKind::Mask),
      "the class of every tile of {}, by reading the tensor once");
  add("block_lists", use.inputsOf(AtomKind::Listed), "which tiles are listed, from {}");
  add("classes", use.inputsOf(AtomKind::Classes), "the classes that occur in every tile of {}");
  if (use.has(AtomKind::Predicate))
    facts.push_back({"predicates",
                     "the class of the tiles of conditions that are no interval, from the "
                     "range of the expression on the tile"});
  if (use.has(SymbolKind::Span))
    facts.push_back({"spans",
                     "the span of each head from the number of keys: alpha + beta * N in f64, "
                     "rounded up to blocks of 64"});
  facts.push_back(
      {"order", "the order of the query tiles: those that visit most key tiles start first"});
  return facts;
}

static std::string shareText(int64_t part, int64_t whole) {
  double share = whole ? 100 * double(part) / double(whole) : 0;
  return fmt::format("{} of {} ({:.1f} %)", grouped(part), grouped(whole), share);
}

std::vector<Fact> kernelFacts(const FormulaUse &use, const Explanation &explanation,
                              bool hasScore) {
  std::vector<Fact> facts;
  std::string rowCode =
      "the mask, pair by pair, on partial tiles alone, where some pairs are visible and "
      "others are not";
  bool shared = llvm::any_of(explanation.code, [](const CodeFact &code) {
    return code.heads.size() > 1 && !code.constants.front().empty();
  });
  if (explanation.total) {
    const TileCounts &tiles = explanation.total->tiles;
    int64_t partial = tiles.visited - tiles.full;
    std::string share = (explanation.total->exact ? "" : "≈ ") + shareText(partial, tiles.visited);
    rowCode = partial == 0 ? "no mask at all: every visited tile is full"
                           : rowCode + ": " + share + " visited tiles";
  }
  facts.push_back({"row_code", rowCode});
  if (shared)
    facts.push_back({"head_parameters",
                     "constants that differ between heads: read from a table, so that "
                     "the heads share their code"});
  if (hasScore)
    facts.push_back({"score", "the score expression, for every pair of a visited tile"});
  return facts;
}

std::vector<Fact> neverFacts(const FormulaUse &use, const Explanation &explanation) {
  std::string empty = "empty tiles are never loaded", full = "full tiles run without a mask";
  if (explanation.total) {
    const TileCounts &tiles = explanation.total->tiles;
    std::string approximately = explanation.total->exact ? "" : "≈ ";
    empty +=
        fmt::format(": {}{} tiles", approximately, shareText(tiles.all - tiles.visited, tiles.all));
    full +=
        fmt::format(": {}{} visited tiles", approximately, shareText(tiles.full, tiles.visited));
  }
  std::vector<Fact> facts{{"empty_tiles", empty}, {"full_tiles", full}};
  if (!use.has(AtomKind::Mask))
    facts.push_back({"mask_matrix", "no mask of queries times keys is ever in memory"});
  return facts;
}

//===----------------------------------------------------------------------===//
// Gaps
//===----------------------------------------------------------------------===//

static bool readsInput(const Formula &formula, const Atom &atom) {
  if (atom.kind != AtomKind::Predicate)
    return true;
  return llvm::any_of(formula.predicates[size_t(atom.index)], [&](const PairNode &node) {
    return node.op == PairOp::Lookup || node.op == PairOp::Table;
  });
}

/// The reason why an atom has no bounds. What follows it names the atoms.
static Fact dataGap(const Formula &formula, const Atom &atom, bool isKnown) {
  if (!isKnown && readsInput(formula, atom))
    return {"unknown_input",
            "known only when the kernel runs; with '--inputs=FILE.safetensors' the counts "
            "are those of your data"};
  const char *id = "data", *what = "data";
  switch (atom.kind) {
  case AtomKind::Predicate:
    return {"predicate",
            "couples query and key in a way that is no interval of keys; tiles are decided by "
            "the range of the expression, and count as partial where that does not suffice"};
  case AtomKind::Labels:
    id = "labels_not_sorted";
    what = formula.rank > 1 ? "labels on several dimensions, which are no ranges of keys"
                            : "labels that are not sorted into one run each";
    break;
  case AtomKind::Classes:
    id = "classes", what = "a table of classes";
    break;
  case AtomKind::Listed:
    id = "blocks", what = "a list of blocks";
    break;
  case AtomKind::Mask:
    id = "bool_data", what = "a bool tensor";
    break;
  case AtomKind::Box:
    break;
  }
  return {id, std::string(what) +
                  "; where other parts of the mask matter too, a tile with some of the "
                  "data's pairs counts as partial"};
}

std::vector<Fact> gapFacts(const Formula &formula, Signature dataAtoms, bool isKnown) {
  std::vector<std::pair<Fact, std::string>> found; // and the atoms that it is told of
  std::vector<std::string> names = atomNames(formula);
  auto add = [&](const Fact &fact, const std::string &name) {
    auto it = llvm::find_if(found, [&](const auto &entry) { return entry.first.id == fact.id; });
    if (it == found.end())
      found.push_back({fact, name});
    else
      it->second += ", " + name;
  };
  Signature residues = uncertainAtoms(formula);
  for (int32_t i : atomOrder(formula)) {
    if (residues >> i & 1)
      add({"residues",
           fmt::format(
               "its residues and those of other parts are more than {} together, the most that "
               "are swept; the tiles are those of its interval",
               kMaxResidues)},
          names[size_t(i)]);
    if (dataAtoms >> i & 1)
      add(dataGap(formula, formula.atoms[size_t(i)], isKnown), names[size_t(i)]);
  }
  std::vector<Fact> facts;
  bool isAlone = atomOrder(formula).size() == 1; // and has no name in the text
  for (auto &[fact, atoms] : found)
    facts.push_back({fact.id, isAlone ? fact.text : atoms + ": " + fact.text});
  return facts;
}

//===----------------------------------------------------------------------===//
// Words
//===----------------------------------------------------------------------===//

/// What the dimensions are where tokens are tiled by residue.
static void addSplit(const Explanation &explanation, std::vector<Fact> &facts) {
  std::string parts;
  int next = 0;
  for (auto [d, step] : llvm::enumerate(explanation.steps)) {
    std::string x = explanation.steps.size() == 1 ? "x" : fmt::format("x{}", d);
    if (step > 1)
      parts +=
          fmt::format("{}q{} and k{} are positions floor({} / {}), q{} and k{} residues {} mod {}",
                      parts.empty() ? "" : "; ", next, next, x, step, next + 1, next + 1, x, step);
    next += step > 1 ? 2 : 1;
  }
  if (!parts.empty())
    facts.push_back(
        {"split", "a tile holds tokens of one residue, where the mask is not dilated: of the "
                  "layout's coordinate x, " +
                      parts});
}

std::vector<Fact> wordFacts(const FormulaUse &use, const Naming &naming,
                            const Explanation &explanation) {
  bool several = naming.rank() > 1;
  std::vector<Fact> facts;
  std::string first, last;
  for (int d = 0; d < naming.rank(); ++d) {
    Sum begin = Sum::name(naming.axis("T", d)) * explanation.queryTile[size_t(d)];
    first += (d ? ", " : "") + begin.text();
    last += (d ? ", " : "") + (begin + (explanation.queryTile[size_t(d)] - 1)).text();
  }
  if (several)
    facts.push_back(
        {"q", fmt::format("q0, q1, .. are the coordinates of a query and k0, k1, .. those of a "
                          "key; query tile (T0, T1, ..) holds queries ({}) to ({})",
                          first, last)});
  else
    facts.push_back(
        {"q",
         fmt::format("q is the position of a query among the keys, k that of a key; query tile T "
                     "holds the queries numbered {} to {}",
                     first, last)});
  addSplit(explanation, facts);
  if (std::optional<int64_t> offset = naming.offset().asConstant();
      !several && offset && *offset != 0)
    facts.push_back(
        {"q_offset", fmt::format("the position of a query is its number plus {}, the q_offset",
                                 grouped(*offset))});
  if (!several && naming.isSelf() && !naming.keys(0).asConstant())
    facts.push_back({"N", "N is the number of tokens, as many queries as keys"});
  if (!naming.offset().asConstant())
    facts.push_back({"q_offset",
                     "q_offset, the position of the first query, is Nk - Nq: as many keys less "
                     "as many queries"});
  if (!use.inputsOf(SymbolKind::BatchInput).empty())
    facts.push_back({"b", "b is the batch entry"});
  if (!use.inputsOf(SymbolKind::HeadInput).empty())
    facts.push_back({"h", "h is the query head"});
  if (!use.inputsOfTables(true).empty())
    facts.push_back(
        {"begin", "begin(q) and end(q) are the ends of the keys of the query's own sequence"});
  facts.push_back(
      {"tiles", "a full tile has visible pairs alone, a partial one some, an empty one none"});
  if (explanation.total)
    facts.push_back({"bounds",
                     "bounds on the speed-up over dense attention: flop counts pairs, tile_mean "
                     "tiles over all query tiles, tile_worst those of the worst query tile"});
  return facts;
}

} // namespace attn::tools
