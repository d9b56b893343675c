#include "tools/Check.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

namespace attn::tools {

//===----------------------------------------------------------------------===//
// Masks in the reference's words
//===----------------------------------------------------------------------===//

static MaskNode leaf(reference::Mask mask) { return {MaskNode::Leaf, std::move(mask), "", {}}; }

static reference::Mask neighborhoodOf(NeighborhoodAttr mask) {
  std::vector<reference::NeighborhoodDim> dims;
  for (int64_t d = 0; d < mask.getWindow().size(); ++d)
    dims.push_back(
        {mask.getWindow()[d], mask.getStride()[d], mask.getDilation()[d], mask.getCausal()[d]});
  return reference::neighborhood(std::move(dims));
}

static Expected<MaskNode> nodeOf(Attribute mask);

static Expected<MaskNode> connective(MaskNode::Kind kind, ArrayRef<Attribute> operands) {
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

static Expected<MaskNode> nodeOf(Attribute mask) {
  return llvm::TypeSwitch<Attribute, Expected<MaskNode>>(mask)
      .Case([](AllAttr) { return leaf(reference::all()); })
      .Case([](CausalAttr m) {
        return leaf(m.getTopLeft() ? reference::causalTopLeft() : reference::causal());
      })
      .Case([](WindowAttr m) { return leaf(reference::window(m.getLeft(), m.getRight())); })
      .Case([](SinkAttr m) { return leaf(reference::sink(m.getCount())); })
      .Case([](PrefixAttr m) {
        return leaf(m.getInput() ? reference::prefix(m.getInput().getValue().str())
                                 : reference::prefix(m.getCount()));
      })
      .Case([](SameAttr m) { return leaf(reference::same(m.getInput().getValue().str())); })
      .Case([](NeighborhoodAttr m) { return leaf(neighborhoodOf(m)); })
      .Case([](InputAttr m) {
        MaskNode node;
        node.kind = MaskNode::Data;
        node.input = m.getInput().getValue().str();
        return node;
      })
      .Case([](AndAttr m) { return connective(MaskNode::And, m.getOperands()); })
      .Case([](OrAttr m) { return connective(MaskNode::Or, m.getOperands()); })
      .Case([](NotAttr m) { return connective(MaskNode::Not, m.getOperand()); })
      .Default([](Attribute m) {
        std::string text;
        llvm::raw_string_ostream(text) << m;
        return makeError("the reference does not know the mask '{}'", text);
      });
}

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
    Expected<MaskNode> node = nodeOf(mask);
    if (!node)
      return node.takeError();
    checker.masks.push_back(std::move(*node));
  }
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
    return reference::sees(node.leaf, context, b, q, k);
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

static void forEachLeaf(const MaskNode &node, llvm::function_ref<void(const reference::Mask &)> f) {
  if (node.kind == MaskNode::Leaf)
    f(node.leaf);
  for (const MaskNode &operand : node.operands)
    forEachLeaf(operand, f);
}

static std::vector<int32_t> integers(const TensorView &view) {
  std::vector<int32_t> values;
  for (int64_t i = 0; i < view.numElements(); ++i)
    values.push_back(int32_t(view.at({i})));
  return values;
}

static reference::Context contextOf(ArrayRef<MaskNode> masks, const Bindings &bindings,
                                    const CheckSizes &sizes) {
  reference::Context context;
  context.dims = sizes.kvTokens;
  context.nq = sizes.numQueries;
  context.nk = sizes.numKeys;
  context.qOffset = sizes.queryOffset;
  for (const MaskNode &mask : masks)
    forEachLeaf(mask, [&](const reference::Mask &m) {
      if (m.kind == reference::MaskKind::Same)
        context.labels[m.input] = integers(bindings.inputs.at(m.input));
      else if (!m.input.empty())
        context.batchInputs[m.input] = integers(bindings.inputs.at(m.input));
    });
  return context;
}

/// Evenly spaced query rows of every head, so many that the check takes seconds.
static std::vector<int64_t> chooseRows(ArrayRef<MaskNode> masks, const CheckSizes &sizes,
                                       int64_t headDims) {
  constexpr double kBudget = 6e9; // elementary steps
  double perPair = 64;
  for (const MaskNode &mask : masks)
    forEachLeaf(mask, [&](const reference::Mask &m) {
      perPair += m.kind == reference::MaskKind::Neighborhood ? 1000 : 32;
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

Checker::Answers Checker::answer(const Bindings &bindings, const CheckSizes &sizes,
                                 ArrayRef<int64_t> rows, WorkerPool &pool) const {
  bool rounded = bindings.q.dtype != DType::F32;
  int64_t qkDim = bindings.q.shape[3], vDim = bindings.v.shape[3];
  reference::Context context = contextOf(masks, bindings, sizes);
  reference::Score scoreHere = score ? score(bindings, sizes.queryOffset) : reference::Score();
  std::vector<Answers> heads(size_t(sizes.batch * sizes.heads));
  pool.run(heads.size(), [&](uint64_t number, unsigned) {
    int64_t b = int64_t(number) / sizes.heads, h = int64_t(number) % sizes.heads;
    int64_t kvHead = h / (sizes.heads / sizes.kvHeads);
    reference::Problem problem{1, 1, 1, int64_t(rows.size()), sizes.numKeys, qkDim, vDim, scale};
    std::vector<double> q, k = headOf(bindings.k, b, kvHead), v = headOf(bindings.v, b, kvHead);
    appendRows(bindings.q, b, h, rows, q);
    const MaskNode &mask = masks[size_t(maskOfHead[size_t(h)])];
    auto sees = [&](int64_t, int64_t, int64_t i, int64_t key) {
      return this->sees(mask, context, bindings, b, h, rows[size_t(i)], key);
    };
    reference::Score scored;
    if (score)
      scored = [&](double s, int64_t, int64_t, int64_t i, int64_t key) {
        return scoreHere(s, b, h, rows[size_t(i)], key);
      };
    heads[number].exact = reference::attention(problem, q, k, v, sees, scored);
    if (rounded)
      heads[number].yardstick =
          reference::denseRounded(typeOf(bindings.q.dtype), problem, q, k, v, sees, scored);
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
