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
  // expected-error @+1 {{neighborhood has 1 dimension, but the token layout [4, 4] has 2}}
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

// expected-error @+1 {{'window' of dimension 1 is 0, but must be at least 1 and below 2^40, or -1 for the whole dimension}}
func.func private @f() attributes {a = #attn.neighborhood<window = [3, 0]>}

// -----

// expected-error @+1 {{stride 4 of dimension 0 is larger than its window 3}}
func.func private @f() attributes {a = #attn.neighborhood<window = [3], stride = [4]>}

// -----

// expected-error @+1 {{'stride' has 2 entries, but 'window' has 1}}
func.func private @f() attributes {a = #attn.neighborhood<window = [3], stride = [1, 1]>}

// -----

// expected-error @+1 {{neighborhood has 5 dimensions, but 1 to 4 are allowed}}
func.func private @f() attributes {a = #attn.neighborhood<window = [3, 3, 3, 3, 3]>}

// -----

// expected-error @+1 {{unknown field 'windw', expected window, stride, dilation, causal or border}}
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

// expected-error @+1 {{token layout has 5 dimensions, but 1 to 4 are allowed}}
func.func private @f() attributes {a = #attn.layout<[1, 2, 3, 4, 5]>}

// -----

// expected-error @+1 {{token layout has a negative length, -5}}
func.func private @f() attributes {a = #attn.layout<[-5]>}

// -----

// expected-error @+1 {{token layout has more than 2^40 tokens}}
func.func private @f() attributes {a = #attn.layout<[1099511627776, 2]>}

// -----

// expected-error @+1 {{'dim' of causal is 4, but must be 0 to 3}}
func.func private @f() attributes {a = #attn.causal<dim = 4>}

// -----

// expected-error @+1 {{causal takes either 'top_left' or 'dim'}}
func.func private @f() attributes {a = #attn.causal<top_left = true, dim = 0>}

// -----

// expected-error @+1 {{'dilation' is 0, but must be at least 1 and below 2^40}}
func.func private @f() attributes {a = #attn.window<left = 3, right = 0, dilation = 0>}

// -----

// expected-error @+1 {{a window of 2000000 keys with dilation 1000000 is wider than 2^40}}
func.func private @f() attributes {a = #attn.window<left = 2000000, right = 0, dilation = 1000000>}

// -----

// expected-error @+1 {{'first' is -1, but must be at least 0 and below 2^40}}
func.func private @f() attributes {a = #attn.keys<first = -1, count = 2>}

// -----

// expected-error @+1 {{'count' is -1, but must be at least 0 and below 2^40}}
func.func private @f() attributes {a = #attn.queries<first = 1, count = -1>}

// -----

// expected-error @+1 {{'count' is -1, but must be at least 0 and below 2^40}}
func.func private @f() attributes {a = #attn.global<count = -1>}

// -----

// expected-error @+1 {{'stride' is 0, but must be at least 1 and below 2^40}}
func.func private @f() attributes {a = #attn.strided<0>}

// -----

// expected-error @+1 {{'stride' is 0, but must be at least 1 and below 2^40}}
func.func private @f() attributes {a = #attn.fixed<stride = 0, count = 1>}

// -----

// expected-error @+1 {{'count' is 0, but must be at least 1 and below 2^40}}
func.func private @f() attributes {a = #attn.fixed<stride = 8, count = 0>}

// -----

// expected-error @+1 {{'count' of fixed is 9, but blocks have 8 keys}}
func.func private @f() attributes {a = #attn.fixed<stride = 8, count = 9>}

// -----

// expected-error @+1 {{'alpha' of a span is 1.000000e+13, but must be a number between -2^40 and 2^40}}
func.func private @f() attributes {a = #attn.span<alpha = 1.0e13, beta = 0.0>}

// -----

// expected-error @+1 {{'beta' of a span is }}
func.func private @f() attributes {a = #attn.span<alpha = 1.0, beta = 0x7FF8000000000000 : f64>}

// -----

// expected-error @+1 {{'new_tokens' is -1, but must be at least 0 and below 2^40}}
func.func private @f() attributes {a = #attn.span<alpha = 1.0, beta = 0.0, new_tokens = -1>}

// -----

// expected-error @+1 {{spans have 2 alphas and 1 betas, but need one of each for every head}}
func.func private @f() attributes {a = #attn.spans<alphas = [1.0, 2.0], betas = [1.0]>}

// -----

// expected-error @+1 {{'alpha' of a span is }}
func.func private @f() attributes {a = #attn.spans<alphas = [1.0e300], betas = [1.0]>}

// -----

// expected-error @+1 {{block has 5 dimensions, but 1 to 4 are allowed}}
func.func private @f() attributes {a = #attn.block<size = [1, 1, 1, 1, 1], offset = [0, 0, 0, 0, 0]>}

// -----

// expected-error @+1 {{'offset' has 1 entries, but 'size' has 2}}
func.func private @f() attributes {a = #attn.block<size = [1, 1], offset = [0]>}

// -----

// expected-error @+1 {{'size' is 0, but must be at least 1 and below 2^40}}
func.func private @f() attributes {a = #attn.block<size = [0], offset = [0]>}

// -----

// expected-error @+1 {{'offset' is -1099511627776, but must be between -2^40 and 2^40}}
func.func private @f() attributes {a = #attn.block<size = [8], offset = [-1099511627776]>}

// -----

// expected-error @+1 {{expected 'shift', 'clip' or 'zero'}}
func.func private @f() attributes {a = #attn.neighborhood<window = [3], border = clamp>}

// -----

// expected-error @+1 {{'window' of dimension 0 is -2, but must be at least 1}}
func.func private @f() attributes {a = #attn.neighborhood<window = [-2]>}

// -----

// expected-error @+1 {{a table of 5000 classes, but 1 to 4096 are allowed}}
func.func private @f() attributes {a = #attn.classes<@m, count = 5000, allow = [true]>}

// -----

// expected-error @+1 {{'allow' has 3 entries, but 2 classes need 4}}
func.func private @f() attributes {a = #attn.classes<@m, count = 2, allow = [true, true, false]>}

// -----

// expected-error @+1 {{'size' of blocks is 40, but must be a multiple of 16 between 16 and 4096}}
func.func private @f() attributes {a = #attn.blocks<@r, @k, size = 40>}

// -----

// expected-error @+1 {{'size' of blocks is 8192, but must be a multiple of 16 between 16 and 4096}}
func.func private @f() attributes {a = #attn.blocks<@r, size = 8192>}

// -----

// expected-error @+1 {{'head' of a predicate is 70000, but must be 0 to 65535}}
func.func private @f() attributes {a = #attn.where<"(q, k) => k <= q", head = 70000>}

// -----

// expected-error @+1 {{border = zero> must be the whole mask}}
func.func private @f() attributes {a = #attn.and<#attn.causal, #attn.neighborhood<window = [3], border = zero>>}

// -----

// expected-error @+1 {{border = zero> must be the whole mask}}
func.func private @f() attributes {a = #attn.not<#attn.neighborhood<window = [3], border = zero>>}

// -----

// expected-error @+1 {{border = zero> must be the whole mask}}
func.func private @f() attributes {a = #attn.packed<@cu, @cu, #attn.neighborhood<window = [3], border = zero>>}

// -----

// expected-error @+1 {{3 : i64 is not a mask}}
func.func private @f() attributes {a = #attn.packed<@cu, @cu, 3>}

// -----

// expected-error @+1 {{token group 'text' has 2 dimensions, but only the first group may have several}}
func.func private @f() attributes {a = #attn.layout<[9], #attn.group<"a", [5]>, #attn.group<"text", [2, 2]>>}

// -----

// expected-error @+1 {{token group 'a' is declared twice}}
func.func private @f() attributes {a = #attn.layout<[9], #attn.group<"a", [5]>, #attn.group<"a", [4]>>}

// -----

// expected-error @+1 {{only the first dimension of group 'a' may be '?', and none may be 0}}
func.func private @f() attributes {a = #attn.layout<[5, ?], #attn.group<"a", [5, ?]>>}

// -----

// expected-error @+1 {{only one token group may have the length '?'}}
func.func private @f() attributes {a = #attn.layout<[?], #attn.group<"a", [?]>, #attn.group<"b", [?]>>}

// -----

// expected-error @+1 {{the layout's dimensions do not follow from its token groups}}
func.func private @f() attributes {a = #attn.layout<[8], #attn.group<"a", [5]>, #attn.group<"b", [4]>>}

// -----

// expected-error @+1 {{the layout's dimensions do not follow from its split}}
func.func private @f() attributes {a = #attn.layout<[1023, 8], #attn.split<[8190], by = [8]>>}

// -----

// expected-error @+1 {{a layout of token groups cannot be split}}
func.func private @f() attributes {a = #attn.layout<[2, 8], #attn.group<"a", [5]>, #attn.split<[9], by = [8]>>}

// -----

// expected-error @+1 {{the step 3 of a split does not divide dimension 1}}
func.func private @f() attributes {a = #attn.split<[8, 8], by = [3, 3]>}

// -----

// expected-error @+1 {{a split has the step 0, but must have at least 1 and below 2^40}}
func.func private @f() attributes {a = #attn.split<[8], by = [0]>}

// -----

// expected-error @+1 {{a split has 2 steps for 1 dimensions}}
func.func private @f() attributes {a = #attn.split<[8], by = [2, 2]>}

// -----

// expected-error @+1 {{expected #attn.group or one #attn.split}}
func.func private @f() attributes {a = #attn.layout<[8], #attn.causal>}

// -----

func.func @f(%q: tensor<1x1x16x64xf32>) {
  // expected-error @+1 {{takes layouts that are not split; tiles may be}}
  %o, %lse = attn.attention %q, %q, %q tokens <[2, 8], #attn.split<[16], by = [8]>>
      keys <[2, 8], #attn.split<[16], by = [8]>> mask(#attn.all) {input_names = []}
      : (tensor<1x1x16x64xf32>, tensor<1x1x16x64xf32>, tensor<1x1x16x64xf32>)
      -> (tensor<1x1x16x64xf32>, tensor<1x1x16xf32>)
  return
}

// -----

// expected-error @+1 {{token layout has more than 2^40 tokens}}
func.func private @f() attributes {a = #attn.layout<[9], #attn.group<"a", [1099511627776, 2]>>}

// -----

func.func @causal_dim(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{'dim' of causal is 2, but the token layout has 2 dimensions, counted from 0}}
  %o, %lse = attn.attention %q, %k, %k tokens <[4, 4]> keys <[4, 4]> mask(#attn.causal<dim = 2>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @causal_dim_cross(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x8x32xf32>) {
  // expected-error @+1 {{causal with 'dim' needs queries and keys on one layout, but tokens are [16] and kv_tokens [8]}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16]> keys <[8]> mask(#attn.causal<dim = 0>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x8x32xf32>, tensor<1x4x8x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @dilated_window_rank(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+2 {{a dilated window needs tokens of one dimension, but the layout has 2}}
  // expected-note @+1 {{on several dimensions write 'neighborhood' with 'dilation'}}
  %o, %lse = attn.attention %q, %k, %k tokens <[4, 4]> keys <[4, 4]> mask(#attn.window<left = 3, right = 0, dilation = 2>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @strided_rank(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{strided needs tokens of one dimension, but the layout has 2}}
  %o, %lse = attn.attention %q, %k, %k tokens <[4, 4]> keys <[4, 4]> mask(#attn.strided<4>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @fixed_rank(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{fixed needs tokens of one dimension, but the layout has 2}}
  %o, %lse = attn.attention %q, %k, %k tokens <[4, 4]> keys <[4, 4]> mask(#attn.fixed<stride = 4, count = 1>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @span_rank(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{a span needs tokens of one dimension, but the layout has 2}}
  %o, %lse = attn.attention %q, %k, %k tokens <[4, 4]> keys <[4, 4]> mask(#attn.span<alpha = 1.0, beta = 0.0>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @spans_of_other_heads(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{the plan has spans for 2 heads, but the attention has 4}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16]> keys <[16]> mask(#attn.spans<alphas = [1.0, 2.0], betas = [1.0, 2.0]>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @block_rank(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{block has 1 dimension, but the token layout [4, 4] has 2}}
  %o, %lse = attn.attention %q, %k, %k tokens <[4, 4]> keys <[4, 4]> mask(#attn.block<size = [3], offset = [0]>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @block_cross(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x8x32xf32>) {
  // expected-error @+1 {{block needs queries and keys on one layout, but tokens are [4, 4] and kv_tokens [2, 4]}}
  %o, %lse = attn.attention %q, %k, %k tokens <[4, 4]> keys <[2, 4]> mask(#attn.block<size = [3, 3], offset = [0, 0]>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x8x32xf32>, tensor<1x4x8x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @unknown_group(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+2 {{unknown token group 'text'}}
  // expected-note @+1 {{token groups are named in the layout, for example}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16]> keys <[16]> mask(#attn.keys<group = @text>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @other_group(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+2 {{unknown token group 'c'}}
  // expected-note @+1 {{the token groups are 'a', 'b'}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16], #attn.group<"a", [9]>, #attn.group<"b", [7]>> keys <[16], #attn.group<"a", [9]>, #attn.group<"b", [7]>> mask(#attn.queries<group = @c>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @padded_groups(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{neighborhood with 'border = zero' needs a layout of one group, and no packed sequences}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16], #attn.group<"a", [9]>, #attn.group<"b", [7]>> keys <[16], #attn.group<"a", [9]>, #attn.group<"b", [7]>> mask(#attn.neighborhood<window = [3], border = zero>) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @groups_cross(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{token groups need queries and keys on one layout}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16], #attn.group<"a", [9]>, #attn.group<"b", [7]>> keys <[16]> mask(#attn.all) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @same_cross(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x8x32xf32>, %i0: tensor<16xi32>) {
  // expected-error @+2 {{'same' compares labels of one token layout, but 'tokens' and 'kv_tokens' differ}}
  // expected-note @+1 {{give one input for the queries and one for the keys}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d"] (%i0) tokens <[16]> keys <[8]> mask(#attn.same<@d>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x8x32xf32>, tensor<1x4x8x32xf32>, tensor<16xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @same_keys(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<16xi32>, %i1: tensor<16xf32>) {
  // expected-error @+1 {{input 'e' must be i32[kv_tokens] here}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d", "e"] (%i0, %i1) tokens <[16]> keys <[16]> mask(#attn.same<@d, @e>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<16xi32>, tensor<16xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @classes_input(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<16x1xi32>) {
  // expected-error @+1 {{input 'd' must be i32[tokens] here}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d"] (%i0) tokens <[16]> keys <[16]> mask(#attn.classes<@d, count = 1, allow = [true]>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<16x1xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @mask_input(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<16x16xi1>) {
  // expected-error @+1 {{input 'd' must be bool[batch, heads, tokens, kv_tokens] here}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d"] (%i0) tokens <[16]> keys <[16]> mask(#attn.input<@d>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<16x16xi1>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @blocks_rank(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<1x1xi32>) {
  // expected-error @+1 {{blocks needs tokens of one dimension, but the layout has 2}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d"] (%i0) tokens <[4, 4]> keys <[4, 4]> mask(#attn.blocks<@d, size = 16>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x1xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @blocks_bits(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<16xi32>) {
  // expected-error @+1 {{input 'd' must be i32[query blocks, (key blocks + 31) div 32] here}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d"] (%i0) tokens <[16]> keys <[16]> mask(#attn.blocks<@d, size = 16>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<16xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @blocks_rows(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<2x2xi32>, %i1: tensor<16xi32>) {
  // expected-error @+1 {{input 'd' must be i32[query blocks + 1] here}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d", "e"] (%i0, %i1) tokens <[16]> keys <[16]> mask(#attn.blocks<@d, @e, size = 16>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<2x2xi32>, tensor<16xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @blocks_keys(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<2xi32>, %i1: tensor<2x2xi32>) {
  // expected-error @+1 {{input 'e' must be i32[listed blocks] here}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d", "e"] (%i0, %i1) tokens <[16]> keys <[16]> mask(#attn.blocks<@d, @e, size = 16>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<2xi32>, tensor<2x2xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @packed_twice(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<3xi32>) {
  // expected-error @+1 {{packed sequences cannot be packed once more}}
  %o, %lse = attn.attention %q, %k, %k inputs ["cu"] (%i0) tokens <[16]> keys <[16]> mask(#attn.packed<@cu, @cu, #attn.packed<@cu, @cu, #attn.all>>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<3xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @packed_groups(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<3xi32>) {
  // expected-error @+1 {{packed sequences need a token layout without groups}}
  %o, %lse = attn.attention %q, %k, %k inputs ["cu"] (%i0) tokens <[16], #attn.group<"a", [9]>, #attn.group<"b", [7]>> keys <[16], #attn.group<"a", [9]>, #attn.group<"b", [7]>> mask(#attn.packed<@cu, @cu, #attn.all>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<3xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @packed_rank(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<3xi32>) {
  // expected-error @+1 {{packed needs tokens of one dimension, but the layout has 2}}
  %o, %lse = attn.attention %q, %k, %k inputs ["cu"] (%i0) tokens <[4, 4]> keys <[4, 4]> mask(#attn.packed<@cu, @cu, #attn.all>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<3xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @packed_lengths(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<3x1xi32>) {
  // expected-error @+1 {{input 'cu' must be i32[sequences + 1] here}}
  %o, %lse = attn.attention %q, %k, %k inputs ["cu"] (%i0) tokens <[16]> keys <[16]> mask(#attn.packed<@cu, @cu, #attn.all>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<3x1xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @packed_fixed(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<3xi32>) {
  // expected-error @+1 {{fixed cannot be used with packed sequences}}
  %o, %lse = attn.attention %q, %k, %k inputs ["cu"] (%i0) tokens <[16]> keys <[16]> mask(#attn.packed<@cu, @cu, #attn.and<#attn.causal, #attn.fixed<stride = 4, count = 1>>>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<3xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @packed_span(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<3xi32>) {
  // expected-error @+1 {{a span cannot be used with packed sequences}}
  %o, %lse = attn.attention %q, %k, %k inputs ["cu"] (%i0) tokens <[16]> keys <[16]> mask(#attn.packed<@cu, @cu, #attn.span<alpha = 1.0, beta = 0.0>>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<3xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @packed_blocks(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<3xi32>) {
  // expected-error @+1 {{blocks cannot be used with packed sequences}}
  %o, %lse = attn.attention %q, %k, %k inputs ["cu"] (%i0) tokens <[16]> keys <[16]> mask(#attn.packed<@cu, @cu, #attn.blocks<@cu, size = 16>>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<3xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @packed_strided_cross(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<3xi32>, %i1: tensor<3xi32>) {
  // expected-error @+1 {{strided with other keys than queries cannot be used with packed sequences}}
  %o, %lse = attn.attention %q, %k, %k inputs ["cu", "ck"] (%i0, %i1) tokens <[16]> keys <[16]> mask(#attn.packed<@cu, @ck, #attn.strided<4>>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<3xi32>, tensor<3xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @packed_dilated_cross(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<3xi32>, %i1: tensor<3xi32>) {
  // expected-error @+1 {{a dilated window of other keys than queries cannot be used with packed sequences}}
  %o, %lse = attn.attention %q, %k, %k inputs ["cu", "ck"] (%i0, %i1) tokens <[16]> keys <[16]> mask(#attn.packed<@cu, @ck, #attn.window<left = 3, right = 0, dilation = 2>>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<3xi32>, tensor<3xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @packed_neighborhood_cross(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<3xi32>, %i1: tensor<3xi32>) {
  // expected-error @+1 {{neighborhood needs queries and keys on one layout, but the sequences of queries and keys are packed by different lengths}}
  %o, %lse = attn.attention %q, %k, %k inputs ["cu", "ck"] (%i0, %i1) tokens <[16]> keys <[16]> mask(#attn.packed<@cu, @ck, #attn.neighborhood<window = [3]>>)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<3xi32>, tensor<3xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @predicate_text(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+3 {{unknown name 'd'}}
  // expected-note @+2 {{at column 15 of the predicate}}
  // expected-note @+1 {{a predicate speaks of q, k, h, b, nq, nk and of inputs}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16]> keys <[16]> mask(#attn.where<"(q, k) => k < d[q]">) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @predicate_number(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+3 {{a mask's predicate must be a condition, but this is a number}}
  // expected-note @+2 {{at column 11 of the predicate}}
  // expected-note @+1 {{compare it, for example 'k <= q'}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16]> keys <[16]> mask(#attn.where<"(q, k) => k - q">) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @predicate_rest(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{'& 3' follows the predicate}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16]> keys <[16]> mask(#attn.where<"(q, k) => k <= q & 3">) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @predicate_scalar(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<i32>) {
  // expected-error @+2 {{input 'd' has 0 dimensions, but predicates read inputs of 1 to 4}}
  // expected-note @+1 {{at column 15 of the predicate}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d"] (%i0) tokens <[16]> keys <[16]> mask(#attn.where<"(q, k) => k < d[]">)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<i32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @predicate_float(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<16xf32>) {
  // expected-error @+1 {{input 'd' must be i32 or bool to be read by a predicate}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d"] (%i0) tokens <[16]> keys <[16]> mask(#attn.where<"(q, k) => k < d[q]">)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<16xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @predicate_lengths(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x24x32xf32>) {
  // expected-error @+1 {{a predicate with coordinates needs queries and keys on one layout, but tokens are [16] and kv_tokens [24]}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16]> keys <[24]> mask(#attn.where<"(q, k) => k.x <= q.x">) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x24x32xf32>, tensor<1x4x24x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @predicate_layouts(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{a predicate with coordinates needs queries and keys on one layout, but tokens are [4, 4] and kv_tokens [16]}}
  %o, %lse = attn.attention %q, %k, %k tokens <[4, 4]> keys <[16]> mask(#attn.where<"(q, k) => k.x <= q.x">) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @predicate_divisor(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{the divisor of 'k mod q' may be 0 to 15, but must be at least 1}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16]> keys <[16]> mask(#attn.where<"(q, k) => k mod q == 0">) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @predicate_overflow(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>) {
  // expected-error @+1 {{but predicates are computed in 32 bits}}
  %o, %lse = attn.attention %q, %k, %k tokens <[16]> keys <[16]> mask(#attn.where<"(q, k) => k * 1000000000 < 3">) {input_names = []}
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}

// -----

func.func @predicate_index(%q: tensor<1x4x16x32xf32>, %k: tensor<1x4x16x32xf32>, %i0: tensor<7xi32>) {
  // expected-error @+1 {{index 0 of 'd[k]' may be 0 to 15, but input 'd' has only 7 entries there}}
  %o, %lse = attn.attention %q, %k, %k inputs ["d"] (%i0) tokens <[16]> keys <[16]> mask(#attn.where<"(q, k) => d[k] < 3">)
      : (tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<1x4x16x32xf32>, tensor<7xi32>) -> (tensor<1x4x16x32xf32>, tensor<1x4x16xf32>)
  return
}
