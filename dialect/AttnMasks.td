//===- AttnMasks.td - the mask kinds -----------------------*- tablegen -*-===//
//
// One def a kind: parameters, the formula in one line, an example. Positions: `q` stands for the query's
// position plus q_offset wherever a kind is relative. On a layout of several dimensions linear kinds
// use the row-major order.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_MASKS_TD
#define ATTN_MASKS_TD

include "dialect/AttnDialect.td"
include "dialect/MaskInterface.td"
include "mlir/IR/AttrTypeBase.td"

class Attn_Mask<string name, string keyword,
                list<string> methods = []>
    : AttrDef<Attn_Dialect, name,
              [DeclareAttrInterfaceMethods<MaskAttrInterface, methods>]> {
  let mnemonic = keyword;
}

def Attn_AllMask : Attn_Mask<"All", "all"> {
  let summary = "every key: dense attention";
}

def Attn_CausalMask : Attn_Mask<"Causal", "causal"> {
  let summary = "k <= q, aligned at the last query and key, or at the first ones with `top_left`";
  let description = [{
    `#attn.causal` is `k <= q + q_offset`; `#attn.causal<top_left = true>` ignores the offset.
  }];
  let parameters = (ins DefaultValuedParameter<"bool", "false">:$top_left);
  let assemblyFormat = "(`<` struct($top_left)^ `>`)?";
}

def Attn_WindowMask : Attn_Mask<"Window", "window"> {
  let summary = "q - left <= k <= q + right";
  let parameters = (ins "int64_t":$left, "int64_t":$right);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_SinkMask : Attn_Mask<"Sink", "sink"> {
  let summary = "k < count: the first keys, seen by every query";
  let parameters = (ins "int64_t":$count);
  let assemblyFormat = "`<` $count `>`";
  let genVerifyDecl = 1;
}

def Attn_PrefixMask : Attn_Mask<"Prefix", "prefix", ["verifyOn"]> {
  let summary = "k < n, with n fixed or given per batch entry by the run-time input `input`";
  let description = [{ `#attn.prefix<16>`, or `#attn.prefix<@length>` for an i32[batch] input. }];
  let parameters = (ins DefaultValuedParameter<"int64_t", "0">:$count,
                        OptionalParameter<"::mlir::FlatSymbolRefAttr">:$input);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Attn_SameMask : Attn_Mask<"Same", "same", ["verifyOn"]> {
  let summary = "label[q] == label[k] for a run-time i32 vector over the tokens";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$input);
  let assemblyFormat = "`<` $input `>`";
}

def Attn_InputMask : Attn_Mask<"Input", "input", ["verifyOn"]> {
  let summary = "mask[b, h, q, k] of a run-time bool tensor; extents of 1 are broadcast";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$input);
  let assemblyFormat = "`<` $input `>`";
}

def Attn_NeighborhoodMask : Attn_Mask<"Neighborhood", "neighborhood", ["verifyOn", "isLinear"]> {
  let summary = "generalised neighbourhood attention (arXiv 2504.16922), per dimension of the layout";
  let description = [{
    Per dimension with length L: g = q mod dilation, p = q div dilation, n = ceil((L - g) / dilation);
    the keys are g + dilation * t for start <= t < end, where
      not causal: leader = min(p div stride * stride + stride div 2, n - 1),
                  start = clamp(leader - window div 2, 0, n - window), end = start + window
      causal:     leader = min(p div stride * stride + stride - 1, n - 1),
                  start = max(leader - window + 1, 0), end = min(p + 1, n)
    Example: `#attn.neighborhood<window = [18, 24, 24], stride = [16, 8, 8]>`.
  }];
  let parameters = (ins "::mlir::DenseI64ArrayAttr":$window,
                        "::mlir::DenseI64ArrayAttr":$stride,
                        "::mlir::DenseI64ArrayAttr":$dilation,
                        "::mlir::DenseBoolArrayAttr":$causal);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

class Attn_Connective<string name, string keyword>
    : Attn_Mask<name, keyword, ["verifyOn", "isLinear", "simplified"]> {
  let parameters = (ins ArrayRefParameter<"::mlir::Attribute">:$operands);
  let assemblyFormat = "`<` $operands `>`";
  let genVerifyDecl = 1;
}
def Attn_AndMask : Attn_Connective<"And", "and"> {
  let summary = "keys that every operand shows";
}
def Attn_OrMask : Attn_Connective<"Or", "or"> {
  let summary = "keys that some operand shows";
}
def Attn_NotMask : Attn_Mask<"Not", "not", ["verifyOn", "isLinear", "simplified"]> {
  let summary = "keys that the operand hides";
  let parameters = (ins "::mlir::Attribute":$operand);
  let assemblyFormat = "`<` $operand `>`";
  let genVerifyDecl = 1;
}

def Attn_HeadsAttr : AttrDef<Attn_Dialect, "Heads"> {
  let mnemonic = "heads";
  let summary = "query heads first .. last, inclusive, and the mask that replaces the kernel's for them";
  let parameters = (ins "int64_t":$first, "int64_t":$last, "::mlir::Attribute":$mask);
  let assemblyFormat = "`<` $first `,` $last `,` $mask `>`";
  let genVerifyDecl = 1;
}

def Attn_LayoutAttr : AttrDef<Attn_Dialect, "Layout"> {
  let mnemonic = "layout";
  let summary = "lengths of a token layout, row-major, `?` where known only at run time";
  let parameters = (ins ArrayRefParameter<"int64_t">:$dims);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Product of the dimensions; ShapedType::kDynamic if one of them is.
    int64_t getNumTokens() const;
  }];
}

#endif
