// A kernel whose name would end the script element that holds the data of a page.
func.func @"</script><b>&"(%q: tensor<1x1x256x16xf32>, %k: tensor<1x1x256x16xf32>, %v: tensor<1x1x256x16xf32>)
    -> (tensor<1x1x256x16xf32>, tensor<1x1x256xf32>) {
  %o, %lse = attn.attention %q, %k, %v tokens <[256]> keys <[256]> mask(#attn.causal)
    : (tensor<1x1x256x16xf32>, tensor<1x1x256x16xf32>, tensor<1x1x256x16xf32>)
    -> (tensor<1x1x256x16xf32>, tensor<1x1x256xf32>)
  return %o, %lse : tensor<1x1x256x16xf32>, tensor<1x1x256xf32>
}
