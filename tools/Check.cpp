#include "tools/Check.h"

#include "tools/CheckMask.h"
#include "tools/Progress.h"

#include "llvm/ADT/STLExtras.h"

#include <atomic>
#include <cmath>

using namespace mlir;

namespace attn::tools {

Expected<Checker> Checker::of(AttentionOp op) {
  Checker checker;
  SmallVector<Attribute> distinct;
  for (int64_t h = 0; h < op.getNumHeads(); ++h) {
    Attribute mask = op.getMaskOfHead(h);
    auto *it = llvm::find(distinct, mask);
    checker.maskOfHead.push_back(int32_t(it - distinct.begin()));
    if (it != distinct.end())
      continue;
    distinct.push_back(mask);
    Expected<CheckedMask> checked = checkedMaskOf(mask, op);
    if (!checked)
      return checked.takeError();
    checker.masks.push_back(std::move(*checked));
  }
  checker.groups = checkedGroupsOf(op.getTokens());
  checker.scale = op.getEffectiveScale();
  Expected<ScoreOfLaunch> score = scoreOf(op);
  if (!score)
    return score.takeError();
  checker.score = std::move(*score);
  return checker;
}

/// Entry of a boolean mask tensor; extents of 1 are broadcast.
static bool dataAt(const TensorView &mask, int64_t b, int64_t h, int64_t q, int64_t k) {
  int64_t at[] = {b, h, q, k};
  for (size_t d = 0; d < 4; ++d)
    at[d] = mask.shape[d] == 1 ? 0 : at[d];
  return mask.at({at[0], at[1], at[2], at[3]}) != 0;
}

bool Checker::sees(const MaskNode &node, const reference::Context &context,
                   const Bindings &bindings, int64_t b, int64_t h, int64_t q, int64_t k) const {
  auto operand = [&](const MaskNode &child) { return sees(child, context, bindings, b, h, q, k); };
  switch (node.kind) {
  case MaskNode::Leaf:
    return reference::sees(node.leaf, context, b, h, q, k);
  case MaskNode::And:
    return llvm::all_of(node.operands, operand);
  case MaskNode::Or:
    return llvm::any_of(node.operands, operand);
  case MaskNode::Not:
    return !operand(node.operands[0]);
  case MaskNode::Data:
    return dataAt(bindings.inputs.at(node.input), b, h, q, k);
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// Evenly spaced query rows of every head, so many that the check takes seconds.
static std::vector<int64_t> chooseRows(ArrayRef<CheckedMask> masks, const CheckSizes &sizes,
                                       int64_t headDims) {
  constexpr double kBudget = 6e9; // elementary steps
  double perPair = 64;
  for (const CheckedMask &mask : masks)
    forEachLeaf(mask.node, [&](const reference::Mask &m) {
      bool hasCoordinates =
          m.kind == reference::MaskKind::Neighborhood || m.kind == reference::MaskKind::Predicate;
      perPair += hasCoordinates ? 1000 : 32;
      reference::forEachNode(m.predicate, [&](const reference::Expr &) { perPair += 64; });
    });
  double perRow = double(sizes.batch) * double(sizes.heads) *
                  double(std::max<int64_t>(sizes.numKeys, 1)) * (perPair + double(headDims));
  int64_t n = sizes.numQueries;
  int64_t count =
      std::clamp<int64_t>(int64_t(std::min(kBudget / perRow, 1e18)), std::min<int64_t>(n, 2), n);
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < count; ++i)
    rows.push_back(count == n ? i : i * (n - 1) / (count - 1));
  return rows;
}

/// Rows of one head of a [B,H,N,D] tensor.
template <class T>
static void appendRows(const TensorView &view, int64_t b, int64_t h, ArrayRef<int64_t> rows,
                       std::vector<T> &out) {
  for (int64_t row : rows)
    for (int64_t d = 0; d < view.shape[3]; ++d)
      out.push_back(T(view.at({b, h, row, d})));
}

static std::vector<double> headOf(const TensorView &view, int64_t b, int64_t h) {
  std::vector<int64_t> rows(size_t(view.shape[2]));
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = int64_t(i);
  std::vector<double> values;
  appendRows(view, b, h, rows, values);
  return values;
}

static void append(reference::Result &all, const reference::Result &more) {
  all.o.insert(all.o.end(), more.o.begin(), more.o.end());
  all.lse.insert(all.lse.end(), more.lse.begin(), more.lse.end());
  all.maxAbsScore = std::max(all.maxAbsScore, more.maxAbsScore);
}

//===----------------------------------------------------------------------===//
// The comparison
//===----------------------------------------------------------------------===//

static reference::Type typeOf(DType dtype) {
  assert(isFloat(dtype) && "kernels compute with floats");
  return dtype == DType::F16    ? reference::Type::F16
         : dtype == DType::BF16 ? reference::Type::BF16
                                : reference::Type::F32;
}

/// Where the worst element lies: its linear index counts [B][H][rows][width].
static TensorError located(const reference::Error &error, const CheckSizes &sizes,
                           ArrayRef<int64_t> rows, int64_t width) {
  auto index = int64_t(error.worstIndex);
  int64_t count = std::max<int64_t>(int64_t(rows.size()), 1);
  int64_t row = index / width;
  std::vector<int64_t> at{row / count / sizes.heads, row / count % sizes.heads,
                          rows.empty() ? 0 : rows[size_t(row % count)]};
  if (width > 1)
    at.push_back(index % width);
  return {error.maxError, error.worstRatio, at, error.worstValue, error.worstExpected};
}

Checker::Answers Checker::answerOfHead(const Bindings &bindings, const CheckSizes &sizes,
                                       ArrayRef<int64_t> rows, const reference::Context &context,
                                       int64_t b, int64_t h) const {
  int64_t kvHead = h / (sizes.heads / sizes.kvHeads);
  reference::Problem problem{
      1,    1, 1, int64_t(rows.size()), sizes.numKeys, bindings.q.shape[3], bindings.v.shape[3],
      scale};
  std::vector<double> q, k = headOf(bindings.k, b, kvHead), v = headOf(bindings.v, b, kvHead);
  appendRows(bindings.q, b, h, rows, q);
  const MaskNode &mask = masks[size_t(maskOfHead[size_t(h)])].node;
  auto sees = [&](int64_t, int64_t, int64_t i, int64_t key) {
    return this->sees(mask, context, bindings, b, h, rows[size_t(i)], key);
  };
  reference::Score scored;
  if (score)
    scored = [&, scoreHere = score(bindings, sizes.queryOffset)](double s, int64_t, int64_t,
                                                                 int64_t i, int64_t key) {
      return scoreHere(s, b, h, rows[size_t(i)], key);
    };
  reference::ZeroKeys zeroKeys;
  if (mask.leaf.border == reference::Border::Zero)
    zeroKeys = [&](int64_t, int64_t, int64_t i) {
      return reference::zeroKeys(mask.leaf, context, rows[size_t(i)]);
    };
  Answers answers;
  answers.exact = reference::attention(problem, q, k, v, sees, scored, zeroKeys);
  if (bindings.q.dtype != DType::F32)
    answers.yardstick =
        reference::denseRounded(typeOf(bindings.q.dtype), problem, q, k, v, sees, scored, zeroKeys);
  return answers;
}

Checker::Answers Checker::answer(const Bindings &bindings, const CheckSizes &sizes,
                                 ArrayRef<int64_t> rows, WorkerPool &pool) const {
  std::vector<reference::Context> contexts;
  for (const CheckedMask &mask : masks)
    contexts.push_back(contextOf(mask, groups, bindings, sizes));
  std::vector<Answers> heads(size_t(sizes.batch * sizes.heads));
  Progress progress("heads compared with the reference", heads.size());
  std::atomic<size_t> done = 0;
  pool.run(heads.size(), [&](uint64_t number, unsigned) {
    int64_t b = int64_t(number) / sizes.heads, h = int64_t(number) % sizes.heads;
    const reference::Context &context = contexts[size_t(maskOfHead[size_t(h)])];
    heads[number] = answerOfHead(bindings, sizes, rows, context, b, h);
    progress.show(++done);
  });
  Answers all;
  for (const Answers &head : heads) {
    append(all.exact, head.exact);
    append(all.yardstick, head.yardstick);
  }
  return all;
}

/// Rows of all heads of a [B,H,N,D] tensor.
template <class T> static std::vector<T> rowsOf(const TensorView &view, ArrayRef<int64_t> rows) {
  std::vector<T> values;
  for (int64_t b = 0; b < view.shape[0]; ++b)
    for (int64_t h = 0; h < view.shape[1]; ++h)
      appendRows(view, b, h, rows, values);
  return values;
}

CheckReport Checker::check(const Bindings &bindings, const CheckSizes &sizes, WorkerPool &pool,
                           const TensorView *expected) const {
  int64_t vDim = bindings.v.shape[3];
  std::vector<int64_t> rows = chooseRows(masks, sizes, bindings.q.shape[3] + vDim);
  Answers answers = answer(bindings, sizes, rows, pool);
  if (expected)
    answers.exact.o = rowsOf<double>(*expected, rows);
  std::vector<float> o = rowsOf<float>(bindings.o, rows), lse;
  for (int64_t b = 0; !expected && bindings.lse && b < sizes.batch; ++b)
    for (int64_t h = 0; h < sizes.heads; ++h)
      for (int64_t row : rows)
        lse.push_back(float(bindings.lse->at({b, h, row})));
  reference::Type type = typeOf(bindings.q.dtype);
  reference::Report report =
      type == reference::Type::F32
          ? reference::compareF32(o, lse, answers.exact)
          : reference::compareRounded(type, o, lse, answers.exact, answers.yardstick);
  int64_t heads = sizes.batch * sizes.heads;
  return {report.ok,
          located(report.o, sizes, rows, vDim),
          located(report.lse, sizes, rows, 1),
          heads * int64_t(rows.size()),
          heads * sizes.numQueries,
          report.message};
}

} // namespace attn::tools
