#include "simulator/TileCandidates.h"

#include "dialect/MaskFormulas.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <numeric>

using llvm::ArrayRef;
using llvm::SmallVector;
using mlir::cast;
using mlir::FailureOr;
using mlir::ShapedType;

namespace attn {

int64_t productOf(ArrayRef<int64_t> box) {
  return std::accumulate(box.begin(), box.end(), int64_t(1), std::multiplies<>());
}

std::vector<Box> boxesNear(ArrayRef<int64_t> usual, ArrayRef<int64_t> layout, int64_t tokens) {
  constexpr double kFar = 1.34; // in powers of two
  double shrunk = std::log2(double(productOf(usual)) / double(tokens)) / double(usual.size());
  std::vector<std::pair<double, Box>> found;
  Box box(usual.size(), 1);
  auto extend = [&](auto &self, size_t d, int64_t left, double distance) -> void {
    if (d == usual.size()) {
      if (left == 1)
        found.push_back({distance, box});
      return;
    }
    for (int64_t extent = 1; extent <= left; extent *= 2) {
      double off = std::abs(std::log2(double(extent)) - (std::log2(double(usual[d])) - shrunk));
      bool isLonger = !ShapedType::isDynamic(layout[d]) && extent > 1 && extent / 2 >= layout[d];
      // A dimension that holds one token of each tile, as residues do, stays so.
      if (off > kFar || isLonger || (usual[d] == 1 && extent > 1))
        continue;
      box[d] = extent;
      self(self, d + 1, left / extent, distance + off * off);
    }
  };
  extend(extend, 0, tokens, 0);
  llvm::stable_sort(found, llvm::less_first());
  std::vector<Box> boxes;
  for (auto &[distance, candidate] : found)
    boxes.push_back(std::move(candidate));
  return boxes;
}

bool areMapsTelling(AttentionOp op, const TileChoice &usual) {
  constexpr int64_t kFewQueries = 128;
  int64_t queries = op.getTokens().getNumTokens();
  if (!ShapedType::isDynamic(queries) && queries < kFewQueries)
    return false;
  for (auto &[mask, heads] : groupHeads(op)) {
    std::optional<Formula> formula = formulaOf(mask, usual.keyLayoutOf(op), op.getMaskInputs());
    if (!formula || cast<MaskAttrInterface>(mask).blockSize() != 0)
      return false;
    for (const Atom &atom : withUnknownInputs(*formula).atoms)
      if (atom.kind != AtomKind::Box)
        return false;
  }
  return true;
}

/// Open lengths, so that all tokens together are about kNominalTokens; empty where none is open.
static SmallVector<int64_t> nominal(LayoutAttr layout) {
  ArrayRef<int64_t> dims = layout.getDims();
  int64_t open = llvm::count_if(dims, ShapedType::isDynamic), known = 1;
  if (open == 0)
    return {};
  for (int64_t length : dims)
    known *= ShapedType::isDynamic(length) ? 1 : std::max<int64_t>(length, 1);
  double each = std::pow(std::max(1.0, double(kNominalTokens) / double(known)), 1.0 / double(open));
  int64_t length = std::max<int64_t>(16, int64_t(1) << std::lround(std::log2(each)));
  SmallVector<int64_t> lengths(dims);
  for (int64_t &dim : lengths)
    if (ShapedType::isDynamic(dim))
      dim = length;
  return lengths;
}

TiledProblems::TiledProblems(AttentionOp op)
    : op(op), tokens(nominal(op.getTokens())), kvTokens(nominal(op.getKvTokens())) {}

std::optional<Problem> TiledProblems::with(ArrayRef<int64_t> queryTile, ArrayRef<int64_t> keyTile) {
  // What cannot be bound is no candidate; whoever binds in earnest says why.
  mlir::ScopedDiagnosticHandler silent(op.getContext(), [](mlir::Diagnostic &) { return mlir::success(); });
  ProblemRequest request;
  request.tokens = tokens;
  request.kvTokens = kvTokens;
  request.queryTile = queryTile;
  request.keyTile = keyTile;
  FailureOr<Problem> problem = bindProblem(op, request);
  return succeeded(problem) ? std::optional(std::move(*problem)) : std::nullopt;
}

} // namespace attn
