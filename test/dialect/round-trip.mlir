// RUN: attnc-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @dynamic_causal
// CHECK: attn.attention {{.*}} tokens <[?]> keys <[?]> mask(#attn.causal)
func.func @dynamic_causal(%q: tensor<1x8x?x64xbf16>, %k: tensor<1x2x?x64xbf16>,
                          %v: tensor<1x2x?x32xbf16>)
    -> (tensor<1x8x?x32xbf16>, tensor<1x8x?xf32>) {
  %o, %lse = attn.attention %q, %k, %v tokens <[?]> keys <[?]> mask(#attn.causal)
      {input_names = []}
      : (tensor<1x8x?x64xbf16>, tensor<1x2x?x64xbf16>, tensor<1x2x?x32xbf16>)
      -> (tensor<1x8x?x32xbf16>, tensor<1x8x?xf32>)
  return %o, %lse : tensor<1x8x?x32xbf16>, tensor<1x8x?xf32>
}

// Every kind, and ranges of heads.
// CHECK-LABEL: @kinds
// CHECK-SAME: #attn.causal<top_left = true>
// CHECK-SAME: #attn.window<left = 3, right = 5>
// CHECK-SAME: #attn.sink<4>
// CHECK-SAME: #attn.prefix<7>
// CHECK-SAME: #attn.prefix<@length>
// CHECK-SAME: #attn.same<@document>
// CHECK-SAME: #attn.input<@visible>
// CHECK-SAME: #attn.neighborhood<window = [3, 5], stride = [1, 2], dilation = [1, 2], causal = [true, false]>
// CHECK-SAME: #attn.and<#attn.all, #attn.or<#attn.causal, #attn.not<#attn.sink<1>>>>
// CHECK-SAME: #attn.heads<0, 3, #attn.causal>
func.func private @kinds() attributes {
  a = #attn.causal<top_left = true>, b = #attn.window<left = 3, right = 5>, c = #attn.sink<4>,
  d = #attn.prefix<7>, e = #attn.prefix<@length>, f = #attn.same<@document>,
  g = #attn.input<@visible>,
  h = #attn.neighborhood<window = [3, 5], stride = [1, 2], dilation = [1, 2], causal = [true, false]>,
  i = #attn.and<#attn.all, #attn.or<#attn.causal, #attn.not<#attn.sink<1>>>>,
  j = #attn.heads<0, 3, #attn.causal>}

// CHECK-LABEL: @score_and_input
// CHECK: inputs ["length"](
// CHECK-SAME: mask(#attn.prefix<@length>)
// CHECK-SAME: score {
// CHECK: attn.yield
func.func @score_and_input(%q: tensor<2x1x16x32xf32>, %length: tensor<2xi32>)
    -> (tensor<2x1x16x32xf32>, tensor<2x1x16xf32>) {
  %o, %lse = attn.attention %q, %q, %q inputs ["length"] (%length) tokens <[4, 4]> keys <[4, 4]>
      mask(#attn.prefix<@length>) score {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %t = math.tanh %s : f32
        attn.yield %t : f32
      } {q_offset = 3 : i64, scale = 5.000000e-01 : f64}
      : (tensor<2x1x16x32xf32>, tensor<2x1x16x32xf32>, tensor<2x1x16x32xf32>, tensor<2xi32>)
      -> (tensor<2x1x16x32xf32>, tensor<2x1x16xf32>)
  return %o, %lse : tensor<2x1x16x32xf32>, tensor<2x1x16xf32>
}
