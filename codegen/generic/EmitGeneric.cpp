#include "codegen/generic/EmitGeneric.h"

#include "codegen/KernelInfoOf.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace attn::generic {
namespace {

/// Ops that mean the same for every operand and on every lane.
std::optional<Opcode> elementwise(StringRef name) {
  return llvm::StringSwitch<std::optional<Opcode>>(name)
      .Case("arith.addi", Opcode::AddI)
      .Case("arith.subi", Opcode::SubI)
      .Case("arith.muli", Opcode::MulI)
      .Case("arith.divsi", Opcode::DivSI)
      .Case("arith.divui", Opcode::DivUI)
      .Case("arith.remsi", Opcode::RemSI)
      .Case("arith.remui", Opcode::RemUI)
      .Case("arith.minsi", Opcode::MinSI)
      .Case("arith.maxsi", Opcode::MaxSI)
      .Case("arith.minui", Opcode::MinUI)
      .Case("arith.maxui", Opcode::MaxUI)
      .Case("arith.andi", Opcode::And)
      .Case("arith.ori", Opcode::Or)
      .Case("arith.xori", Opcode::Xor)
      .Case("arith.shli", Opcode::ShiftLeft)
      .Case("arith.shrsi", Opcode::ShiftRightSigned)
      .Case("arith.shrui", Opcode::ShiftRightUnsigned)
      .Case("math.absi", Opcode::AbsI)
      .Case("arith.select", Opcode::Select)
      .Case("arith.extsi", Opcode::Negate) // of a condition, as it is checked
      .Cases({"arith.extui", "arith.index_cast", "arith.index_castui", "arith.extf"}, Opcode::Copy)
      .Case("arith.addf", Opcode::AddF)
      .Case("arith.subf", Opcode::SubF)
      .Case("arith.mulf", Opcode::MulF)
      .Case("arith.divf", Opcode::DivF)
      .Case("arith.minimumf", Opcode::MinimumF)
      .Case("arith.maximumf", Opcode::MaximumF)
      .Case("arith.negf", Opcode::NegateF)
      .Case("math.absf", Opcode::AbsF)
      .Case("arith.sitofp", Opcode::FromSigned)
      .Case("math.exp", Opcode::Exp)
      .Case("math.exp2", Opcode::Exp2)
      .Case("math.log", Opcode::Log)
      .Case("math.tanh", Opcode::Tanh)
      .Case("math.sqrt", Opcode::Sqrt)
      .Default(std::nullopt);
}

/// An opcode, and whether its operands change places.
struct Comparison {
  Opcode opcode;
  bool isTurned = false;
};

Comparison comparisonOf(arith::CmpIPredicate predicate) {
  using P = arith::CmpIPredicate;
  switch (predicate) {
  case P::eq: return {Opcode::Equal};
  case P::ne: return {Opcode::NotEqual};
  case P::slt: return {Opcode::Less};
  case P::sle: return {Opcode::LessEqual};
  case P::sgt: return {Opcode::Less, true};
  case P::sge: return {Opcode::LessEqual, true};
  case P::ult: return {Opcode::Below};
  case P::ule: return {Opcode::BelowEqual};
  case P::ugt: return {Opcode::Below, true};
  case P::uge: return {Opcode::BelowEqual, true};
  }
  llvm_unreachable("all predicates are listed");
}

std::optional<Comparison> comparisonOf(arith::CmpFPredicate predicate) {
  using P = arith::CmpFPredicate;
  switch (predicate) {
  case P::OEQ: return Comparison{Opcode::EqualF};
  case P::UNE: return Comparison{Opcode::NotEqualF};
  case P::OLT: return Comparison{Opcode::LessF};
  case P::OLE: return Comparison{Opcode::LessEqualF};
  case P::OGT: return Comparison{Opcode::LessF, true};
  case P::OGE: return Comparison{Opcode::LessEqualF, true};
  default: return std::nullopt;
  }
}

Opcode opcodeOf(tile::SymbolKindEnum kind) {
  switch (kind) {
  case tile::SymbolKindEnum::NumQueries: return Opcode::NumQueries;
  case tile::SymbolKindEnum::NumKeys: return Opcode::NumKeys;
  case tile::SymbolKindEnum::QueryOffset: return Opcode::QueryOffset;
  case tile::SymbolKindEnum::Dim: return Opcode::Dim;
  case tile::SymbolKindEnum::HeadParam: return Opcode::HeadParam;
  case tile::SymbolKindEnum::BatchInput: return Opcode::BatchInput;
  case tile::SymbolKindEnum::HeadFormula: return Opcode::HeadFormula;
  }
  llvm_unreachable("all symbols are listed");
}

/// Translates one region.
class RegionTranslator {
public:
  RegionTranslator(tile::AttentionOp op, Block &block) : op(op), block(block) {
    for (BlockArgument argument : block.getArguments())
      registers[argument] = uint16_t(program.numArguments++);
  }

  FailureOr<LaneProgram> run() {
    for (Operation &inner : block.without_terminator())
      if (failed(add(inner)))
        return failure();
    FailureOr<uint16_t> result = registerOf(block.getTerminator()->getOperand(0));
    if (failed(result))
      return failure();
    program.result = *result;
    return std::move(program);
  }

private:
  /// The lanes are 32 bits wide; conditions, indices and the values of inputs become so.
  static bool isHeld(Type type) {
    return type.isInteger(1) || type.isInteger(32) || type.isIndex() || type.isF32() ||
           type.isF16() || type.isBF16();
  }

  LogicalResult refuse(Operation &inner) {
    return inner.emitError() << "'" << inner.getName()
                             << "' has to be compiled; generic kernels do not know it";
  }

  FailureOr<uint16_t> append(const Instruction &instruction) {
    if (program.numRegisters() > UINT16_MAX)
      return op.emitError() << "a region of more than " << UINT16_MAX
                            << " operations has to be compiled";
    program.instructions.push_back(instruction);
    return uint16_t(program.numRegisters() - 1);
  }

  /// Constants may have been hoisted out of the region.
  FailureOr<uint16_t> registerOf(Value value) {
    auto found = registers.find(value);
    if (found != registers.end())
      return found->second;
    auto constant = cast<arith::ConstantOp>(value.getDefiningOp());
    Instruction instruction{Opcode::Constant};
    if (auto real = dyn_cast<FloatAttr>(constant.getValue()))
      instruction.immediate = bitsOf(float(real.getValueAsDouble()));
    else if (value.getType().isInteger(1))
      instruction.immediate = cast<BoolAttr>(constant.getValue()).getValue();
    else
      instruction.immediate = int32_t(cast<IntegerAttr>(constant.getValue()).getInt());
    FailureOr<uint16_t> number = append(instruction);
    if (succeeded(number))
      registers[value] = *number;
    return number;
  }

  LogicalResult add(Operation &inner) {
    if (isa<arith::ConstantOp>(inner))
      return success(); // where it is used
    FailureOr<Instruction> instruction = instructionFor(inner);
    if (failed(instruction))
      return failure();
    FailureOr<uint16_t> number = append(*instruction);
    if (succeeded(number))
      registers[inner.getResult(0)] = *number;
    return number;
  }

  FailureOr<Instruction> instructionFor(Operation &inner) {
    if (!llvm::all_of(inner.getResultTypes(), isHeld))
      return refuse(inner);
    return TypeSwitch<Operation *, FailureOr<Instruction>>(&inner)
        .Case([&](arith::CmpIOp compare) {
          return binary(comparisonOf(compare.getPredicate()), inner);
        })
        .Case([&](arith::CmpFOp compare) -> FailureOr<Instruction> {
          std::optional<Comparison> comparison = comparisonOf(compare.getPredicate());
          if (!comparison)
            return refuse(inner);
          return binary(*comparison, inner);
        })
        .Case([&](tile::SymbolOp symbol) -> FailureOr<Instruction> {
          bool isOfBatch = symbol.getKind() == tile::SymbolKindEnum::BatchInput;
          return with({opcodeOf(symbol.getKind()), uint16_t(symbol.getIndex())},
                      {isOfBatch ? symbol.getBatch() : symbol.getHead()});
        })
        .Case([&](tile::TableOp table) {
          return with({Opcode::Table, uint16_t(table.getIndex())}, {table.getQuery()});
        })
        .Case([&](tensor::ExtractOp extract) {
          auto number = llvm::find(op.getInputs(), extract.getTensor()) - op.getInputs().begin();
          return with({Opcode::Element, uint16_t(number)}, extract.getIndices());
        })
        .Default([&](Operation *) { return elementwiseFor(inner); });
  }

  /// What an op means on lanes it means on its operands, too.
  static bool keepsMeaning(Operation &inner, Opcode opcode) {
    auto isAny = [&](auto isType) {
      return llvm::any_of(inner.getOperandTypes(), isType) ||
             llvm::any_of(inner.getResultTypes(), isType);
    };
    // Of 16-bit numbers lanes know those that inputs hold, and nothing that would be rounded.
    auto isNarrow = [](Type type) { return type.isF16() || type.isBF16(); };
    if (!llvm::all_of(inner.getOperandTypes(), isHeld) ||
        llvm::any_of(inner.getResultTypes(), isNarrow))
      return false;
    // Indices are wider, and a true condition is 1, not -1.
    if (isAny([](Type type) { return type.isIndex(); }))
      return opcode == Opcode::Copy;
    if (opcode == Opcode::Negate)
      return inner.getOperand(0).getType().isInteger(1);
    constexpr Opcode kOnConditions[] = {Opcode::And,  Opcode::Or,    Opcode::Xor,      Opcode::Select,
                                        Opcode::Copy, Opcode::Equal, Opcode::NotEqual};
    return !llvm::any_of(inner.getOperandTypes(), [](Type type) { return type.isInteger(1); }) ||
           llvm::is_contained(kOnConditions, opcode);
  }

  FailureOr<Instruction> elementwiseFor(Operation &inner) {
    std::optional<Opcode> opcode = elementwise(inner.getName().getStringRef());
    if (!opcode || !keepsMeaning(inner, *opcode))
      return refuse(inner);
    return with({*opcode}, inner.getOperands());
  }

  FailureOr<Instruction> binary(Comparison comparison, Operation &inner) {
    if (!keepsMeaning(inner, comparison.opcode))
      return refuse(inner);
    Value left = inner.getOperand(0), right = inner.getOperand(1);
    if (comparison.isTurned)
      std::swap(left, right);
    return with({comparison.opcode}, {left, right});
  }

  FailureOr<Instruction> with(Instruction instruction, ValueRange operands) {
    for (auto [i, operand] : llvm::enumerate(operands)) {
      FailureOr<uint16_t> number = registerOf(operand);
      if (failed(number))
        return failure();
      instruction.operands[i] = *number;
    }
    return instruction;
  }

  tile::AttentionOp op;
  Block &block;
  LaneProgram program;
  DenseMap<Value, uint16_t> registers;
};

LogicalResult translate(tile::AttentionOp op, MutableArrayRef<Region> regions,
                        std::vector<LaneProgram> &programs) {
  for (Region &region : regions) {
    FailureOr<LaneProgram> program = RegionTranslator(op, region.front()).run();
    if (failed(program))
      return failure();
    programs.push_back(std::move(*program));
  }
  return success();
}

} // namespace

FailureOr<GenericKernel> genericKernel(tile::AttentionOp op) {
  FailureOr<KernelInfo> info = kernelInfoOnCpu(op);
  if (failed(info))
    return failure();
  GenericKernel kernel;
  kernel.info = std::move(*info);
  kernel.isBounded = op.isBounded();
  std::vector<LaneProgram> scores;
  WalkResult walk = op.walk([&](Operation *inner) -> WalkResult {
    return TypeSwitch<Operation *, LogicalResult>(inner)
        .Case([&](tile::ScoresOp o) {
          kernel.scale = float(o.getScale().convertToDouble());
          return success();
        })
        .Case([&](tile::ScoreOp o) { return translate(op, o->getRegions(), scores); })
        .Case([&](tile::MaskOp o) { return translate(op, o.getFormulas(), kernel.masks); })
        .Case([&](tile::InitOp o) { return translate(op, o.getFormulas(), kernel.zeroKeys); })
        .Default(success());
  });
  if (walk.wasInterrupted())
    return failure();
  if (!scores.empty())
    kernel.score = std::move(scores.front());
  kernel.info.scratchBytes = kernel.scratchBytes();
  return kernel;
}

} // namespace attn::generic
