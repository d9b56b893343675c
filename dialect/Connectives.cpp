//===- Connectives.cpp - and, or, not, packed sequences -------------------===//
#include "dialect/MaskChecks.h"

#include "llvm/ADT/STLExtras.h"

#include <numeric>

using namespace mlir;

namespace attn {

static MaskAttrInterface asMask(Attribute attr) { return cast<MaskAttrInterface>(attr); }

static LogicalResult verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                                    ArrayRef<Attribute> operands) {
  if (operands.empty())
    return emitError() << "needs at least one mask";
  for (Attribute operand : operands) {
    auto mask = dyn_cast<MaskAttrInterface>(operand);
    if (!mask)
      return emitError() << operand << " is not a mask";
    if (mask.standsAlone())
      return emitError() << operand << " must be the whole mask: it gives softmax mass to keys that "
                                       "no other mask speaks of";
  }
  return success();
}

using Combine = TermId (FormulaBuilder::*)(TermId, TermId);

static TermId combineTerms(FormulaBuilder &builder, const MaskInputs &inputs,
                           ArrayRef<Attribute> operands, Combine combine) {
  TermId term = asMask(operands.front()).buildTerm(builder, inputs);
  for (Attribute operand : operands.drop_front())
    term = (builder.*combine)(term, asMask(operand).buildTerm(builder, inputs));
  return term;
}

static LogicalResult verifyAllOn(function_ref<InFlightDiagnostic()> emitError,
                                 const MaskContext &context, ArrayRef<Attribute> operands) {
  for (Attribute operand : operands)
    if (failed(asMask(operand).verifyOn(emitError, context)))
      return failure();
  return success();
}

static bool areLinear(ArrayRef<Attribute> operands) {
  return llvm::all_of(operands, [](Attribute operand) { return asMask(operand).isLinear(); });
}

static SmallVector<Attribute> operandsForHead(ArrayRef<Attribute> operands, int64_t head) {
  return llvm::map_to_vector(operands,
                             [&](Attribute operand) { return asMask(operand).forHead(head); });
}

static int64_t commonBlockSize(ArrayRef<Attribute> operands) {
  int64_t size = 0;
  for (Attribute operand : operands)
    size = std::gcd(size, asMask(operand).blockSize());
  return size;
}

/// What all operands say of a dimension, 1 where they differ. In an `and` an operand that takes any split
/// has no say: it can only hide keys of the residue.
static SmallVector<int64_t> commonSteps(ArrayRef<Attribute> operands, int64_t rank, bool isAnd) {
  SmallVector<int64_t> steps = asMask(operands.front()).residueSteps(rank);
  for (Attribute operand : operands.drop_front()) {
    SmallVector<int64_t> others = asMask(operand).residueSteps(rank);
    if (steps.empty() || others.empty())
      return {};
    for (auto [step, other] : llvm::zip_equal(steps, others)) {
      if (isAnd && (step == 0 || other == 0))
        step = std::max(step, other);
      else if (step != other)
        step = 1;
    }
  }
  return steps;
}

static Attribute invert(Attribute mask) {
  if (auto inverted = dyn_cast<NotAttr>(mask))
    return inverted.getOperand();
  return NotAttr::get(mask.getContext(), mask);
}

/// Operands simplified, flattened into the same connective, each once, the neutral element dropped.
/// Returns the absorbing element alone when it, or an operand with its inverse, occurs.
template <class Connective>
static SmallVector<Attribute> simplifiedOperands(ArrayRef<Attribute> operands, Attribute neutral,
                                                 Attribute absorbing) {
  SmallVector<Attribute> flat;
  for (Attribute operand : operands) {
    Attribute simple = asMask(operand).simplified();
    if (auto nested = dyn_cast<Connective>(simple))
      llvm::append_range(flat, nested.getOperands());
    else
      flat.push_back(simple);
  }
  SmallVector<Attribute> kept;
  for (Attribute mask : flat) {
    if (mask == absorbing || llvm::is_contained(flat, invert(mask)))
      return {absorbing};
    if (mask != neutral && !llvm::is_contained(kept, mask))
      kept.push_back(mask);
  }
  return kept;
}

/// Absorption: in an `and`, an operand `or(..)` that contains another operand says nothing new, and
/// the other way round.
template <class Other> static void dropAbsorbed(SmallVectorImpl<Attribute> &operands) {
  llvm::erase_if(operands, [&](Attribute mask) {
    auto other = dyn_cast<Other>(mask);
    return other && llvm::any_of(other.getOperands(), [&](Attribute inner) {
             return llvm::is_contained(operands, inner);
           });
  });
}

template <class Connective, class Other>
static Attribute simplifyConnective(Connective mask, Attribute neutral, Attribute absorbing) {
  SmallVector<Attribute> operands =
      simplifiedOperands<Connective>(mask.getOperands(), neutral, absorbing);
  dropAbsorbed<Other>(operands);
  if (operands.empty())
    return neutral;
  return operands.size() == 1 ? operands.front() : Connective::get(mask.getContext(), operands);
}

TermId AndAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  return combineTerms(builder, inputs, getOperands(), &FormulaBuilder::andOf);
}
LogicalResult AndAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                              ArrayRef<Attribute> operands) {
  return verifyOperands(emitError, operands);
}
LogicalResult AndAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                const MaskContext &context) const {
  return verifyAllOn(emitError, context, getOperands());
}
bool AndAttr::isLinear() const { return areLinear(getOperands()); }
int64_t AndAttr::blockSize() const { return commonBlockSize(getOperands()); }
SmallVector<int64_t> AndAttr::residueSteps(int64_t rank) const {
  return commonSteps(getOperands(), rank, /*isAnd=*/true);
}
Attribute AndAttr::forHead(int64_t head) const {
  return get(getContext(), operandsForHead(getOperands(), head));
}
Attribute AndAttr::simplified() const {
  Attribute all = AllAttr::get(getContext());
  return simplifyConnective<AndAttr, OrAttr>(*this, all, invert(all));
}

TermId OrAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  return combineTerms(builder, inputs, getOperands(), &FormulaBuilder::orOf);
}
LogicalResult OrAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                             ArrayRef<Attribute> operands) {
  return verifyOperands(emitError, operands);
}
LogicalResult OrAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                               const MaskContext &context) const {
  return verifyAllOn(emitError, context, getOperands());
}
bool OrAttr::isLinear() const { return areLinear(getOperands()); }
int64_t OrAttr::blockSize() const { return commonBlockSize(getOperands()); }
SmallVector<int64_t> OrAttr::residueSteps(int64_t rank) const {
  return commonSteps(getOperands(), rank, /*isAnd=*/false);
}
Attribute OrAttr::forHead(int64_t head) const {
  return get(getContext(), operandsForHead(getOperands(), head));
}
Attribute OrAttr::simplified() const {
  Attribute all = AllAttr::get(getContext());
  return simplifyConnective<OrAttr, AndAttr>(*this, invert(all), all);
}

TermId NotAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  return builder.notOf(asMask(getOperand()).buildTerm(builder, inputs));
}
LogicalResult NotAttr::verify(function_ref<InFlightDiagnostic()> emitError, Attribute operand) {
  return verifyOperands(emitError, operand);
}
LogicalResult NotAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                const MaskContext &context) const {
  return verifyAllOn(emitError, context, getOperand());
}
bool NotAttr::isLinear() const { return areLinear(getOperand()); }
int64_t NotAttr::blockSize() const { return commonBlockSize(getOperand()); }
SmallVector<int64_t> NotAttr::residueSteps(int64_t rank) const {
  SmallVector<int64_t> steps = asMask(getOperand()).residueSteps(rank);
  for (int64_t &step : steps)
    step = std::min<int64_t>(step, 1);
  return steps;
}
Attribute NotAttr::forHead(int64_t head) const {
  return get(getContext(), asMask(getOperand()).forHead(head));
}
Attribute NotAttr::simplified() const { return invert(asMask(getOperand()).simplified()); }

//===----------------------------------------------------------------------===//
// packed
//===----------------------------------------------------------------------===//

TermId PackedAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  builder.pack(inputIndex(inputs, getQueries()), inputIndex(inputs, getKeys()));
  TermId inside = builder.andOf(builder.ownSequence(), asMask(getMask()).buildTerm(builder, inputs));
  builder.unpack();
  return inside;
}
LogicalResult PackedAttr::verify(function_ref<InFlightDiagnostic()> emitError, FlatSymbolRefAttr,
                                 FlatSymbolRefAttr, Attribute mask) {
  return verifyOperands(emitError, mask);
}
LogicalResult PackedAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                   const MaskContext &context) const {
  if (context.isPacked)
    return emitError() << "packed sequences cannot be packed once more";
  if (!context.groupNames.empty())
    return emitError() << "packed sequences need a token layout without groups";
  if (failed(verifyOneDimension(emitError, context, "packed", "")))
    return failure();
  for (FlatSymbolRefAttr lengths : {getQueries(), getKeys()})
    if (failed(verifyInput(emitError, context, lengths, 1, 32, "i32[sequences + 1]")))
      return failure();
  MaskContext inside = context;
  inside.isPacked = true;
  inside.isSelfPacked = getQueries() == getKeys();
  return asMask(getMask()).verifyOn(emitError, inside);
}
Attribute PackedAttr::simplified() const {
  return get(getContext(), getQueries(), getKeys(), asMask(getMask()).simplified());
}
Attribute PackedAttr::forHead(int64_t head) const {
  return get(getContext(), getQueries(), getKeys(), asMask(getMask()).forHead(head));
}
int64_t PackedAttr::blockSize() const { return asMask(getMask()).blockSize(); }

} // namespace attn
