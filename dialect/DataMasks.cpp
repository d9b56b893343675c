//===- DataMasks.cpp - kinds that are run-time data -----------------------===//
#include "dialect/MaskChecks.h"

using namespace mlir;

namespace attn {

//===----------------------------------------------------------------------===//
// Labels and classes
//===----------------------------------------------------------------------===//

/// One vector over tokens that queries and keys share, or one for each.
static LogicalResult verifyVectors(EmitError emitError, const MaskContext &context, StringRef kind,
                                   FlatSymbolRefAttr queries, FlatSymbolRefAttr keys) {
  if (failed(verifyInput(emitError, context, queries, 1, 32, "i32[tokens]")))
    return failure();
  if (keys)
    return verifyInput(emitError, context, keys, 1, 32, "i32[kv_tokens]");
  if (context.queryDims == context.keyDims)
    return success();
  InFlightDiagnostic diag =
      emitError() << "'" << kind
                  << "' compares labels of one token layout, but 'tokens' and 'kv_tokens' differ";
  diag.attachNote() << "give one input for the queries and one for the keys";
  return diag;
}

static int32_t keyInputOf(const MaskInputs &inputs, FlatSymbolRefAttr queries,
                          FlatSymbolRefAttr keys) {
  return inputIndex(inputs, keys ? keys : queries);
}

/// Of masks whose data is read at row-major positions.
static SmallVector<int64_t> anySplit(int64_t rank) { return SmallVector<int64_t>(rank, 0); }

SmallVector<int64_t> SameAttr::residueSteps(int64_t rank) const { return anySplit(rank); }
TermId SameAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  return builder.labels(inputIndex(inputs, getInput()),
                        keyInputOf(inputs, getInput(), getKeyInput()));
}
LogicalResult SameAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                 const MaskContext &context) const {
  return verifyVectors(emitError, context, "same", getInput(), getKeyInput());
}

/// Classes are few; a tile's are a bit set.
static constexpr int64_t kMaxClasses = 4096;

SmallVector<int64_t> ClassesAttr::residueSteps(int64_t rank) const { return anySplit(rank); }
TermId ClassesAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  ClassTable table{int32_t(getCount()), {}};
  for (bool allowed : getAllow().asArrayRef())
    table.allow.push_back(allowed);
  return builder.classes(inputIndex(inputs, getInput()),
                         keyInputOf(inputs, getInput(), getKeyInput()), std::move(table));
}
LogicalResult ClassesAttr::verify(function_ref<InFlightDiagnostic()> emitError, FlatSymbolRefAttr,
                                  int64_t count, DenseBoolArrayAttr allow, FlatSymbolRefAttr) {
  if (count < 1 || count > kMaxClasses)
    return emitError() << "a table of " << count << " classes, but 1 to " << kMaxClasses
                       << " are allowed";
  if (allow.size() == count * count)
    return success();
  return emitError() << "'allow' has " << allow.size() << " entries, but " << count
                     << " classes need " << count * count;
}
LogicalResult ClassesAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                    const MaskContext &context) const {
  return verifyVectors(emitError, context, "classes", getInput(), getKeyInput());
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

SmallVector<int64_t> InputAttr::residueSteps(int64_t rank) const { return anySplit(rank); }
TermId InputAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  return builder.mask(inputIndex(inputs, getInput()));
}
LogicalResult InputAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                  const MaskContext &context) const {
  return verifyInput(emitError, context, getInput(), 4, 1, "bool[batch, heads, tokens, kv_tokens]");
}

TermId BlocksAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  return builder.listed({inputIndex(inputs, getRows()),
                         getKeys() ? inputIndex(inputs, getKeys()) : -1, getSize()});
}
int64_t BlocksAttr::blockSize() const { return getSize(); }
LogicalResult BlocksAttr::verify(function_ref<InFlightDiagnostic()> emitError, FlatSymbolRefAttr,
                                 FlatSymbolRefAttr, int64_t size) {
  if (size >= 16 && size <= 4096 && size % 16 == 0)
    return success();
  return emitError() << "'size' of blocks is " << size
                     << ", but must be a multiple of 16 between 16 and 4096";
}
LogicalResult BlocksAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                   const MaskContext &context) const {
  if (failed(verifyNotPacked(emitError, context, "blocks")) ||
      failed(verifyOneDimension(emitError, context, "blocks", "")))
    return failure();
  if (!getKeys())
    return verifyInput(emitError, context, getRows(), {2, 4}, 32,
                       "i32[query blocks, (key blocks + 31) div 32]");
  if (failed(verifyInput(emitError, context, getRows(), {1, 3}, 32, "i32[query blocks + 1]")))
    return failure();
  return verifyInput(emitError, context, getKeys(), {1, 3}, 32, "i32[listed blocks]");
}

} // namespace attn
