//===- MaskParameters.cpp - what sweeps vary of the mask kinds -----------===//
#include "dialect/MaskChecks.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace attn {

//===----------------------------------------------------------------------===//
// window: |q - k| < w, or the last w keys; of two sides that differ, left and right
//===----------------------------------------------------------------------===//

SmallVector<MaskParameter> WindowAttr::parameters() const {
  int64_t left = getLeft(), right = getRight();
  if (left == right || right == 0)
    return {{"window", {left + 1}}};
  if (left == 0)
    return {{"window", {right + 1}}};
  return {{"left", {left}}, {"right", {right}}};
}

Attribute WindowAttr::withParameters(EmitError emitError, ArrayRef<MaskParameter> changes) const {
  int64_t left = getLeft(), right = getRight();
  bool isSymmetric = left == right;
  for (const MaskParameter &change : changes) {
    int64_t value = change.values.front();
    if (change.name != "window") {
      (change.name == "left" ? left : right) = value;
      continue;
    }
    if (failed(verifyCount(emitError, "window", value, 1)))
      return {};
    left = isSymmetric || left > 0 ? value - 1 : 0;
    right = isSymmetric || right > 0 ? value - 1 : 0;
  }
  return getChecked(emitError, getContext(), left, right, getDilation());
}

//===----------------------------------------------------------------------===//
// Kinds of one number
//===----------------------------------------------------------------------===//

SmallVector<MaskParameter> SinkAttr::parameters() const { return {{"sink", {getCount()}}}; }
Attribute SinkAttr::withParameters(EmitError emitError, ArrayRef<MaskParameter> changes) const {
  int64_t count = changes.empty() ? getCount() : changes.back().values.front();
  return getChecked(emitError, getContext(), count);
}

SmallVector<MaskParameter> StridedAttr::parameters() const { return {{"stride", {getStride()}}}; }
Attribute StridedAttr::withParameters(EmitError emitError, ArrayRef<MaskParameter> changes) const {
  int64_t stride = changes.empty() ? getStride() : changes.back().values.front();
  return getChecked(emitError, getContext(), stride);
}

//===----------------------------------------------------------------------===//
// neighborhood: a number for each dimension
//===----------------------------------------------------------------------===//

SmallVector<MaskParameter> NeighborhoodAttr::parameters() const {
  return {{"window", SmallVector<int64_t>(getWindow().asArrayRef())},
          {"stride", SmallVector<int64_t>(getStride().asArrayRef())}};
}

Attribute NeighborhoodAttr::withParameters(EmitError emitError,
                                           ArrayRef<MaskParameter> changes) const {
  DenseI64ArrayAttr window = getWindow(), stride = getStride();
  for (const MaskParameter &change : changes)
    (change.name == "window" ? window : stride) =
        DenseI64ArrayAttr::get(getContext(), change.values);
  return getChecked(emitError, getContext(), window, stride, getDilation(), getCausal(),
                    getBorder());
}

} // namespace attn
