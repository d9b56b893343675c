//===- AttnMasks.td - the mask kinds -----------------------*- tablegen -*-===//
//
// One def a kind: parameters, the formula in one line, an example in the language. Positions: `q` stands
// for the query's position plus q_offset wherever a kind is relative. On a layout of several dimensions
// linear kinds use the row-major order. docs/masks.md is made from these definitions.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_MASKS_TD
#define ATTN_MASKS_TD

include "dialect/AttnDialect.td"
include "dialect/MaskInterface.td"
include "mlir/IR/AttrTypeBase.td"

class Attn_Mask<string name, string keyword, list<string> methods = []>
    : AttrDef<Attn_Dialect, name, [DeclareAttrInterfaceMethods<MaskAttrInterface, methods>]> {
  let mnemonic = keyword;
  /// For docs/masks.md: which keys a query sees; a spec's lines that show it on a small layout; how specs
  /// spell the kind, where that is not its mnemonic; papers that use it, beside the summary's.
  string formula = "";
  string example = "";
  string spelling = keyword;
  string papers = "";
}

//===----------------------------------------------------------------------===//
// Row-major order
//===----------------------------------------------------------------------===//

def Attn_AllMask : Attn_Mask<"All", "all", ["residueSteps"]> {
  let summary = "every key: dense attention";
  let formula = "true";
  let example = "tokens [16] mask all";
}

def Attn_CausalMask : Attn_Mask<"Causal", "causal", ["verifyOn", "isLinear", "residueSteps"]> {
  let summary = "no key after the query, aligned at the last query and key";
  let description = [{
    `#attn.causal` is `k <= q + q_offset`; `#attn.causal<top_left = true>` ignores the offset, and
    `#attn.causal<dim = 0>` compares one coordinate of a layout of several dimensions.
  }];
  let formula = "k <= q; with dim = d: k.d <= q.d";
  let example = "tokens [16] mask causal";
  let papers = "MVPA, causal in time alone, arXiv 2506.20354";
  let parameters = (ins DefaultValuedParameter<"bool", "false">:$top_left,
                        DefaultValuedParameter<"int64_t", "-1">:$dim);
  let assemblyFormat = "(`<` struct($top_left, $dim)^ `>`)?";
  let genVerifyDecl = 1;
}

def Attn_WindowMask : Attn_Mask<"Window", "window",
                                ["verifyOn", "residueSteps", "parameters", "withParameters"]> {
  let summary = "keys near the query, every `dilation`-th of them";
  let formula = "q - left * dilation <= k <= q + right * dilation, (q - k) mod dilation = 0";
  let example = "tokens [16] mask window(3)";
  let papers = "Longformer, arXiv 2004.05150";
  let parameters = (ins "int64_t":$left, "int64_t":$right,
                        DefaultValuedParameter<"int64_t", "1">:$dilation);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_SinkMask : Attn_Mask<"Sink", "sink", ["residueSteps", "parameters", "withParameters"]> {
  let summary = "the first keys, seen by every query";
  let formula = "k < count";
  let example = "tokens [16] mask sink(3)";
  let papers = "StreamingLLM, arXiv 2309.17453";
  let parameters = (ins "int64_t":$count);
  let assemblyFormat = "`<` $count `>`";
  let genVerifyDecl = 1;
}

def Attn_PrefixMask : Attn_Mask<"Prefix", "prefix", ["verifyOn", "residueSteps"]> {
  let summary = "k < n, with n fixed or given per batch entry by the run-time input `input`";
  let description = [{ `#attn.prefix<16>`, or `#attn.prefix<@length>` for an i32[batch] input. }];
  let formula = "k < n";
  let spelling = "prefix or key_length";
  let example = "tokens [16] mask causal | prefix(5)";
  let papers = "prefix language models in T5, arXiv 1910.10683";
  let parameters = (ins DefaultValuedParameter<"int64_t", "0">:$count,
                        OptionalParameter<"::mlir::FlatSymbolRefAttr">:$input);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

class Attn_Range<string name, string keyword> : Attn_Mask<name, keyword, ["verifyOn", "residueSteps"]> {
  let description = [{ A range of positions, or a token group of the layout by its name. }];
  let parameters = (ins DefaultValuedParameter<"int64_t", "0">:$first,
                        DefaultValuedParameter<"int64_t", "0">:$count,
                        OptionalParameter<"::mlir::FlatSymbolRefAttr">:$group);
  let assemblyFormat = "`<` (`group` `=` $group^) : (struct($first, $count))? `>`";
  let genVerifyDecl = 1;
}
def Attn_KeysMask : Attn_Range<"Keys", "keys"> {
  let summary = "some keys, seen by every query";
  let formula = "first <= k < first + count";
  let example = "tokens [16] mask keys(first = 5, count = 4)";
}
def Attn_QueriesMask : Attn_Range<"Queries", "queries"> {
  let summary = "some queries, which see every key";
  let formula = "first <= q < first + count";
  let example = "tokens [16] mask queries(first = 5, count = 4)";
}

def Attn_GlobalMask : Attn_Mask<"Global", "global", ["residueSteps"]> {
  let summary = "global tokens: seen by every query, and seeing every key";
  let formula = "first <= k < first + count or first <= q < first + count";
  let example = "tokens [16] mask global(2) | window(2)";
  let papers = "Longformer, arXiv 2004.05150; BigBird, arXiv 2007.14062";
  let parameters = (ins DefaultValuedParameter<"int64_t", "0">:$first, "int64_t":$count);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_StridedMask : Attn_Mask<"Strided", "strided",
                                 ["verifyOn", "residueSteps", "parameters", "withParameters"]> {
  let summary = "every `stride`-th key, counted from the query (Sparse Transformer, arXiv 1904.10509)";
  let formula = "(q - k) mod stride = 0";
  let example = "tokens [16] mask causal & (window(4) | strided(4))";
  let parameters = (ins "int64_t":$stride);
  let assemblyFormat = "`<` $stride `>`";
  let genVerifyDecl = 1;
}

def Attn_FixedMask : Attn_Mask<"Fixed", "fixed", ["verifyOn"]> {
  let summary = "the last `count` keys of every block of `stride` (Sparse Transformer, arXiv 1904.10509)";
  let formula = "k mod stride >= stride - count";
  let example = "tokens [16] mask causal & (block(4) | fixed(4, 1))";
  let parameters = (ins "int64_t":$stride, "int64_t":$count);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_SpanMask : Attn_Mask<"Span", "span", ["verifyOn"]> {
  let summary = "the elastic span of one head (Mixture of Attention Spans, arXiv 2406.14909)";
  let description = [{
    With N keys after generation, cache = min(int(alpha + beta * N), N) rounded up to blocks of 64, two
    at least. On blocks of 64, query block I sees key block J <= I if J < 1 or J >= I + 1 - (cache - 64) / 64;
    inside a block causally.
  }];
  let formula = "k <= q and (k < 64 or k >= (q div 64 + 1) * 64 - (cache - 64))";
  let spelling = "";
  let parameters = (ins "::mlir::FloatAttr":$alpha, "::mlir::FloatAttr":$beta,
                        DefaultValuedParameter<"int64_t", "0">:$new_tokens);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_SpansMask : Attn_Mask<"Spans", "spans", ["verifyOn", "forHead"]> {
  let summary = "elastic spans of all heads, as a plan lists them: a span for each head";
  let formula = "span(alphas[h], betas[h])";
  let example = "tokens [320] mask spans(\"examples/spans.json\", layer = 0)";
  let parameters = (ins "::mlir::DenseF64ArrayAttr":$alphas, "::mlir::DenseF64ArrayAttr":$betas,
                        DefaultValuedParameter<"int64_t", "0">:$new_tokens);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Layouts of several dimensions
//===----------------------------------------------------------------------===//

def Attn_BlockMask : Attn_Mask<"Block", "block", ["verifyOn", "isLinear"]> {
  let summary = "the query's own block: chunked, blocked or shifted-window attention";
  let description = [{
    Per dimension of the layout; the first block ends at `offset` where that is not 0. On one dimension
    q has q_offset added. Example: `#attn.block<size = [8, 8], offset = [4, 4]>`.
  }];
  let formula = "(k - offset) div size = (q - offset) div size";
  let example = "tokens [16] mask block(5)";
  let papers = "Swin Transformer, arXiv 2103.14030";
  let parameters = (ins "::mlir::DenseI64ArrayAttr":$size, "::mlir::DenseI64ArrayAttr":$offset);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_NeighborhoodMask : Attn_Mask<"Neighborhood", "neighborhood",
                                      ["verifyOn", "isLinear", "standsAlone", "residueSteps",
                                       "parameters", "withParameters"]> {
  let summary = "generalised neighbourhood attention (arXiv 2504.16922), per dimension of the layout";
  let description = [{
    Per dimension with length L: g = q mod dilation, p = q div dilation, n = ceil((L - g) / dilation);
    the keys are g + dilation * t for start <= t < end, where
      not causal: leader = min(p div stride * stride + stride div 2, n - 1),
                  start = clamp(leader - window div 2, 0, n - window), end = start + window
      causal:     leader = min(p div stride * stride + stride - 1, n - 1),
                  start = max(leader - window + 1, 0), end = min(p + 1, n)
    That is `border = shift`. With `clip` the window stays around its leader and loses the keys outside;
    with `zero` they stay as keys of score 0 and value 0, as a padded convolution has them, which only
    a whole mask can say. A window of -1 is the whole dimension.
    Example: `#attn.neighborhood<window = [18, 24, 24], stride = [16, 8, 8]>`.
  }];
  let formula = "start <= t < end for k = g + dilation * t, per dimension";
  let example = "tokens [8, 8] mask neighborhood(window = [3, 5])";
  let papers = "MSA-Conv, whose border is zero, arXiv 2310.04134";
  let parameters = (ins "::mlir::DenseI64ArrayAttr":$window,
                        "::mlir::DenseI64ArrayAttr":$stride,
                        "::mlir::DenseI64ArrayAttr":$dilation,
                        "::mlir::DenseBoolArrayAttr":$causal,
                        DefaultValuedParameter<"::attn::Border", "::attn::Border::Shift">:$border);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

def Attn_SameMask : Attn_Mask<"Same", "same", ["verifyOn", "residueSteps"]> {
  let summary = "equal labels: documents, segments, regions; run-time i32 vectors in any order";
  let description = [{ `#attn.same<@doc>`, or `#attn.same<@of_queries, @of_keys>`. }];
  let formula = "label[q] = label[k]";
  let example = "tokens [16] input document : i32[tokens] mask causal & same(document)";
  let papers = "Region Attention Transformer, arXiv 2407.09268";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$input,
                        OptionalParameter<"::mlir::FlatSymbolRefAttr">:$key_input);
  let assemblyFormat = "`<` $input (`,` $key_input^)? `>`";
}

def Attn_ClassesMask : Attn_Mask<"Classes", "classes", ["verifyOn", "residueSteps"]> {
  let summary = "a table says which class of queries sees which class of keys";
  let description = [{
    `#attn.classes<@modality, count = 2, allow = [true, false, true, true]>`: row-major, a row for each
    class of queries. Classes outside the table see nothing and are not seen.
  }];
  let formula = "allow[class[q]][class[k]]";
  let example = "tokens [16] input modality : i32[tokens] mask classes(modality, allow = [[1, 0], [1, 1]])";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$input, "int64_t":$count,
                        "::mlir::DenseBoolArrayAttr":$allow,
                        OptionalParameter<"::mlir::FlatSymbolRefAttr">:$key_input);
  let assemblyFormat = "`<` custom<InputPair>($input, $key_input) struct($count, $allow) `>`";
  let genVerifyDecl = 1;
}

def Attn_InputMask : Attn_Mask<"Input", "input", ["verifyOn", "residueSteps"]> {
  let summary = "a run-time bool tensor; extents of 1 are broadcast";
  let formula = "input[b, h, q, k]";
  let spelling = "from";
  let example = "tokens [16] input seen : bool[1, 1, tokens, kv_tokens] mask from(seen)";
  let papers = "Sparsifiner, arXiv 2303.13755; Dynamic Mask Attention, arXiv 2508.02124";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$input);
  let assemblyFormat = "`<` $input `>`";
}

def Attn_BlocksMask : Attn_Mask<"Blocks", "blocks", ["verifyOn", "blockSize"]> {
  let summary = "a run-time list of blocks: row pointers and key blocks (CSR), or bits";
  let description = [{
    `#attn.blocks<@row_ptr, @key_blocks, size = 64>`: i32[R + 1] and i32[entries]; query block i sees key
    blocks key_blocks[row_ptr[i]] to key_blocks[row_ptr[i + 1] - 1].
    `#attn.blocks<@bits, size = 64>`: i32[R, ceil(C / 32)], lowest bit first. Both may have leading
    extents [batch, heads], 1 where shared.
  }];
  let formula = "block (q div size, k div size) is listed";
  let example = "tokens [128] input row_ptr : i32[9] input key_blocks : i32[19] mask causal & blocks(row_ptr, key_blocks, size = 16)";
  let papers = "LongHeads, which chooses chunks, arXiv 2402.10685";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$rows,
                        OptionalParameter<"::mlir::FlatSymbolRefAttr">:$keys, "int64_t":$size);
  let assemblyFormat = "`<` custom<InputPair>($rows, $keys) struct($size) `>`";
  let genVerifyDecl = 1;
}

def Attn_WhereMask : Attn_Mask<"Where", "where", ["verifyOn", "isLinear", "forHead"]> {
  let summary = "a free predicate on q and k";
  let description = [{
    The text of `(q, k) => condition` (dialect/algebra/PredicateParser.h). One that speaks of the head is
    meant for each head by itself.
  }];
  let formula = "the condition";
  let spelling = "(q, k) => condition";
  let example = "tokens [16] mask (q, k) => k <= q && (q - k < 3 || (q - k) % 4 == 0)";
  let papers = "FlexAttention, arXiv 2412.05496";
  let parameters = (ins "::mlir::StringAttr":$text,
                        DefaultValuedParameter<"int64_t", "-1">:$head);
  let assemblyFormat = "`<` $text (`,` `head` `=` $head^)? `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Around other masks
//===----------------------------------------------------------------------===//

def Attn_PackedMask : Attn_Mask<"Packed", "packed", ["verifyOn", "simplified", "forHead", "blockSize"]> {
  let summary = "sequences packed one after the other, each with positions and lengths of its own";
  let description = [{
    `#attn.packed<@cu_queries, @cu_keys, mask>`: inputs of cumulative lengths, i32[sequences + 1]. A query
    sees keys of its own sequence only, and `mask` speaks of positions inside it, with the last query and
    the last key of the sequence aligned. Sequences may be empty.
  }];
  let formula = "sequence(q) = sequence(k), and the mask on positions within it";
  let example = "tokens [16] input cu : i32[4] packed cu mask causal & (window(3) | sink(1))";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$queries, "::mlir::FlatSymbolRefAttr":$keys,
                        "::mlir::Attribute":$mask);
  let assemblyFormat = "`<` $queries `,` $keys `,` $mask `>`";
  let genVerifyDecl = 1;
}

class Attn_Connective<string name, string keyword>
    : Attn_Mask<name, keyword, ["verifyOn", "isLinear", "simplified", "forHead", "blockSize", "residueSteps"]> {
  let parameters = (ins ArrayRefParameter<"::mlir::Attribute">:$operands);
  let assemblyFormat = "`<` $operands `>`";
  let genVerifyDecl = 1;
}
def Attn_AndMask : Attn_Connective<"And", "and"> {
  let summary = "keys that every operand shows";
  let formula = "a and b";
  let spelling = "&";
  let example = "tokens [16] mask causal & window(4)";
}
def Attn_OrMask : Attn_Connective<"Or", "or"> {
  let summary = "keys that some operand shows";
  let formula = "a or b";
  let spelling = "|";
  let example = "tokens [16] mask window(3) | sink(2)";
}
def Attn_NotMask : Attn_Mask<"Not", "not",
                             ["verifyOn", "isLinear", "simplified", "forHead", "blockSize",
                              "residueSteps"]> {
  let summary = "keys that the operand hides";
  let formula = "not a";
  let spelling = "!";
  let example = "tokens [16] mask causal & !window(3)";
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

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

def Attn_GroupAttr : AttrDef<Attn_Dialect, "Group"> {
  let mnemonic = "group";
  let summary = "a named part of the tokens with dimensions of its own";
  let parameters = (ins "::mlir::StringAttr":$name, ArrayRefParameter<"int64_t">:$dims);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// ShapedType::kDynamic if a dimension is.
    int64_t getNumTokens() const;
  }];
}

def Attn_SplitAttr : AttrDef<Attn_Dialect, "Split"> {
  let mnemonic = "split";
  let summary = "dimensions of tokens, some cut into position and residue";
  let description = [{
    `#attn.split<[8190], by = [8]>`: token x of a dimension lies at position x div step with residue
    x mod step. The row-major order stays what it was, so only the first dimension may have a length that
    its step does not divide.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$lengths, ArrayRefParameter<"int64_t">:$steps);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Positions and residues of each dimension; `?` stays `?`.
    ::llvm::SmallVector<int64_t> getDims() const;
    /// Whether the last position of the first dimension does not exist for all residues, or may not.
    bool isRagged() const;
  }];
}

def Attn_LayoutAttr : AttrDef<Attn_Dialect, "Layout"> {
  let mnemonic = "layout";
  let summary = "lengths of a token layout, row-major, `?` where known only at run time";
  let description = [{
    `#attn.layout<[30, 48, 80]>`. Token groups follow one another in row-major order, the first alone may
    have several dimensions: `#attn.layout<[31, 48, 80], #attn.group<"video", [30, 48, 80]>,
    #attn.group<"text", [256]>>`. The dimensions are then those of the first group, lengthened until all
    tokens have a place; positions beyond the last token do not exist.

    A layout may be split for tiles that keep to one residue: `#attn.layout<[1024, 8],
    #attn.split<[8190], by = [8]>>`.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$dims,
                        OptionalArrayRefParameter<"::attn::GroupAttr">:$groups,
                        OptionalParameter<"::attn::SplitAttr">:$split);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let builders = [AttrBuilder<(ins "::llvm::ArrayRef<int64_t>":$dims), [{
    return $_get($_ctxt, dims, ::llvm::ArrayRef<::attn::GroupAttr>(), ::attn::SplitAttr());
  }]>];
  let extraClassDeclaration = [{
    /// Dimensions follow from the groups.
    static LayoutAttr ofGroups(::mlir::MLIRContext *context, ::llvm::ArrayRef<GroupAttr> groups);
    bool hasGroups() const { return !getGroups().empty(); }
    ::llvm::SmallVector<::mlir::StringRef> getGroupNames() const;
    /// Tokens that exist; ShapedType::kDynamic if that is known only at run time.
    int64_t getNumTokens() const;
    /// Numbers of tokens that the layout can have.
    TokenCount getTokenCount() const;
    /// Whether the layout has, or may have, places for more tokens than there are.
    bool isBounded() const { return hasGroups() || (getSplit() && getSplit().isRagged()); }
    /// The same tokens in other dimensions: flattened, or with every `?` bound.
    LayoutAttr withDims(::llvm::ArrayRef<int64_t> dims) const;
    /// The tokens split by steps, one for each dimension; as they are if all steps are 1.
    LayoutAttr splitBy(::llvm::ArrayRef<int64_t> steps) const;
  }];
}

#endif
