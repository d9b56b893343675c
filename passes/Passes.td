//===- Passes.td - attn to tile ----------------------------*- tablegen -*-===//
#ifndef ATTN_PASSES_TD
#define ATTN_PASSES_TD

include "mlir/Pass/PassBase.td"

def TileAttention : Pass<"attn-tile-attention", "::mlir::ModuleOp"> {
  let summary = "attention over tiles of the token layout";
  let description = [{
    ```mlir
    %o, %lse = attn.attention %q, %k, %v tokens <[?]> keys <[?]> mask(#attn.causal) : ...
    ```
    ==>
    ```mlir
    %o, %lse = tile.attention %q, %k, %v tokens <[?]> by [128] keys <[?]> by [128]
                 masks [#attn.causal] of [0, 0] : ... {
    ^bb0(%b: i32, %h: i32, %t: i32):
      ... tile.for_keys { tile.scores, tile.mask, tile.softmax, tile.accumulate } ...
      tile.finish ...
    }
    ```
    Masks become the distinct masks and, per head, which one; the predicate of partial tiles is emitted
    from the masks' formulas, one region for all heads whose masks differ in constants alone. A layout
    of several dimensions is flattened when every mask is linear and no tile of that rank is asked for.
    Tiles that nobody asked for are, for a GPU, those of the least predicted time (simulator/TileChooser.h), and
    for a processor those of the least work (simulator/CpuTiles.h).
    Needs canonical masks. Promises that exactly the tiles with a visible pair are visited.
  }];
  let options = [
    ListOption<"queryTile", "query-tile", "int64_t", "extents of a query tile; chosen when absent">,
    ListOption<"keyTile", "key-tile", "int64_t", "extents of a key tile; chosen when absent">,
    Option<"machine", "machine", "std::string", /*default=*/"\"\"",
           "the GPU, or the ISA level, for which tiles are chosen; the target's first one when absent">
  ];
  let dependentDialects = ["::attn::tile::TileDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

def ElideMasks : Pass<"attn-elide-masks", "::mlir::ModuleOp"> {
  let summary = "drops tile.mask where no visited tile is partial";
  let description = [{
    ```mlir
    %s1 = tile.mask %s at [...] if %partial formula %f {...}, use of %s1
    ```
    ==>
    ```mlir
    use of %s
    ```
    when the layout is static, no mask depends on launch-time numbers, and the tile maps of all masks
    visit full tiles only ("perfectly block-sparse"). Runs after tile-attention, on its exact maps.
  }];
}

#endif
