//===- AttnDialect.td - what attention is computed ---------*- tablegen -*-===//
#ifndef ATTN_DIALECT_TD
#define ATTN_DIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::attn";
  let summary = "sparse attention: masks, head layouts, scores";
  let description = [{
    Says what is computed, never how. A mask is an attribute built from kinds and from and / or / not;
    each kind is one formula (`buildTerm`) from which the evaluator, the tile maps, the code of partial
    tiles and the pictures are derived.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif
