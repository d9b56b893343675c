// RUN: attnc-opt %s --attn-tile-attention --cse --split-input-file | FileCheck %s
// RUN: attnc-opt %s --attn-tile-attention="query-tile=64 key-tile=32" --split-input-file \
// RUN:   | FileCheck %s --check-prefix=SIZES

// The chain of a key tile; the key/value head is the query head over the group size.
// CHECK-LABEL: @grouped_heads
// CHECK:       tile.attention
// CHECK:       ^bb0(%[[B:.*]]: i32, %[[H:.*]]: i32, %[[T:.*]]: i32)
// CHECK:       %[[Q:.*]] = tile.load %{{.*}}[%[[B]], %[[H]], %[[T]]] query
// CHECK:       %[[KVH:.*]] = arith.divui %[[H]]
// CHECK:       tile.for_keys
// CHECK:       ^bb0(%[[KT:.*]]: i32, %[[PARTIAL:.*]]: i1
// CHECK:       %[[K:.*]] = tile.load %{{.*}}[%[[B]], %[[KVH]], %[[KT]]] :
// CHECK:       %[[S:.*]] = tile.scores %[[Q]], %[[K]] scale 1.250000e-01
// CHECK:       %[[M:.*]] = tile.mask %[[S]] {{.*}} if %[[PARTIAL]]
// CHECK:       %[[P:.*]], %[[ACC:.*]], %{{.*}}, %{{.*}} = tile.softmax %[[M]]
// CHECK:       %[[V:.*]] = tile.load %{{.*}}[%[[B]], %[[KVH]], %[[KT]]] :
// CHECK:       tile.accumulate %[[P]], %[[V]], %[[ACC]]
// CHECK:       tile.finish
// SIZES-LABEL: @grouped_heads
// SIZES:       tokens <[?]> by [64] keys <[?]> by [32]
func.func @grouped_heads(%q: tensor<1x8x?x64xbf16>, %k: tensor<1x2x?x64xbf16>,
                         %v: tensor<1x2x?x64xbf16>) -> tensor<1x8x?x64xbf16> {
  %o, %lse = attn.attention %q, %k, %v tokens <[?]> keys <[?]> mask(#attn.causal)
      {input_names = []}
      : (tensor<1x8x?x64xbf16>, tensor<1x2x?x64xbf16>, tensor<1x2x?x64xbf16>)
      -> (tensor<1x8x?x64xbf16>, tensor<1x8x?xf32>)
  return %o : tensor<1x8x?x64xbf16>
}

// -----

// Heads whose masks differ in constants alone share one region, which reads their parameters.
// CHECK-LABEL: @one_region_for_many_spans
// CHECK:       masks [#attn.window<left = 7, right = 0>, #attn.window<left = 63, right = 0>, #attn.causal] of [0, 1, 2, 0]
// CHECK:       tile.mask
// CHECK:       tile.symbol head_param 0
// CHECK:       tile.yield
// CHECK-NEXT:  }, {
// CHECK-NOT:   head_param
// CHECK:       tile.yield
// CHECK-NEXT:  } :
func.func @one_region_for_many_spans(%q: tensor<1x4x300x64xf32>) -> tensor<1x4x300x64xf32> {
  %o, %lse = attn.attention %q, %q, %q tokens <[300]> keys <[300]>
      mask(#attn.window<left = 7, right = 0>)
      heads [#attn.heads<1, 1, #attn.window<left = 63, right = 0>>, #attn.heads<2, 2, #attn.causal>]
      {input_names = []}
      : (tensor<1x4x300x64xf32>, tensor<1x4x300x64xf32>, tensor<1x4x300x64xf32>)
      -> (tensor<1x4x300x64xf32>, tensor<1x4x300xf32>)
  return %o : tensor<1x4x300x64xf32>
}

// -----

// Linear masks flatten a layout of several dimensions.
// CHECK-LABEL: @flattened
// CHECK: tokens <[512]> by
func.func @flattened(%q: tensor<1x1x512x64xf32>) -> tensor<1x1x512x64xf32> {
  %o, %lse = attn.attention %q, %q, %q tokens <[16, 32]> keys <[16, 32]> mask(#attn.causal)
      {input_names = []}
      : (tensor<1x1x512x64xf32>, tensor<1x1x512x64xf32>, tensor<1x1x512x64xf32>)
      -> (tensor<1x1x512x64xf32>, tensor<1x1x512xf32>)
  return %o : tensor<1x1x512x64xf32>
}

// -----

// The score region's query position has the offset added.
// CHECK-LABEL: @score_positions
// CHECK:      tile.score %
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %[[B:.*]]: i32, %[[H:.*]]: i32, %[[Q:.*]]: i32, %[[K:.*]]: i32)
// CHECK-NEXT: %[[OFFSET:.*]] = tile.symbol query_offset 0 of[%[[B]], %[[H]]]
// CHECK-NEXT: %[[POSITION:.*]] = arith.addi %[[Q]], %[[OFFSET]]
// CHECK-NEXT: arith.subi %[[K]], %[[POSITION]]
func.func @score_positions(%q: tensor<1x1x256x64xf32>) -> tensor<1x1x256x64xf32> {
  %o, %lse = attn.attention %q, %q, %q tokens <[256]> keys <[256]> mask(#attn.all) score {
      ^bb0(%s: f32, %b: i32, %h: i32, %i: i32, %j: i32):
        %distance = arith.subi %j, %i : i32
        %bias = arith.sitofp %distance : i32 to f32
        %sum = arith.addf %s, %bias : f32
        attn.yield %sum : f32
      } {input_names = []}
      : (tensor<1x1x256x64xf32>, tensor<1x1x256x64xf32>, tensor<1x1x256x64xf32>)
      -> (tensor<1x1x256x64xf32>, tensor<1x1x256xf32>)
  return %o : tensor<1x1x256x64xf32>
}

// -----

// A dilated mask is tiled by position and residue; 300 tokens leave the last position to 4 residues.
// CHECK-LABEL: @split
// CHECK: tokens <[38, 8], #attn.split<[300], by = [8]>> by [64, 2]
// SIZES-LABEL: @split
// SIZES: tokens <[300]> by [64]
func.func @split(%q: tensor<1x1x300x64xf32>) -> tensor<1x1x300x64xf32> {
  %o, %lse = attn.attention %q, %q, %q tokens <[300]> keys <[300]>
      mask(#attn.window<left = 9, right = 0, dilation = 8>) {input_names = []}
      : (tensor<1x1x300x64xf32>, tensor<1x1x300x64xf32>, tensor<1x1x300x64xf32>)
      -> (tensor<1x1x300x64xf32>, tensor<1x1x300xf32>)
  return %o : tensor<1x1x300x64xf32>
}
