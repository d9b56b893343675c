// RUN: attnc-opt %s --split-input-file --verify-diagnostics

func.func @heads_do_not_divide(%q: tensor<1x4x16x32xf32>, %k: tensor<1x3x16x32xf32>, %v: tensor<1x3x16x32xf32>) {
  // expected-error @+1 {{'attn.attention' op 4 query heads are no multiple of 3 key/value heads}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(#attn.all) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x3x16x32xf32>, tensor<1x3x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @head_dims_differ(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x64xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{query has head_dim 32, key 64}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(#attn.all) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x64xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @kv_differ(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x17x32xf32>) {
  // expected-error @+1 {{differ in heads or tokens}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(#attn.all) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x17x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @batch_differs(%q: tensor<1x4x16x32xf32>, %k: tensor<2x4x16x32xf32>, %v: tensor<2x4x16x32xf32>) {
  // expected-error @+1 {{query, key and value differ in batch}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(#attn.all) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<2x4x16x32xf32>, tensor<2x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @wrong_output(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x64xf32>) {
  // expected-error @+1 {{output must have query's shape with value's head_dim}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(#attn.all) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x64xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @dynamic_heads(%q: tensor<1x?x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{'query' must have fixed, positive batch, heads and head_dim}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(#attn.all) {input_names = []}
      : (tensor<1x?x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x?x16x32xf32>, tensor<1x?x16xf32>)
  return
}

// -----

func.func @tokens_mismatch(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{do not match query}}
  %o, %lse = attn.attention %q, %k, %v tokens <[4, 5]> keys <[16]> mask(#attn.all) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @keys_mismatch(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{do not match key}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[15]> mask(#attn.all) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @window_too_large(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+2 {{window 5 does not fit into dimension 0 of length 4}}
  // expected-note @+1 {{at most 4 is allowed there}}
  %o, %lse = attn.attention %q, %k, %v tokens <[4, 4]> keys <[4, 4]> mask(#attn.neighborhood<window = [5, 4]>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @dilated_window_too_large(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+2 {{window 3 with dilation 2 does not fit into dimension 1 of length 4}}
  // expected-note @+1 {{at most 2 is allowed there}}
  %o, %lse = attn.attention %q, %k, %v tokens <[4, 4]> keys <[4, 4]> mask(#attn.neighborhood<window = [3, 3], dilation = [1, 2]>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @neighborhood_rank(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{neighborhood has 1 dimensions, but the token layout [4, 4] has 2}}
  %o, %lse = attn.attention %q, %k, %v tokens <[4, 4]> keys <[4, 4]> mask(#attn.neighborhood<window = [3]>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @neighborhood_cross(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x8x32xf32>, %v: tensor<1x4x8x32xf32>) {
  // expected-error @+1 {{neighborhood needs queries and keys on one layout, but tokens are [16] and kv_tokens [8]}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[8]> mask(#attn.neighborhood<window = [3]>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x8x32xf32>, tensor<1x4x8x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @heads_beyond(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{heads 2..4 reach beyond the last head, 3}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(#attn.all) heads [#attn.heads<2, 4, #attn.causal>] {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @heads_overlap(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{heads 2..3 overlap heads 0..2}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(#attn.all) heads [#attn.heads<0, 2, #attn.causal>, #attn.heads<2, 3, #attn.all>] {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @no_heads_attr(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{heads must list #attn.heads, not 1 : i64}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(#attn.all) heads [1] {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @no_mask(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{7 : i64 is not a mask}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(7) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @unknown_input(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %v: tensor<1x4x16x32xf32>) {
  // expected-error @+2 {{unknown input 'length'}}
  // expected-note @+1 {{declare it with 'input length : i32}}
  %o, %lse = attn.attention %q, %k, %v tokens <[16]> keys <[16]> mask(#attn.prefix<@length>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @input_of_wrong_type(%q: tensor<1x4x16x32xf32>, %d: tensor<16xf32>) {
  // expected-error @+1 {{input 'd' must be i32[tokens] here}}
  %o, %lse = attn.attention %q, %q, %q inputs ["d"] (%d) tokens <[16]> keys <[16]> mask(#attn.same<@d>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<16xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @score_arguments(%q: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{score region must be one block with arguments (f32, i32, i32, i32, i32)}}
  %o, %lse = attn.attention %q, %q, %q tokens <[16]> keys <[16]> mask(#attn.all) score {
      ^bb0(%s: f32):
        attn.yield %s : f32
      } {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

// expected-error @+1 {{'left' is -1, but must be at least 0 and below 2^40}}
func.func private @f() attributes {a = #attn.window<left = -1, right = 0>}

// -----

// expected-error @+1 {{'right' is 1099511627776, but must be at least 0 and below 2^40}}
func.func private @f() attributes {a = #attn.window<left = 0, right = 1099511627776>}

// -----

// expected-error @+1 {{'count' is -2, but must be at least 0 and below 2^40}}
func.func private @f() attributes {a = #attn.sink<-2>}

// -----

// expected-error @+1 {{'window' of dimension 1 is 0, but must be at least 1 and below 2^40}}
func.func private @f() attributes {a = #attn.neighborhood<window = [3, 0]>}

// -----

// expected-error @+1 {{stride 4 of dimension 0 is larger than its window 3}}
func.func private @f() attributes {a = #attn.neighborhood<window = [3], stride = [4]>}

// -----

// expected-error @+1 {{'stride' has 2 entries, but 'window' has 1}}
func.func private @f() attributes {a = #attn.neighborhood<window = [3], stride = [1, 1]>}

// -----

// expected-error @+1 {{neighborhood has 4 dimensions, but 1 to 3 are allowed}}
func.func private @f() attributes {a = #attn.neighborhood<window = [3, 3, 3, 3]>}

// -----

// expected-error @+1 {{unknown field 'windw', expected window, stride, dilation or causal}}
func.func private @f() attributes {a = #attn.neighborhood<windw = [3]>}

// -----

// expected-error @+1 {{expected 'true' or 'false'}}
func.func private @f() attributes {a = #attn.neighborhood<window = [3], causal = [maybe]>}

// -----

// expected-error @+1 {{3 : i64 is not a mask}}
func.func private @f() attributes {a = #attn.not<3>}

// -----

// expected-error @+1 {{heads 3..2 are no range}}
func.func private @f() attributes {a = #attn.heads<3, 2, #attn.all>}

// -----

// expected-error @+1 {{token layout has 4 dimensions, but 1 to 3 are allowed}}
func.func private @f() attributes {a = #attn.layout<[1, 2, 3, 4]>}

// -----

// expected-error @+1 {{token layout has a negative length, -5}}
func.func private @f() attributes {a = #attn.layout<[-5]>}

// -----

// expected-error @+1 {{token layout has more than 2^40 tokens}}
func.func private @f() attributes {a = #attn.layout<[1099511627776, 2]>}
