#include "tools/ShowTerms.h"

#include "dialect/MaskFormulas.h"

#include "llvm/ADT/TypeSwitch.h"

#include <fmt/format.h>

namespace attn::tools {

namespace {

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

/// [q +] [name +] constant.
struct Linear {
  bool followsQuery = false;
  std::string name; ///< of a run-time number
  int64_t constant = 0;

  bool isInfinite() const { return std::abs(constant) >= kInfinity / 2; }
  std::string text(const std::string &query) const {
    std::string sum = followsQuery ? query : "";
    if (!name.empty())
      sum += (sum.empty() ? "" : " + ") + name;
    if (sum.empty())
      return std::to_string(constant);
    if (constant != 0)
      sum += fmt::format(" {} {}", constant < 0 ? '-' : '+', std::abs(constant));
    return sum;
  }
};

class Rules {
public:
  Rules(const Picture &picture) : picture(picture), attention(picture.attention) {}

  /// What pairs a mask kind shows. Linear kinds speak of positions, whatever the layout.
  std::string of(mlir::Attribute mask) {
    const Problem &p = picture.problem;
    LayoutAttr keys = attention.getKvTokens();
    bool linear = mlir::cast<MaskAttrInterface>(mask).isLinear() && !keys.hasGroups();
    llvm::SmallVector<int64_t> flat{p.numKeys};
    std::optional<Formula> formula =
        formulaOf(mask, keys.withDims(linear ? flat : p.kvTokens), attention.getMaskInputs());
    if (!formula)
      return "";
    const std::vector<TruthStep> &truth = formula->truth;
    if (truth.size() == 1 && truth.front().op == TruthOp::True)
      return "every pair";
    if (truth.size() != 1 || formula->atoms[truth.front().atom].kind != AtomKind::Box)
      return "";
    return boxText(*formula, formula->atoms[truth.front().atom]).value_or("");
  }

private:
  std::optional<int64_t> valueOf(const Formula &formula, const Symbol &symbol) const {
    const Problem &p = picture.problem;
    switch (symbol.kind) {
    case SymbolKind::NumQueries:
      return p.numQueries;
    case SymbolKind::NumKeys:
      return p.numKeys;
    case SymbolKind::QueryOffset:
      return p.queryOffset;
    case SymbolKind::Dim:
      return p.kvTokens[symbol.index];
    case SymbolKind::Span:
      return spanLength(formula.spans[symbol.index], p.numKeys);
    default:
      return std::nullopt;
    }
  }

  std::optional<Linear> linearOf(const Formula &formula, const ExprDag &dag, ExprId id) {
    const ExprNode &node = dag.nodes()[id];
    switch (node.op) {
    case ExprOp::Constant:
      return Linear{false, "", node.value};
    case ExprOp::Query:
      return Linear{true, "", 0};
    case ExprOp::Symbol:
      return symbolOf(formula, formula.symbols[node.value]);
    case ExprOp::Add:
    case ExprOp::Sub:
      break;
    default:
      return std::nullopt;
    }
    std::optional<Linear> a = linearOf(formula, dag, node.a), b = linearOf(formula, dag, node.b);
    bool adds = node.op == ExprOp::Add;
    if (!a || !b || (a->followsQuery && b->followsQuery) ||
        (!a->name.empty() && !b->name.empty()) || (!adds && (b->followsQuery || !b->name.empty())))
      return std::nullopt;
    return Linear{a->followsQuery || b->followsQuery, a->name + b->name,
                  adds ? a->constant + b->constant : a->constant - b->constant};
  }

  std::optional<Linear> symbolOf(const Formula &formula, const Symbol &symbol) {
    if (std::optional<int64_t> value = valueOf(formula, symbol))
      return Linear{false, "", *value};
    bool ofBatch = symbol.kind == SymbolKind::BatchInput;
    if (!ofBatch && symbol.kind != SymbolKind::HeadInput)
      return std::nullopt;
    return Linear{
        false, attention.getMaskInputs().names[symbol.index].str() + (ofBatch ? "[b]" : "[h]"), 0};
  }

  /// "q0 - 2 ≤ k0 ≤ q0, k1 < 4"; nothing where a bound is no sum.
  std::optional<std::string> boxText(const Formula &formula, const Atom &atom) {
    std::string text;
    for (int d = 0; d < formula.rank; ++d) {
      const AtomDim &dim = atom.dims[d];
      const ExprDag &dag = formula.dags[d];
      std::optional<Linear> lo = linearOf(formula, dag, dim.lo),
                            hi = linearOf(formula, dag, dim.hi);
      std::optional<Linear> shift =
          dim.shift >= 0 ? linearOf(formula, dag, dim.shift) : Linear{false, "", 0};
      if (!lo || !hi || !shift)
        return std::nullopt;
      std::string axis = formula.rank == 1 ? "" : std::to_string(d);
      for (const std::string &part : {rangeText(*lo, *hi, axis), residueText(dim, *shift, axis)})
        if (!part.empty())
          text += (text.empty() ? "" : ", ") + part;
    }
    return text.empty() ? "every pair" : text;
  }

  /// "(k - q) mod 4 = 0", "(k - 120) mod 128 < 8".
  static std::string residueText(const AtomDim &dim, const Linear &shift, const std::string &axis) {
    if (dim.modulus <= 1 || dim.width >= dim.modulus)
      return "";
    std::string from = shift.text(""), sum = "k" + axis + (dim.relative ? " - q" + axis : "");
    if (from != "0")
      sum += from[0] == '-' && shift.name.empty() ? " + " + from.substr(1) : " - " + from;
    return fmt::format("({}) mod {} {}", sum, dim.modulus,
                       dim.width == 1 ? "= 0" : fmt::format("< {}", dim.width));
  }

  static std::string rangeText(const Linear &lo, Linear hi, const std::string &axis) {
    std::string q = "q" + axis, k = "k" + axis;
    bool below = !hi.followsQuery && lo.isInfinite(); // "k < 4", but "k ≤ q"
    hi.constant -= below || hi.isInfinite() ? 0 : 1;
    if (lo.isInfinite() && hi.isInfinite())
      return "";
    if (lo.isInfinite())
      return fmt::format("{} {} {}", k, below ? "<" : "≤", hi.text(q));
    if (hi.isInfinite())
      return fmt::format("{} ≥ {}", k, lo.text(q));
    return fmt::format("{} ≤ {} ≤ {}", lo.text(q), k, hi.text(q));
  }

  const Picture &picture;
  AttentionOp attention;
};

//===----------------------------------------------------------------------===//
// Terms
//===----------------------------------------------------------------------===//

/// Connective of a mask and its operands.
std::pair<const char *, llvm::SmallVector<mlir::Attribute>> takenApart(mlir::Attribute mask) {
  using Parts = std::pair<const char *, llvm::SmallVector<mlir::Attribute>>;
  return llvm::TypeSwitch<mlir::Attribute, Parts>(mask)
      .Case([](AndAttr m) {
        return Parts{"and", llvm::to_vector(m.getOperands())};
      })
      .Case([](OrAttr m) {
        return Parts{"or", llvm::to_vector(m.getOperands())};
      })
      .Case([](NotAttr m) {
        return Parts{"not", {m.getOperand()}};
      })
      .Default([](mlir::Attribute) {
        return Parts{"kind", {}};
      });
}

size_t addTerm(const Picture &picture, const MaskGroup &whole, mlir::Attribute mask,
               std::vector<MaskTerm> &terms) {
  mlir::FailureOr<MaskGroup> group =
      mapGroup(picture.attention, mask, whole.heads, picture.problem.geometry(), picture.problem);
  assert(succeeded(group) && "a term has no more atoms than the mask that it is part of");
  auto [op, operands] = takenApart(mask);
  size_t index = terms.size();
  std::string rule = operands.empty() ? Rules(picture).of(mask) : "";
  terms.push_back({op, {}, std::move(*group), std::move(rule)});
  for (mlir::Attribute operand : operands) {
    size_t added = addTerm(picture, whole, operand, terms);
    terms[index].operands.push_back(added);
  }
  return index;
}

} // namespace

std::vector<MaskTerm> termsOf(const Picture &picture, const MaskGroup &group) {
  std::vector<MaskTerm> terms;
  addTerm(picture, group, group.mask, terms);
  return terms;
}

} // namespace attn::tools
