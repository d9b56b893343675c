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

// Ranges, steps, spans, boxes, data, predicates, packed sequences and layouts.
// CHECK-LABEL: @more_kinds
// CHECK-SAME: #attn.causal<dim = 2>
// CHECK-SAME: #attn.window<left = 3, right = 5, dilation = 2>
// CHECK-SAME: #attn.keys<first = 5, count = 4>
// CHECK-SAME: #attn.keys<group = @text>
// CHECK-SAME: #attn.queries<count = 4>
// CHECK-SAME: #attn.queries<group = @text>
// CHECK-SAME: #attn.global<first = 3, count = 2>
// CHECK-SAME: #attn.global<count = 2>
// CHECK-SAME: #attn.strided<8>
// CHECK-SAME: #attn.fixed<stride = 8, count = 2>
// CHECK-SAME: #attn.span<alpha = 6.400000e+01 : f64, beta = 2.500000e-01 : f64, new_tokens = 7>
// CHECK-SAME: #attn.spans<alphas = [6.400000e+01, -1.000000e+00], betas = [2.500000e-01, 0.000000e+00]>
// CHECK-SAME: #attn.block<size = [8, 4], offset = [0, -2]>
// CHECK-SAME: #attn.neighborhood<window = [-1, 3], border = clip>
// CHECK-SAME: #attn.neighborhood<window = [3], stride = [2], border = zero>
// CHECK-SAME: #attn.same<@a, @b>
// CHECK-SAME: #attn.classes<@a, count = 2, allow = [true, false, true, true]>
// CHECK-SAME: #attn.classes<@a, @b, count = 1, allow = [true]>
// CHECK-SAME: #attn.blocks<@rows, @columns, size = 64>
// CHECK-SAME: #attn.blocks<@bits, size = 128>
// CHECK-SAME: #attn.where<"(q, k) => k <= q && t[q] == 3">
// CHECK-SAME: #attn.where<"(q, k) => k < h", head = 5>
// CHECK-SAME: #attn.packed<@cu, @cu_k, #attn.and<#attn.causal, #attn.sink<1>>>
// CHECK-SAME: #attn.layout<[2, 3, 4, 5]>
// CHECK-SAME: #attn.layout<[31, 48, 80], #attn.group<"video", [30, 48, 80]>, #attn.group<"text", [256]>>
// CHECK-SAME: #attn.layout<[?, 8], #attn.group<"video", [?, 8]>, #attn.group<"text", [9]>>
// CHECK-SAME: #attn.layout<[37], #attn.group<"a", [4, 8]>, #attn.group<"b", [5]>>
// CHECK-SAME: #attn.layout<[1024, 8], #attn.split<[8190], by = [8]>>
// CHECK-SAME: #attn.layout<[?, 8], #attn.split<[?], by = [8]>>
// CHECK-SAME: #attn.layout<[3, 4, 11], #attn.split<[3, 44], by = [1, 11]>>
func.func private @more_kinds() attributes {
  a00 = #attn.causal<dim = 2>,
  a01 = #attn.window<left = 3, right = 5, dilation = 2>,
  a02 = #attn.keys<first = 5, count = 4>,
  a03 = #attn.keys<group = @text>,
  a04 = #attn.queries<count = 4>,
  a05 = #attn.queries<group = @text>,
  a06 = #attn.global<first = 3, count = 2>,
  a07 = #attn.global<count = 2>,
  a08 = #attn.strided<8>,
  a09 = #attn.fixed<stride = 8, count = 2>,
  a10 = #attn.span<alpha = 6.400000e+01 : f64, beta = 2.500000e-01 : f64, new_tokens = 7>,
  a11 = #attn.spans<alphas = [6.400000e+01, -1.000000e+00], betas = [2.500000e-01, 0.000000e+00]>,
  a12 = #attn.block<size = [8, 4], offset = [0, -2]>,
  a13 = #attn.neighborhood<window = [-1, 3], border = clip>,
  a14 = #attn.neighborhood<window = [3], stride = [2], border = zero>,
  a15 = #attn.same<@a, @b>,
  a16 = #attn.classes<@a, count = 2, allow = [true, false, true, true]>,
  a17 = #attn.classes<@a, @b, count = 1, allow = [true]>,
  a18 = #attn.blocks<@rows, @columns, size = 64>,
  a19 = #attn.blocks<@bits, size = 128>,
  a20 = #attn.where<"(q, k) => k <= q && t[q] == 3">,
  a21 = #attn.where<"(q, k) => k < h", head = 5>,
  a22 = #attn.packed<@cu, @cu_k, #attn.and<#attn.causal, #attn.sink<1>>>,
  a23 = #attn.layout<[2, 3, 4, 5]>,
  a24 = #attn.layout<[31, 48, 80], #attn.group<"video", [30, 48, 80]>, #attn.group<"text", [256]>>,
  a25 = #attn.layout<[?, 8], #attn.group<"video", [?, 8]>, #attn.group<"text", [9]>>,
  a26 = #attn.layout<[37], #attn.group<"a", [4, 8]>, #attn.group<"b", [5]>>,
  a27 = #attn.layout<[1024, 8], #attn.split<[8190], by = [8]>>,
  a28 = #attn.layout<[?, 8], #attn.split<[?], by = [8]>>,
  a29 = #attn.layout<[3, 4, 11], #attn.split<[3, 44], by = [1, 11]>>}

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
