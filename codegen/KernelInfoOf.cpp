#include "codegen/KernelInfoOf.h"

#include "dialect/MaskFormulas.h"

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {

static std::optional<DType> dtypeOf(Type type) {
  if (type.isF32())
    return DType::F32;
  if (type.isF16())
    return DType::F16;
  if (type.isBF16())
    return DType::BF16;
  if (type.isF64())
    return DType::F64;
  if (type.isInteger(1))
    return DType::Bool;
  if (type.isInteger(8))
    return type.isUnsignedInteger() ? DType::U8 : DType::I8;
  if (type.isInteger(16))
    return DType::I16;
  if (type.isInteger(32))
    return DType::I32;
  if (type.isInteger(64))
    return DType::I64;
  return std::nullopt;
}

/// Lengths as KernelInfo writes them: -1 where known only at run time.
static std::vector<int64_t> lengths(ArrayRef<int64_t> dims) {
  std::vector<int64_t> result;
  for (int64_t dim : dims)
    result.push_back(ShapedType::isDynamic(dim) ? -1 : dim);
  return result;
}

/// Dimensions that the score indexes with the query's row or the key's position.
static void noteScoreReads(tile::AttentionOp op, KernelInfo &info) {
  op.walk([&](tile::ScoreOp score) {
    Block &body = score.getBody().front();
    for (auto extract : body.getOps<tensor::ExtractOp>()) {
      size_t input = llvm::find(op.getInputs(), extract.getTensor()) - op.getInputs().begin();
      for (auto [d, index] : llvm::enumerate(extract.getIndices())) {
        auto cast = index.getDefiningOp<arith::IndexCastOp>();
        IndexedBy &by = info.inputs[input].indexedBy[d];
        if (cast && cast.getIn() == body.getArgument(3))
          by = IndexedBy::Query;
        else if (cast && cast.getIn() == body.getArgument(4))
          by = IndexedBy::Key;
      }
    }
  });
}

static LogicalResult fillInputs(tile::AttentionOp op, KernelInfo &info) {
  if (op.getInputs().size() > size_t(kMaxInputs))
    return op.emitError() << op.getInputs().size() << " run-time inputs; a kernel takes at most "
                          << kMaxInputs;
  for (auto [name, input] : llvm::zip_equal(op.getInputNameList(), op.getInputs())) {
    auto type = cast<RankedTensorType>(input.getType());
    std::optional<DType> dtype = dtypeOf(type.getElementType());
    if (!dtype || type.getRank() > 4)
      return op.emitError() << "run-time input '" << name << "' is a " << type
                            << "; inputs have at most 4 dimensions of 'f32', 'f16', 'bf16', 'i64', "
                               "'i32', 'i16', 'i8' or 'bool'";
    info.inputs.push_back({name.str(), *dtype, lengths(type.getShape()), {}});
  }
  noteScoreReads(op, info);
  return success();
}

static void fillMasks(tile::AttentionOp op, KernelInfo &info) {
  ParameterizedFormulas formulas = formulasOf(op);
  info.formulas = std::move(formulas.formulas);
  info.formulaOfMask = std::move(formulas.formulaOf);
  info.parametersOfMask = std::move(formulas.parameters);
  info.maskOfHead.assign(op.getMaskOfHead().begin(), op.getMaskOfHead().end());
  for (const auto &row : info.parametersOfMask)
    info.headParamCount = std::max<int64_t>(info.headParamCount, row.size());
  info.needsSameLayout = llvm::any_of(op.getMasks(), [](Attribute mask) {
    return !cast<MaskAttrInterface>(mask).isLinear();
  });
}

FailureOr<KernelInfo> kernelInfoOf(tile::AttentionOp op) {
  KernelInfo info;
  if (auto function = op->getParentOfType<FunctionOpInterface>())
    info.name = info.entry = function.getName().str();
  auto query = op.getQuery().getType(), key = op.getKey().getType();
  auto value = op.getValue().getType();
  std::optional<DType> dtype = dtypeOf(query.getElementType());
  assert(dtype && "the dialect admits f32, f16 and bf16");
  info.dtype = *dtype;
  info.batch = ShapedType::isDynamic(query.getDimSize(0)) ? -1 : query.getDimSize(0);
  info.heads = query.getDimSize(1);
  info.kvHeads = key.getDimSize(1);
  info.headDimQk = query.getDimSize(3);
  info.headDimV = value.getDimSize(3);

  if (op.getRank() > kMaxRank)
    return op.emitError() << "a layout of " << op.getRank() << " dimensions; kernels take at most "
                          << kMaxRank;
  info.rank = op.getRank();
  info.tokens = lengths(op.getTokens().getDims());
  info.kvTokens = lengths(op.getKvTokens().getDims());
  if (SplitAttr split = op.getTokens().getSplit()) {
    info.tokens = info.kvTokens = lengths(split.getLengths());
    info.steps = split.getSteps().vec();
  }
  if (op.getTokens().hasGroups()) {
    TokenCount count = op.getTokens().getTokenCount();
    info.bounded = true;
    info.tokenBase = count.base;
    info.tokenUnit = count.unit;
  }
  llvm::copy(op.getQueryTile(), info.queryTile.begin());
  llvm::copy(op.getKeyTile(), info.keyTile.begin());
  info.queryOffset = op.getQOffset();
  fillMasks(op, info);
  if (!info.formulas.empty() && info.formulas.front().tables.size() > size_t(kMaxTables))
    return op.emitError() << "the masks read " << info.formulas.front().tables.size()
                          << " vectors over the queries; a kernel takes at most " << kMaxTables;
  if (failed(fillInputs(op, info)))
    return failure();
  return info;
}

FailureOr<KernelInfo> kernelInfoOnCpu(tile::AttentionOp op) {
  FailureOr<KernelInfo> info = kernelInfoOf(op);
  if (failed(info))
    return failure();
  info->target = "cpu";
  info->packedHeads = op.getPackedHeads();
  // Keys outside the layout are counted once for a query, not once for each part of its keys.
  bool hasZeroKeys = false;
  op.walk([&](tile::InitOp init) { hasZeroKeys |= init->getNumRegions() > 0; });
  if (!hasZeroKeys)
    info->mergeEntry = kMergedByRuntime;
  return info;
}

} // namespace attn
