// RUN: split-file %s %t
// RUN: attnc-opt %t/one.mlir --attn-tile-attention="query-tile=2048" --split-input-file --verify-diagnostics
// RUN: attnc-opt %t/two.mlir --attn-tile-attention="query-tile=2,2" --verify-diagnostics

//--- one.mlir
func.func @tile_too_large(%q: tensor<1x1x16x8xf32>) {
  // expected-error @+1 {{a tile must have 1 to 1024 tokens, each extent at least 1}}
  %o, %lse = attn.attention %q, %q, %q tokens <[16]> keys <[16]> mask(#attn.all) {input_names = []}
      : (tensor<1x1x16x8xf32>, tensor<1x1x16x8xf32>, tensor<1x1x16x8xf32>)
      -> (tensor<1x1x16x8xf32>, tensor<1x1x16xf32>)
  return
}

// -----

func.func @flat_tile_for_a_neighborhood(%q: tensor<1x1x16x8xf32>) {
  // expected-error @+1 {{tiles of 1 dimensions for a neighborhood on a layout of 2; give a tile of 2 dimensions}}
  %o, %lse = attn.attention %q, %q, %q tokens <[4, 4]> keys <[4, 4]>
      mask(#attn.neighborhood<window = [2, 2]>) {input_names = []}
      : (tensor<1x1x16x8xf32>, tensor<1x1x16x8xf32>, tensor<1x1x16x8xf32>)
      -> (tensor<1x1x16x8xf32>, tensor<1x1x16xf32>)
  return
}

//--- two.mlir
func.func @boxes_on_two_layouts(%q: tensor<1x1x16x8xf32>, %k: tensor<1x1x24x8xf32>) {
  // expected-error @+1 {{tokens [4, 4] and kv_tokens [6, 4] differ, but tiles of several dimensions need one layout}}
  %o, %lse = attn.attention %q, %k, %k tokens <[4, 4]> keys <[6, 4]> mask(#attn.causal)
      : (tensor<1x1x16x8xf32>, tensor<1x1x24x8xf32>, tensor<1x1x24x8xf32>)
      -> (tensor<1x1x16x8xf32>, tensor<1x1x16xf32>)
  return
}
