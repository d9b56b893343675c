// RUN: attnc-opt %s --attn-tile-attention="query-tile=2048" --split-input-file --verify-diagnostics

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
