//===- AttnOps.td - attention ------------------------------*- tablegen -*-===//
#ifndef ATTN_OPS_TD
#define ATTN_OPS_TD

include "dialect/AttnMasks.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Attn_Float : AnyTypeOf<[F32, F16, BF16]>;
def Attn_Heads4D : TensorRankOf<[Attn_Float], [4]>;

def Attn_AttentionOp : Op<Attn_Dialect, "attention", [Pure,
    AllElementTypesMatch<["query", "key", "value", "output"]>,
    TypesMatchWith<"lse is f32 over the first three dimensions of the output", "output", "lse",
                   "::attn::lseTypeOf($_self)">]> {
  let summary = "masked softmax attention with grouped heads, and its log-sum-exp";
  let description = [{
    query [B,Hq,Nq,Dqk], key [B,Hkv,Nk,Dqk], value [B,Hkv,Nk,Dv] -> output [B,Hq,Nq,Dv], lse [B,Hq,Nq].
    Query head h reads key/value head h div (Hq / Hkv). s = scale * q.k (scale is 1/sqrt(Dqk) when
    absent), then the score region, then hidden keys get -inf, p = softmax(s), output = p . value. A
    row that sees no key gives output 0 and lse -inf.

    The score region takes (s: f32, b: i32, h: i32, q: i32, k: i32), q with q_offset added, linear
    positions, and yields the new score. It may read elements of `inputs` (f32, f16, bf16, i32, i1) with
    tensor.extract; an index beyond the end of a dimension is answered with the last element. The row of
    an input that belongs to the query is attn.row, not q.
  }];
  let arguments = (ins Attn_Heads4D:$query, Attn_Heads4D:$key, Attn_Heads4D:$value,
                       Variadic<AnyRankedTensor>:$inputs,
                       DefaultValuedAttr<StrArrayAttr, "{}">:$input_names,
                       Attn_LayoutAttr:$tokens, Attn_LayoutAttr:$kv_tokens,
                       AnyAttr:$mask,
                       DefaultValuedAttr<ArrayAttr, "{}">:$head_masks,
                       OptionalAttr<F64Attr>:$scale,
                       OptionalAttr<I64Attr>:$q_offset);
  let results = (outs Attn_Heads4D:$output, TensorRankOf<[F32], [3]>:$lse);
  let regions = (region AnyRegion:$score);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`inputs` $input_names `(` $inputs^ `)`)?
    `tokens` $tokens `keys` $kv_tokens `mask` `(` $mask `)` (`heads` $head_masks^)? (`score` $score^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let hasCanonicalizeMethod = 1;
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::mlir::StringRef> getInputNameList();
    MaskInputs getMaskInputs();
    /// The mask of query head `head`, as that head sees it.
    ::mlir::Attribute getMaskOfHead(int64_t head);
    /// Whether the attention may have this mask: the layouts and inputs suit it. Failure comes after a
    /// diagnostic.
    ::llvm::LogicalResult verifyMask(::mlir::Attribute mask);
    double getEffectiveScale();
    int64_t getNumHeads() { return getQuery().getType().getDimSize(1); }
    int64_t getNumKvHeads() { return getKey().getType().getDimSize(1); }
  }];
}

def Attn_YieldOp : Op<Attn_Dialect, "yield", [Pure, Terminator, HasParent<"AttentionOp">]> {
  let summary = "the score that the score region has computed";
  let arguments = (ins F32:$score);
  let assemblyFormat = "$score attr-dict `:` type($score)";
}

def Attn_RowOp : Op<Attn_Dialect, "row", [Pure, HasParent<"AttentionOp">]> {
  let summary = "in a score region: the row-major number of the query, without q_offset";
  let results = (outs I32:$result);
  let assemblyFormat = "attr-dict";
}

#endif
