//===- BlindHeads.cpp - heads whose mask shows nothing --------------------===//
#include "dialect/MaskFormulas.h"
#include "frontend/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {

/// Query coordinates that are swept for one kernel, over all dimensions and masks: a few
/// milliseconds.
constexpr int64_t kMaxSwept = 1 << 14;
/// Different masks of heads that are looked at.
constexpr unsigned kMaxMasks = 64;

/// Values of the formula's symbols, or nothing where the run decides on one.
static std::optional<std::vector<int64_t>> symbolValues(const Formula &formula,
                                                        ArrayRef<int64_t> dims, int64_t queries,
                                                        int64_t keys, int64_t offset) {
  std::vector<int64_t> values;
  for (const Symbol &symbol : formula.symbols) {
    switch (symbol.kind) {
    case SymbolKind::NumQueries:
      values.push_back(queries);
      break;
    case SymbolKind::NumKeys:
      values.push_back(keys);
      break;
    case SymbolKind::QueryOffset:
      values.push_back(offset);
      break;
    case SymbolKind::Dim:
      values.push_back(dims[symbol.index]);
      break;
    case SymbolKind::Span:
      values.push_back(spanLength(formula.spans[symbol.index], keys));
      break;
    default:
      return std::nullopt;
    }
  }
  return values;
}

/// Whether no query sees a key, as far as that is proven with the rest of what may be swept. The
/// whole layout is one tile, which the mask's map must not visit.
static bool showsNothing(AttentionOp op, Attribute mask, int64_t &rest) {
  auto simple = cast<MaskAttrInterface>(cast<MaskAttrInterface>(mask).simplified());
  Attribute nothing = NotAttr::get(op.getContext(), AllAttr::get(op.getContext()));
  if (simple == nothing)
    return true;
  int64_t queries = op.getTokens().getNumTokens(), keys = op.getKvTokens().getNumTokens();
  if (ShapedType::isDynamic(queries) || ShapedType::isDynamic(keys))
    return false;
  LayoutAttr queryLayout = op.getTokens(), keyLayout = op.getKvTokens();
  if (simple.isLinear() && !keyLayout.hasGroups()) {
    queryLayout = queryLayout.withDims({queries});
    keyLayout = keyLayout.withDims({keys});
  }
  for (int64_t dim : queryLayout.getDims())
    rest -= dim;
  if (rest < 0)
    return false;
  std::optional<Formula> formula = formulaOf(simple, keyLayout, op.getMaskInputs());
  if (!formula || !formula->tables.empty() || !formula->taps.empty())
    return false;
  int64_t offset = op.getQOffset().value_or(keys - queries);
  auto symbols = symbolValues(*formula, keyLayout.getDims(), queries, keys, offset);
  if (!symbols)
    return false;
  TileGeometry geometry;
  geometry.rank = int(keyLayout.getDims().size());
  llvm::copy(queryLayout.getDims(), geometry.queries.begin());
  llvm::copy(keyLayout.getDims(), geometry.keys.begin());
  geometry.queryTile = geometry.queries;
  geometry.keyTile = geometry.keys;
  geometry.bounded = keyLayout.hasGroups();
  geometry.numQueries = queries;
  geometry.numKeys = keys;
  return TileMap(std::move(*formula), geometry, std::move(*symbols)).counts().visited == 0;
}

void warnAboutBlindHeads(AttentionOp op, const Source &source, const syntax::Word &kernel) {
  SmallVector<std::pair<Attribute, bool>> known; // masks, and whether they show nothing
  std::string blind;
  int64_t heads = op.getNumHeads(), count = 0, rest = kMaxSwept;
  for (int64_t head = 0, first = 0; head <= heads; ++head) {
    bool isBlind = false;
    if (head < heads) {
      Attribute mask = op.getMaskOfHead(head);
      auto *found = llvm::find_if(known, [&](const auto &entry) { return entry.first == mask; });
      if (found == known.end()) {
        if (known.size() == kMaxMasks)
          return;
        found = &known.emplace_back(mask, showsNothing(op, mask, rest));
      }
      isBlind = found->second;
    }
    if (isBlind) {
      ++count;
      continue;
    }
    if (first < head)
      blind += (blind.empty() ? "" : ", ") + std::to_string(first) +
               (first + 1 < head ? ".." + std::to_string(head - 1) : "");
    first = head + 1;
  }
  if (count == 0)
    return;
  InFlightDiagnostic diag = source.warning(kernel.loc);
  if (count == heads)
    diag << "no head of kernel '" << kernel.text << "' sees a key";
  else
    diag << (count == 1 ? "head " : "heads ") << blind << " of kernel '" << kernel.text
         << (count == 1 ? "' sees no key" : "' see no key");
  diag << ", so that the output is 0 there";
}

} // namespace attn
