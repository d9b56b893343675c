//===- MaskInterface.td - what the compiler asks of a mask -*- tablegen -*-===//
#ifndef ATTN_MASK_INTERFACE_TD
#define ATTN_MASK_INTERFACE_TD

include "mlir/IR/OpBase.td"

def MaskAttrInterface : AttrInterface<"MaskAttrInterface"> {
  let cppNamespace = "::attn";
  let description = "The questions that passes and targets ask of any mask kind.";
  let methods = [
    InterfaceMethod<[{
      Adds the mask's formula to `builder` and returns it. `inputs` are the run-time inputs of the
      attention, in order; a kind that reads one finds its index there. `verifyOn` has succeeded.
    }], "::attn::TermId", "buildTerm",
        (ins "::attn::FormulaBuilder &":$builder, "const ::attn::MaskInputs &":$inputs)>,
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
    InterfaceMethod<[{
      The mask as one query head sees it. Equal masks of heads are one, and masks that differ in numbers
      alone share their code.
    }], "::mlir::Attribute", "forHead", (ins "int64_t":$head), [{}], [{ return $_attr; }]>,
    InterfaceMethod<[{
      Whether the mask says more than which keys are seen, so that it cannot be part of another one.
    }], "bool", "standsAlone", (ins), [{}], [{ return false; }]>,
    InterfaceMethod<[{
      Tokens of a block on which the mask's data is constant, which tiles must divide; 0 for any.
    }], "int64_t", "blockSize", (ins), [{}], [{ return 0; }]>,
    InterfaceMethod<[{
      How the mask wants the layout split into positions and residues, for each of its `rank` dimensions:
      s > 1 where a query sees only keys a multiple of s apart from it and the mask can be said on a layout
      that is split by s; 0 where any split will do; 1 where none will. Empty: no split in any dimension.
    }], "::llvm::SmallVector<int64_t>", "residueSteps", (ins "int64_t":$rank), [{}],
        [{ return {}; }]>,
    InterfaceMethod<[{
      Numbers of the kind that sweeps vary, with their values here; not those of the masks within it.
    }], "::llvm::SmallVector<::attn::MaskParameter>", "parameters", (ins), [{}], [{ return {}; }]>,
    InterfaceMethod<[{
      The mask with other values of some of its parameters, which must have as many entries as theirs;
      null, after a diagnostic, where the kind does not allow them.
    }], "::mlir::Attribute", "withParameters",
        (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError,
             "::llvm::ArrayRef<::attn::MaskParameter>":$changes), [{}], [{
          assert(changes.empty() && "only parameters that the mask has are changed");
          return $_attr;
        }]>,
    InterfaceMethod<"The simplest mask with the same meaning; itself when there is none.",
        "::mlir::Attribute", "simplified", (ins), [{}], [{ return $_attr; }]>
  ];
}

#endif
