//===- MaskInterface.td - what the compiler asks of a mask -*- tablegen -*-===//
#ifndef ATTN_MASK_INTERFACE_TD
#define ATTN_MASK_INTERFACE_TD

include "mlir/IR/OpBase.td"

def MaskAttrInterface : AttrInterface<"MaskAttrInterface"> {
  let cppNamespace = "::attn";
  let description = "The questions that passes and targets ask of any mask kind.";
  let methods = [
    InterfaceMethod<[{
      Adds the mask's formula to `builder` and returns it. `inputs` are the names of the run-time
      inputs of the attention, in order; a kind that reads one finds its index there.
    }], "::attn::TermId", "buildTerm",
        (ins "::attn::FormulaBuilder &":$builder, "::llvm::ArrayRef<::mlir::StringRef>":$inputs)>,
    InterfaceMethod<[{
      Checks what can be checked only against the layout: ranks, lengths (dynamic ones are
      ShapedType::kDynamic), inputs.
    }], "::mlir::LogicalResult", "verifyOn",
        (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError,
             "const ::attn::MaskContext &":$context), [{}], [{ return ::mlir::success(); }]>,
    InterfaceMethod<[{
      Whether the mask speaks of linear positions only, so that a layout of several dimensions may be
      tiled as one.
    }], "bool", "isLinear", (ins), [{}], [{ return true; }]>,
    InterfaceMethod<"The simplest mask with the same meaning; itself when there is none.",
        "::mlir::Attribute", "simplified", (ins), [{}], [{ return $_attr; }]>
  ];
}

#endif
