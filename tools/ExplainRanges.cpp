#include "tools/ExplainRanges.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <numeric>

namespace attn::tools {

namespace {

//===----------------------------------------------------------------------===//
// A mask as a union of intersections
//===----------------------------------------------------------------------===//

/// An atom's interval, or one side of what it leaves out.
struct Literal {
  int32_t atom;
  enum Side { Inside, Below, From } side;
  bool operator==(const Literal &) const = default;
};
using Clause = std::vector<Literal>;
using Clauses = std::vector<Clause>;

constexpr size_t kMostClauses = 12;

Clauses bothOf(const Clauses &a, const Clauses &b) {
  Clauses result;
  for (const Clause &x : a)
    for (const Clause &y : b) {
      Clause clause = x;
      for (const Literal &literal : y)
        if (!llvm::is_contained(clause, literal))
          clause.push_back(literal);
      result.push_back(std::move(clause));
    }
  return result;
}

/// Drops what a wider intersection of the list covers.
Clauses eitherOf(Clauses a, const Clauses &b) {
  for (const Clause &clause : b)
    a.push_back(clause);
  Clauses kept;
  auto covers = [](const Clause &wide, const Clause &narrow) {
    return llvm::all_of(wide, [&](const Literal &l) { return llvm::is_contained(narrow, l); });
  };
  for (size_t i = 0; i < a.size(); ++i) {
    bool covered = false;
    for (size_t j = 0; j < a.size() && !covered; ++j)
      covered = i != j && covers(a[j], a[i]) && (!covers(a[i], a[j]) || j < i);
    if (!covered)
      kept.push_back(a[i]);
  }
  return kept;
}

/// A formula and its inverse; nothing where they have no such form.
struct Normal {
  std::optional<Clauses> yes, no;
};

class Normalizer {
public:
  explicit Normalizer(const Formula &formula) : formula(formula) {}

  std::optional<Clauses> run() {
    std::vector<Normal> stack;
    for (const TruthStep &step : formula.truth) {
      if (step.op == TruthOp::Atom) {
        stack.push_back(ofAtom(step.atom));
      } else if (step.op == TruthOp::True) {
        stack.push_back({Clauses{{}}, Clauses{}});
      } else if (step.op == TruthOp::Not) {
        std::swap(stack.back().yes, stack.back().no);
      } else {
        Normal right = std::move(stack.back());
        stack.pop_back();
        Normal &left = stack.back();
        bool isAnd = step.op == TruthOp::And;
        left = {isAnd ? both(left.yes, right.yes) : either(left.yes, right.yes),
                isAnd ? either(left.no, right.no) : both(left.no, right.no)};
      }
    }
    return stack.back().yes;
  }

private:
  using Maybe = std::optional<Clauses>;

  /// Outside an interval of one dimension are two; residues have no inverse of the kind.
  Normal ofAtom(int32_t index) const {
    const Atom &atom = formula.atoms[size_t(index)];
    if (atom.kind != AtomKind::Box)
      return {};
    Normal normal{Clauses{{{index, Literal::Inside}}}, std::nullopt};
    if (formula.rank > 1 || atom.dims[0].modulus > 1)
      return normal;
    normal.no = Clauses{};
    if (!isInfinite(atom.dims[0].lo))
      normal.no->push_back({{index, Literal::Below}});
    if (!isInfinite(atom.dims[0].hi))
      normal.no->push_back({{index, Literal::From}});
    return normal;
  }

  bool isInfinite(ExprId id) const {
    const ExprNode &node = formula.dags[0].nodes()[size_t(id)];
    return node.op == ExprOp::Constant && std::abs(node.value) >= kInfinity / 2;
  }

  /// Nothing and an empty union is empty all the same.
  static Maybe both(const Maybe &a, const Maybe &b) {
    if ((a && a->empty()) || (b && b->empty()))
      return Clauses{};
    if (!a || !b || a->size() * b->size() > kMostClauses)
      return std::nullopt;
    return eitherOf({}, bothOf(*a, *b));
  }
  static Maybe either(const Maybe &a, const Maybe &b) {
    if (!a || !b || a->size() + b->size() > kMostClauses)
      return std::nullopt;
    return eitherOf(*a, *b);
  }

  const Formula &formula;
};

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

/// Where the far ends are cut: often the tile map needs neither, and the formula is shorter.
struct Cuts {
  bool atLastQuery, atLastKey;
};

/// Keys lo <= k < hi that the queries of a tile see in one dimension.
struct KeyRange {
  Sum lo, hi;
};

class RangeWriter {
public:
  RangeWriter(const Formula &formula, const Naming &naming, const TileChoice &tiles, Cuts cuts)
      : formula(formula), naming(naming), tiles(tiles), cuts(cuts) {
    for (int d = 0; d < formula.rank; ++d) {
      Sum first = Sum::name(naming.axis("T", d)) * tiles.queryTile[d];
      Sum last = first + (tiles.queryTile[d] - 1);
      if (cuts.atLastQuery)
        last = smaller(last, naming.queries(d) - 1);
      if (std::optional<int64_t> queries = naming.queries(d).asConstant(); queries && *queries > 0)
        most[naming.axis("T", d)] = ceilDiv(*queries, tiles.queryTile[d]) - 1;
      atFirst.push_back(naming.leaves(formula, first));
      atLast.push_back(naming.leaves(formula, last));
    }
  }

  /// Bounds of a query tile, as they do not descend: the low one at its first query, the high one
  /// at its last.
  KeyRange keysOf(const Clause &clause, int d) const {
    KeyRange range{0, kInfinity};
    for (const Literal &literal : clause) {
      const AtomDim &dim = formula.atoms[size_t(literal.atom)].dims[size_t(d)];
      if (literal.side != Literal::Below)
        range.lo =
            larger(range.lo, at(atFirst, d, literal.side == Literal::From ? dim.hi : dim.lo));
      if (literal.side != Literal::From)
        range.hi =
            smaller(range.hi, at(atLast, d, literal.side == Literal::Below ? dim.lo : dim.hi));
    }
    if (cuts.atLastKey || range.hi.isInfinite())
      range.hi = smaller(range.hi, naming.keys(d));
    return {within(range.lo), within(range.hi)};
  }

  Sum within(const Sum &sum) const { return sum.within(most); }

  RangeFact fact(const KeyRange &keys, int d, const Sum &begin, const Sum &end) const {
    RangeFact fact{begin.text(),   end.text(),     (end - 1).text(),
                   keys.lo.text(), keys.hi.text(), (keys.hi - 1).text()};
    fact.isEverything =
        begin.asConstant() == 0 && end.text() == ceilOf(naming.keys(d), tiles.keyTile[d]).text();
    return fact;
  }

private:
  Sum at(const std::vector<Leaves> &leaves, int d, ExprId bound) const {
    return readable(formula.dags[size_t(d)], bound, leaves[size_t(d)]);
  }

  const Formula &formula;
  const Naming &naming;
  const TileChoice &tiles;
  Cuts cuts;
  std::vector<Leaves> atFirst, atLast;
  NameValues most; ///< of the query tiles' numbers
};

/// The key tiles of one range, in every dimension.
struct TileRange {
  std::vector<Sum> begin, end;
  std::vector<RangeFact> facts;
};

/// Ranges one after the other, in this order: each begins where those before have ended.
std::vector<TileRange> rangesOf(const RangeWriter &writer, const Clauses &clauses, int rank,
                                llvm::ArrayRef<int64_t> keyTile) {
  std::vector<TileRange> ranges;
  Sum tilesBefore = 0, keysBefore = 0;
  for (const Clause &clause : clauses) {
    TileRange range;
    bool isEmpty = false;
    for (int d = 0; d < rank; ++d) {
      KeyRange keys = writer.keysOf(clause, d);
      Sum begin = writer.within(floorOf(keys.lo, keyTile[d]));
      Sum end = writer.within(ceilOf(keys.hi, keyTile[d]));
      if (clauses.size() > 1) {
        begin = writer.within(larger(begin, tilesBefore));
        keys.lo = writer.within(larger(keys.lo, keysBefore));
        tilesBefore = larger(tilesBefore, end);
        keysBefore = larger(keysBefore, keys.hi);
      }
      isEmpty |= (begin - end).isNotNegative();
      range.facts.push_back(writer.fact(keys, d, begin, end));
      range.begin.push_back(std::move(begin));
      range.end.push_back(std::move(end));
    }
    if (!isEmpty)
      ranges.push_back(std::move(range));
  }
  return ranges;
}

//===----------------------------------------------------------------------===//
// The check
//===----------------------------------------------------------------------===//

/// Whether the boxes are exactly the key tiles of one box; they are disjoint.
bool areOneBox(llvm::ArrayRef<KeyBox> boxes, const KeyBox &whole, int rank) {
  bool isEmpty = false;
  int64_t size = 1;
  for (int d = 0; d < rank; ++d) {
    isEmpty |= whole.lo[d] >= whole.hi[d];
    size *= whole.hi[d] - whole.lo[d];
  }
  if (isEmpty)
    return boxes.empty();
  int64_t found = 0;
  for (const KeyBox &box : boxes) {
    for (int d = 0; d < rank; ++d)
      if (box.lo[d] < whole.lo[d] || box.hi[d] > whole.hi[d])
        return false;
    found += box.size();
  }
  return found == size;
}

/// Whether ranges of one dimension, in order, cover what the boxes cover.
bool areSame(llvm::ArrayRef<KeyBox> boxes, std::vector<std::pair<int64_t, int64_t>> ranges) {
  auto merged = [](auto &list) {
    size_t kept = 0;
    for (auto range : list)
      if (kept > 0 && list[kept - 1].second >= range.first)
        list[kept - 1].second = std::max(list[kept - 1].second, range.second);
      else
        list[kept++] = range;
    list.resize(kept);
  };
  std::vector<std::pair<int64_t, int64_t>> visited;
  for (const KeyBox &box : boxes)
    visited.push_back({box.lo[0], box.hi[0]});
  merged(visited);
  merged(ranges);
  return visited == ranges;
}

bool agreesOn(const TileMap &map, int64_t queryTile, llvm::ArrayRef<TileRange> ranges,
              NameValues &values, const Naming &naming) {
  const TileGeometry &geometry = map.geometry();
  Coords at = coordsAt(queryTile, tileGrid(geometry, true), geometry.rank);
  for (int d = 0; d < geometry.rank; ++d)
    values[naming.axis("T", d)] = at[d];
  std::vector<KeyBox> boxes, said;
  map.boxes(queryTile, boxes);
  for (const TileRange &range : ranges) {
    KeyBox &box = said.emplace_back();
    for (int d = 0; d < geometry.rank; ++d) {
      std::optional<int64_t> lo = range.begin[d].evaluate(values);
      std::optional<int64_t> hi = range.end[d].evaluate(values);
      if (!lo || !hi)
        return false;
      box.lo[d] = std::max<int64_t>(*lo, 0);
      box.hi[d] = std::min(*hi, geometry.keyTiles(d));
    }
  }
  if (geometry.rank > 1)
    return said.size() == 1 ? areOneBox(boxes, said.front(), geometry.rank)
                            : said.empty() && boxes.empty();
  std::vector<std::pair<int64_t, int64_t>> list;
  for (const KeyBox &box : said)
    if (box.lo[0] < box.hi[0])
      list.push_back({box.lo[0], box.hi[0]});
  return areSame(boxes, std::move(list));
}

bool agrees(const RangeSample &sample, llvm::ArrayRef<TileRange> ranges, const Naming &naming) {
  NameValues values = sample.values;
  int64_t count = sample.map.geometry().numQueryTiles(), step = checkStep(count);
  for (int64_t t = 0; t < count; t += step)
    if (!agreesOn(sample.map, t, ranges, values, naming))
      return false;
  return count == 0 || agreesOn(sample.map, count - 1, ranges, values, naming);
}

/// In the order in which they begin and end on the last query tile.
void sortClauses(Clauses &clauses, const RangeWriter &writer, const RangeSample &sample) {
  NameValues values = sample.values;
  values["T"] = std::max<int64_t>(sample.map.geometry().numQueryTiles() - 1, 0);
  auto place = [&](const Clause &clause) {
    KeyRange keys = writer.keysOf(clause, 0);
    return std::pair(keys.lo.evaluate(values).value_or(0), keys.hi.evaluate(values).value_or(0));
  };
  llvm::sort(clauses, [&](const Clause &a, const Clause &b) { return place(a) < place(b); });
}

} // namespace

int64_t checkStep(int64_t queryTiles) {
  constexpr int64_t most = int64_t(1) << 17;
  return std::max<int64_t>(ceilDiv(queryTiles, most), 1);
}

VisitFact visitFact(const Formula &formula, const Naming &naming, const TileChoice &tiles,
                    llvm::ArrayRef<RangeSample> samples) {
  VisitFact fact;
  if (!formula.tables.empty())
    fact.why = "the mask depends on data for each query";
  else if (formula.dataAtoms() != 0)
    fact.why =
        llvm::any_of(formula.atoms, [](const Atom &a) { return a.kind == AtomKind::Predicate; })
            ? "a part of the mask is no interval of keys"
            : "a part of the mask is data";
  else if (samples.empty())
    fact.why = "there are no lengths at which one was checked";
  if (!fact.why.empty())
    return fact;
  std::optional<Clauses> clauses = Normalizer(formula).run();
  if (!clauses || (formula.rank > 1 && clauses->size() > 1)) {
    fact.why = "the mask is no union of a few intervals";
    return fact;
  }
  for (Cuts cuts : {Cuts{false, false}, {false, true}, {true, false}, {true, true}}) {
    RangeWriter writer(formula, naming, tiles, cuts);
    if (formula.rank == 1)
      sortClauses(*clauses, writer, samples.back());
    std::vector<TileRange> ranges = rangesOf(writer, *clauses, formula.rank, tiles.keyTile);
    if (!llvm::all_of(samples, [&](const RangeSample &s) { return agrees(s, ranges, naming); }))
      continue;
    for (TileRange &range : ranges)
      fact.ranges.push_back(std::move(range.facts));
    return fact;
  }
  fact.why = "no fixed list of intervals gives them on every query tile";
  return fact;
}

} // namespace attn::tools
