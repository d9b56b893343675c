#include "dialect/MaskChecks.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {

LogicalResult verifyCount(EmitError emitError, StringRef what, int64_t value, int64_t least) {
  if (value >= least && value < kMaxMagnitude)
    return success();
  return emitError() << "'" << what << "' is " << value << ", but must be at least " << least
                     << " and below 2^40";
}

LogicalResult verifyOneDimension(EmitError emitError, const MaskContext &context, StringRef name,
                                 StringRef instead) {
  if (context.queryDims.size() == 1 && context.keyDims.size() == 1)
    return success();
  InFlightDiagnostic diag = emitError()
                            << name << " needs tokens of one dimension, but the layout has "
                            << std::max(context.queryDims.size(), context.keyDims.size());
  if (!instead.empty())
    diag.attachNote() << instead;
  return diag;
}

static InFlightDiagnostic &appendDims(InFlightDiagnostic &diag, ArrayRef<int64_t> dims) {
  diag << "[";
  llvm::interleave(
      dims,
      [&](int64_t dim) {
        if (ShapedType::isDynamic(dim))
          diag << "?";
        else
          diag << dim;
      },
      [&] { diag << ", "; });
  return diag << "]";
}

LogicalResult verifySharedLayout(EmitError emitError, const MaskContext &context, StringRef name,
                                 size_t rank) {
  if (context.queryDims != context.keyDims) {
    InFlightDiagnostic diag = emitError();
    diag << name << " needs queries and keys on one layout, but tokens are ";
    appendDims(diag, context.queryDims) << " and kv_tokens ";
    return appendDims(diag, context.keyDims);
  }
  if (context.isPacked && !context.isSelfPacked)
    return emitError() << name << " needs queries and keys on one layout, but the sequences of "
                                  "queries and keys are packed by different lengths";
  if (rank == context.queryDims.size())
    return success();
  InFlightDiagnostic diag = emitError();
  diag << name << " has " << rank << (rank == 1 ? " dimension" : " dimensions")
       << ", but the token layout ";
  return appendDims(diag, context.queryDims) << " has " << context.queryDims.size();
}

LogicalResult verifyNotPacked(EmitError emitError, const MaskContext &context, StringRef name) {
  if (!context.isPacked)
    return success();
  return emitError() << name << " cannot be used with packed sequences";
}

LogicalResult verifyInput(EmitError emitError, const MaskContext &context, FlatSymbolRefAttr name,
                          ArrayRef<int64_t> ranks, unsigned bits, StringRef shape) {
  const auto *it = llvm::find(context.inputNames, name.getValue());
  if (it == context.inputNames.end()) {
    InFlightDiagnostic diag = emitError() << "unknown input '" << name.getValue() << "'";
    diag.attachNote() << "declare it with 'input " << name.getValue() << " : " << shape << "'";
    return diag;
  }
  auto type = dyn_cast<RankedTensorType>(context.inputTypes[it - context.inputNames.begin()]);
  if (type && llvm::is_contained(ranks, type.getRank()) && type.getElementType().isInteger(bits))
    return success();
  return emitError() << "input '" << name.getValue() << "' must be " << shape << " here";
}

int32_t inputIndex(const MaskInputs &inputs, FlatSymbolRefAttr name) {
  const auto *it = llvm::find(inputs.names, name.getValue());
  assert(it != inputs.names.end() && "verifyOn has found the input");
  return static_cast<int32_t>(it - inputs.names.begin());
}

} // namespace attn
