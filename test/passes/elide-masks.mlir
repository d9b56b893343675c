// Tiles of 2x8x8, and 128 in one dimension.
// RUN: attnc-opt %s --attn-tile-attention --attn-elide-masks --split-input-file | FileCheck %s

// Every visited tile is full: the published perfectly block-sparse case.
// CHECK-LABEL: @block_sparse
// CHECK-NOT: tile.mask
// CHECK: tile.finish
func.func @block_sparse(%q: tensor<1x1x115200x64xbf16>) -> tensor<1x1x115200x64xbf16> {
  %o, %lse = attn.attention %q, %q, %q tokens <[30, 48, 80]> keys <[30, 48, 80]>
      mask(#attn.neighborhood<window = [18, 24, 24], stride = [16, 8, 8]>) {input_names = []}
      : (tensor<1x1x115200x64xbf16>, tensor<1x1x115200x64xbf16>, tensor<1x1x115200x64xbf16>)
      -> (tensor<1x1x115200x64xbf16>, tensor<1x1x115200xf32>)
  return %o : tensor<1x1x115200x64xbf16>
}

// -----

// CHECK-LABEL: @stride_one_keeps_its_mask
// CHECK: tile.mask
func.func @stride_one_keeps_its_mask(%q: tensor<1x1x115200x64xbf16>) -> tensor<1x1x115200x64xbf16> {
  %o, %lse = attn.attention %q, %q, %q tokens <[30, 48, 80]> keys <[30, 48, 80]>
      mask(#attn.neighborhood<window = [18, 24, 24]>) {input_names = []}
      : (tensor<1x1x115200x64xbf16>, tensor<1x1x115200x64xbf16>, tensor<1x1x115200x64xbf16>)
      -> (tensor<1x1x115200x64xbf16>, tensor<1x1x115200xf32>)
  return %o : tensor<1x1x115200x64xbf16>
}

// -----

// The number of tokens decides whether the last tile is full, and is not known here.
// CHECK-LABEL: @dynamic_keeps_its_mask
// CHECK: tile.mask
func.func @dynamic_keeps_its_mask(%q: tensor<1x1x?x64xbf16>) -> tensor<1x1x?x64xbf16> {
  %o, %lse = attn.attention %q, %q, %q tokens <[?, 48, 80]> keys <[?, 48, 80]>
      mask(#attn.neighborhood<window = [18, 24, 24], stride = [16, 8, 8]>) {input_names = []}
      : (tensor<1x1x?x64xbf16>, tensor<1x1x?x64xbf16>, tensor<1x1x?x64xbf16>)
      -> (tensor<1x1x?x64xbf16>, tensor<1x1x?xf32>)
  return %o : tensor<1x1x?x64xbf16>
}

// -----

// So do the sequences, whose lengths are data.
// CHECK-LABEL: @packed_keeps_its_mask
// CHECK: tile.mask
func.func @packed_keeps_its_mask(%q: tensor<1x1x64x64xbf16>, %cu: tensor<5xi32>)
    -> tensor<1x1x64x64xbf16> {
  %o, %lse = attn.attention %q, %q, %q inputs ["cu"](%cu) tokens <[64]> keys <[64]>
      mask(#attn.packed<@cu, @cu, #attn.causal>)
      : (tensor<1x1x64x64xbf16>, tensor<1x1x64x64xbf16>, tensor<1x1x64x64xbf16>, tensor<5xi32>)
      -> (tensor<1x1x64x64xbf16>, tensor<1x1x64xf32>)
  return %o : tensor<1x1x64x64xbf16>
}
