// RUN: attnc-opt %s --canonicalize --split-input-file | FileCheck %s

// CHECK-LABEL: @twice_the_same
// CHECK: mask(#attn.causal)
func.func @twice_the_same(%q: tensor<1x2x8x32xf32>) -> tensor<1x2x8x32xf32> {
  %o, %lse = attn.attention %q, %q, %q tokens <[8]> keys <[8]>
      mask(#attn.and<#attn.causal, #attn.causal>) {input_names = []}
      : (tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>)
      -> (tensor<1x2x8x32xf32>, tensor<1x2x8xf32>)
  return %o : tensor<1x2x8x32xf32>
}

// -----

// CHECK-LABEL: @not_not
// CHECK: mask(#attn.sink<3>)
func.func @not_not(%q: tensor<1x2x8x32xf32>) -> tensor<1x2x8x32xf32> {
  %o, %lse = attn.attention %q, %q, %q tokens <[8]> keys <[8]>
      mask(#attn.not<#attn.not<#attn.sink<3>>>) {input_names = []}
      : (tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>)
      -> (tensor<1x2x8x32xf32>, tensor<1x2x8xf32>)
  return %o : tensor<1x2x8x32xf32>
}

// -----

// a & (a | b) = a, and `all` is neutral.
// CHECK-LABEL: @absorbed_by_and
// CHECK: mask(#attn.causal)
func.func @absorbed_by_and(%q: tensor<1x2x8x32xf32>) -> tensor<1x2x8x32xf32> {
  %o, %lse = attn.attention %q, %q, %q tokens <[8]> keys <[8]>
      mask(#attn.and<#attn.causal, #attn.or<#attn.sink<3>, #attn.causal>, #attn.all>)
      {input_names = []}
      : (tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>)
      -> (tensor<1x2x8x32xf32>, tensor<1x2x8xf32>)
  return %o : tensor<1x2x8x32xf32>
}

// -----

// a | (a & b) = a, nested connectives are flattened, `all` absorbs an or.
// CHECK-LABEL: @absorbed_by_or
// CHECK: mask(#attn.or<#attn.causal, #attn.sink<1>, #attn.sink<2>>)
// CHECK-SAME: heads [#attn.heads<1, 1, #attn.all>]
func.func @absorbed_by_or(%q: tensor<1x2x8x32xf32>) -> tensor<1x2x8x32xf32> {
  %o, %lse = attn.attention %q, %q, %q tokens <[8]> keys <[8]>
      mask(#attn.or<#attn.causal, #attn.and<#attn.causal, #attn.sink<3>>,
                    #attn.or<#attn.sink<1>, #attn.sink<2>>>)
      heads [#attn.heads<1, 1, #attn.or<#attn.sink<1>, #attn.all>>] {input_names = []}
      : (tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>)
      -> (tensor<1x2x8x32xf32>, tensor<1x2x8xf32>)
  return %o : tensor<1x2x8x32xf32>
}

// -----

// a & !a shows nothing; a range whose mask is that of the kernel is dropped.
// CHECK-LABEL: @contradiction
// CHECK: mask(#attn.not<#attn.all>)
// CHECK-NOT: heads
func.func @contradiction(%q: tensor<1x2x8x32xf32>) -> tensor<1x2x8x32xf32> {
  %o, %lse = attn.attention %q, %q, %q tokens <[8]> keys <[8]>
      mask(#attn.and<#attn.sink<3>, #attn.not<#attn.sink<3>>>)
      heads [#attn.heads<0, 0, #attn.not<#attn.all>>] {input_names = []}
      : (tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>)
      -> (tensor<1x2x8x32xf32>, tensor<1x2x8xf32>)
  return %o : tensor<1x2x8x32xf32>
}

// -----

// Inside packed sequences too, and predicates are compared by their text.
// CHECK-LABEL: @inside_packed
// CHECK: mask(#attn.packed<@cu, @cu, #attn.and<#attn.causal, #attn.where<"(q, k) => k < 3">>>)
// CHECK-NOT: heads
func.func @inside_packed(%q: tensor<1x2x8x32xf32>, %cu: tensor<3xi32>) -> tensor<1x2x8x32xf32> {
  %o, %lse = attn.attention %q, %q, %q inputs ["cu"] (%cu) tokens <[8]> keys <[8]>
      mask(#attn.packed<@cu, @cu, #attn.and<#attn.causal, #attn.where<"(q, k) => k < 3">, #attn.causal,
                                            #attn.where<"(q, k) => k < 3">>>)
      heads [#attn.heads<1, 1, #attn.packed<@cu, @cu,
                                            #attn.and<#attn.causal, #attn.where<"(q, k) => k < 3">>>>]
      : (tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>, tensor<3xi32>)
      -> (tensor<1x2x8x32xf32>, tensor<1x2x8xf32>)
  return %o : tensor<1x2x8x32xf32>
}

// -----

// Kinds with other numbers, inputs or borders are other masks.
// CHECK-LABEL: @different
// CHECK: mask(#attn.or<#attn.window<left = 3, right = 3>, #attn.window<left = 3, right = 3, dilation = 2>, #attn.same<@a>, #attn.same<@a, @b>, #attn.neighborhood<window = [3]>, #attn.neighborhood<window = [3], border = clip>>)
func.func @different(%q: tensor<1x2x8x32xf32>, %a: tensor<8xi32>) -> tensor<1x2x8x32xf32> {
  %o, %lse = attn.attention %q, %q, %q inputs ["a", "b"] (%a, %a) tokens <[8]> keys <[8]>
      mask(#attn.or<#attn.window<left = 3, right = 3>, #attn.window<left = 3, right = 3, dilation = 2>,
                    #attn.same<@a>, #attn.same<@a, @b>, #attn.neighborhood<window = [3]>,
                    #attn.neighborhood<window = [3], border = clip>>)
      : (tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>, tensor<1x2x8x32xf32>, tensor<8xi32>, tensor<8xi32>)
      -> (tensor<1x2x8x32xf32>, tensor<1x2x8xf32>)
  return %o : tensor<1x2x8x32xf32>
}
