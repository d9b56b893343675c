//===- CheckMask.h - masks in the reference's words --------------*- C++ -*-===//
#pragma once

#include "tools/Check.h"

namespace attn::tools {

/// The mask of one head. An error where the reference has no words for something in it.
Expected<CheckedMask> checkedMaskOf(mlir::Attribute mask, AttentionOp op);

CheckedGroups checkedGroupsOf(LayoutAttr layout);

/// Where the mask is looked at in a launch: lengths, token groups, and the inputs that its leaves name.
reference::Context contextOf(const CheckedMask &mask, const CheckedGroups &groups,
                             const Bindings &bindings, const CheckSizes &sizes);

void forEachLeaf(const MaskNode &node, llvm::function_ref<void(const reference::Mask &)> f);

} // namespace attn::tools
