//===- TileOps.td - how attention is tiled -----------------*- tablegen -*-===//
//
// The contract between passes/ and codegen/. It says what is computed and in which tiles; memory,
// stages, swizzles, warps and pipelining belong to codegen. All ops have value semantics.
// A tile is a box of the token layout. Its rows are numbered row-major inside the box; rows outside
// the layout hold zeros. Positions, heads and tile numbers are i32.
//
//===----------------------------------------------------------------------===//
#ifndef TILE_OPS_TD
#define TILE_OPS_TD

include "dialect/AttnMasks.td"
include "mlir/IR/EnumAttr.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::attn::tile";
  let summary = "tiled attention, for any target";
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::attn::AttnDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits>;

def Tile_Scores : TensorRankOf<[F32], [2]>;
def Tile_Column : TensorRankOf<[F32], [1]>;
def Tile_Data : TensorRankOf<[F32, F16, BF16], [2]>;
def Tile_Whole : TensorRankOf<[F32, F16, BF16], [4]>;

def Tile_AttentionOp : Tile_Op<"attention", [Pure, SingleBlock,
    TypesMatchWith<"lse is f32 over the first three dimensions of the output", "output", "lse",
                   "::attn::lseTypeOf($_self)">]> {
  let summary = "one body per query tile of every batch entry and head";
  let description = [{
    The body takes (b, h, t): batch entry, query head and the row-major number of the query tile in the
    grid of tiles of `query_tile` over `tokens`; it ends in tile.finish. Tiles may run in any order;
    longest first is best. With `packed_heads` above 1, so many neighbouring heads, which share their key
    head and their mask, are best worked on together, and the body is that of the first of them with the
    rows of the others behind its own. `masks` are the distinct masks and `mask_of_head` says whose is whose: the
    tile map of a head is that of its mask (dialect/MaskFormulas.h).

    On a layout of token groups, or one that is split unevenly into positions and residues, the number of
    tokens is that of the tensors and may be smaller than the layout (`isBounded`): rows whose row-major position is not below it are outside the layout, as rows
    beyond a dimension's end are. Loads give zeros for rows outside, their outputs are not stored, and
    mask regions hide such keys.
  }];
  let arguments = (ins Tile_Whole:$query, Tile_Whole:$key, Tile_Whole:$value,
                       Variadic<AnyRankedTensor>:$inputs,
                       DefaultValuedAttr<StrArrayAttr, "{}">:$input_names,
                       Attn_LayoutAttr:$tokens, Attn_LayoutAttr:$kv_tokens,
                       DenseI64ArrayAttr:$query_tile, DenseI64ArrayAttr:$key_tile,
                       ArrayAttr:$masks, DenseI32ArrayAttr:$mask_of_head,
                       OptionalAttr<I64Attr>:$q_offset,
                       DefaultValuedAttr<I64Attr, "1">:$packed_heads);
  let results = (outs Tile_Whole:$output, TensorRankOf<[F32], [3]>:$lse);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`inputs` $input_names `(` $inputs^ `)`)?
    `tokens` $tokens `by` $query_tile `keys` $kv_tokens `by` $key_tile
    `masks` $masks `of` $mask_of_head attr-dict `:` functional-type(operands, results) $body
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getRank() { return getTokens().getDims().size(); }
    int64_t getQueryRows(); ///< tokens of a query tile
    int64_t getKeyRows();   ///< tokens of a key tile
    ::llvm::SmallVector<::mlir::StringRef> getInputNameList();
    /// Whether positions of the layout may lie beyond the last token.
    bool isBounded() { return getRank() > 1 && getKvTokens().isBounded(); }
  }];
}

def Tile_LoadOp : Tile_Op<"load", [Pure]> {
  let summary = "the rows of one tile: the query grid's with `query`, the key grid's without";
  let arguments = (ins Tile_Whole:$source, I32:$batch, I32:$head, I32:$tile, UnitAttr:$query);
  let results = (outs Tile_Data:$result);
  let assemblyFormat = [{
    $source `[` $batch `,` $head `,` $tile `]` (`query` $query^)? attr-dict
    `:` type($source) `->` type($result)
  }];
}

def Tile_ForKeysOp : Tile_Op<"for_keys", [SingleBlock,
    AllTypesMatch<["acc", "accResult"]>, AllTypesMatch<["max", "maxResult", "sum", "sumResult"]>]> {
  let summary = "loops over the key tiles that the query tile visits";
  let description = [{
    The body takes (key tile number, partial: i1, listed: i32, acc, max, sum). `partial` is false for
    tiles all of whose pairs are visible. `listed` is the truth of the listed atoms of the head's
    formula, one bit each in their order: what the lists of tiles say of this tile (AtomKind::Listed).
    Tiles without a visible pair are not visited, none is visited twice.
  }];
  let arguments = (ins I32:$batch, I32:$head, I32:$tile,
                       Tile_Scores:$acc, Tile_Column:$max, Tile_Column:$sum);
  let results = (outs Tile_Scores:$accResult, Tile_Column:$maxResult, Tile_Column:$sumResult);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `of` `[` $batch `,` $head `,` $tile `]` `from` $acc `,` $max `,` $sum attr-dict
    `:` type($acc) `,` type($max) $body
  }];
  let hasVerifier = 1;
}

def Tile_InitOp : Tile_Op<"init", [Pure, AttrSizedOperandSegments, AllTypesMatch<["max", "sum"]>]> {
  let summary = "the state before the first key: acc 0, max -inf, sum 0";
  let description = [{
    With formulas, a row starts as if it had seen n keys whose score and value are 0, n being what region
    number `formula` yields for it: max 0 and sum n where n > 0. Each region takes (b, h, q0 .. q{r-1}),
    coordinates in the layout, without q_offset. Of rows outside the layout n is unspecified.
  }];
  let arguments = (ins Optional<I32>:$batch, Optional<I32>:$head, Optional<I32>:$tile,
                       Optional<I32>:$formula);
  let results = (outs Tile_Scores:$acc, Tile_Column:$max, Tile_Column:$sum);
  let regions = (region VariadicRegion<SizedRegion<1>>:$formulas);
  let assemblyFormat = [{
    (`of` `[` $batch^ `,` $head `,` $tile `]` `formula` $formula $formulas)? attr-dict
    `:` type($acc) `,` type($max)
  }];
  let hasVerifier = 1;
}

def Tile_ScoresOp : Tile_Op<"scores", [Pure]> {
  let summary = "scale * query . key for every pair of rows, in f32";
  let arguments = (ins Tile_Data:$query, Tile_Data:$key, F64Attr:$scale);
  let results = (outs Tile_Scores:$result);
  let assemblyFormat = [{
    $query `,` $key `scale` $scale attr-dict
    `:` type($query) `,` type($key) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_ScoreOp : Tile_Op<"score", [Pure, AllTypesMatch<["scores", "result"]>]> {
  let summary = "applies the score region (s, b, h, q, k) to every element, linear positions";
  let description = [{
    q is the query's row, without q_offset. Elements of the attention's inputs are read as
    attn.attention says. What the region yields for rows outside the layout is unspecified.
  }];
  let arguments = (ins Tile_Scores:$scores, I32:$batch, I32:$head, I32:$tile, I32:$keyTile);
  let results = (outs Tile_Scores:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $scores `at` `[` $batch `,` $head `,` $tile `,` $keyTile `]` attr-dict `:` type($scores) $body
  }];
  let hasVerifier = 1;
}

def Tile_MaskOp : Tile_Op<"mask", [Pure, AllTypesMatch<["scores", "result"]>]> {
  let summary = "-inf where region number `formula` yields false, if `partial`";
  let description = [{
    Each region takes (b, h, q0 .. q{r-1}, k0 .. k{r-1}, listed), coordinates in the layout, without
    q_offset, and the bits that tile.for_keys gives with the key tile; it yields whether the query sees
    the key. One formula serves all heads whose masks differ in constants alone; those are read by
    tile.symbol.
  }];
  let arguments = (ins Tile_Scores:$scores, I32:$batch, I32:$head, I32:$tile, I32:$keyTile,
                       I1:$partial, I32:$listed, I32:$formula);
  let results = (outs Tile_Scores:$result);
  let regions = (region VariadicRegion<SizedRegion<1>>:$formulas);
  let assemblyFormat = [{
    $scores `at` `[` $batch `,` $head `,` $tile `,` $keyTile `]` `if` $partial `listed` $listed
    `formula` $formula
    $formulas attr-dict `:` type($scores)
  }];
  let hasVerifier = 1;
}

def Tile_SymbolKind : I32EnumAttr<"SymbolKindEnum", "a number known when the kernel runs", [
    I32EnumAttrCase<"NumQueries", 0, "num_queries">, I32EnumAttrCase<"NumKeys", 1, "num_keys">,
    I32EnumAttrCase<"QueryOffset", 2, "query_offset">, I32EnumAttrCase<"Dim", 3, "dim">,
    I32EnumAttrCase<"HeadParam", 4, "head_param">, I32EnumAttrCase<"BatchInput", 5, "batch_input">,
    I32EnumAttrCase<"HeadFormula", 6, "head_formula">]> {
  let cppNamespace = "::attn::tile";
  let genSpecializedAttr = 0;
}
def Tile_SymbolKindAttr : EnumAttr<Tile_Dialect, Tile_SymbolKind, "symbol_kind">;

def Tile_SymbolOp : Tile_Op<"symbol", [Pure]> {
  let summary = "reads a number of the launch";
  let description = [{
    `head_param` is entry `index` of head h's row of the parameter table, `batch_input` entry b of the
    run-time input `index`, `dim` the length of dimension `index`, `head_formula` the number of the
    region of tile.mask that is head h's. Values are clamped to +-2^30.
  }];
  let arguments = (ins Tile_SymbolKindAttr:$kind, I32Attr:$index, I32:$batch, I32:$head);
  let results = (outs I32:$result);
  let assemblyFormat = "$kind $index `of` `[` $batch `,` $head `]` attr-dict";
}

def Tile_TableOp : Tile_Op<"table", [Pure]> {
  let summary = "entry `query` of run-time table `index`";
  let description = [{
    Tables hold one i32 per query and are made at launch (KernelArgs::tables). `query` is a row-major
    position without q_offset; one of a row outside the layout may be read, and is answered with the
    entry of some query.
  }];
  let arguments = (ins ConfinedAttr<I32Attr, [IntMinValue<0>, IntMaxValue<7>]>:$index, I32:$query);
  let results = (outs I32:$result);
  let assemblyFormat = "$index `at` `[` $query `]` attr-dict";
}

def Tile_SoftmaxOp : Tile_Op<"softmax", [Pure, AllTypesMatch<["scores", "weights"]>,
    AllTypesMatch<["acc", "accResult"]>, AllTypesMatch<["max", "maxResult", "sum", "sumResult"]>]> {
  let summary = "online softmax: weights exp(s - max'), and the state rescaled to max'";
  let description = [{
    max' = max(max, rowmax s); weights = exp(s - max'), 0 where s or max' is -inf;
    r = exp(max - max') (1 where both are -inf); sum' = r * sum + rowsum weights; acc' = r * acc.
  }];
  let arguments = (ins Tile_Scores:$scores, Tile_Scores:$acc, Tile_Column:$max, Tile_Column:$sum);
  let results = (outs Tile_Scores:$weights, Tile_Scores:$accResult, Tile_Column:$maxResult,
                      Tile_Column:$sumResult);
  let assemblyFormat = [{
    $scores `,` $acc `,` $max `,` $sum attr-dict
    `:` type($scores) `,` type($acc) `,` type($max)
  }];
}

def Tile_AccumulateOp : Tile_Op<"accumulate", [Pure, AllTypesMatch<["acc", "result"]>]> {
  let summary = "acc + weights . value";
  let arguments = (ins Tile_Scores:$weights, Tile_Data:$value, Tile_Scores:$acc);
  let results = (outs Tile_Scores:$result);
  let assemblyFormat = [{
    $weights `,` $value `,` $acc attr-dict `:` type($weights) `,` type($value) `->` type($acc)
  }];
  let hasVerifier = 1;
}

def Tile_FinishOp : Tile_Op<"finish", [Terminator, HasParent<"AttentionOp">,
                                       AllTypesMatch<["max", "sum"]>]> {
  let summary = "the tile's rows: output acc / sum (0 where sum is 0), lse max + log sum";
  let description = [{
    The zero keys of tile.init are part of sum alone: they take softmax mass, and add nothing to acc.
  }];
  let arguments = (ins Tile_Scores:$acc, Tile_Column:$max, Tile_Column:$sum);
  let assemblyFormat = "$acc `,` $max `,` $sum attr-dict `:` type($acc) `,` type($max)";
}

def Tile_YieldOp : Tile_Op<"yield", [Pure, Terminator,
                                     ParentOneOf<["ForKeysOp", "InitOp", "ScoreOp", "MaskOp"]>]> {
  let summary = "ends a region with its values";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}

#endif
