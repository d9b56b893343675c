//===- MaskBuilder.cpp - mask expressions to attributes -------------------===//
#include "dialect/MaskFormulas.h"
#include "frontend/MaskArguments.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {

static MaskAttrInterface asMask(Attribute attr) { return cast<MaskAttrInterface>(attr); }

static Attribute buildKind(const syntax::Mask &mask, const MaskScope &scope) {
  for (const MaskKind &kind : maskKinds()) {
    if (kind.name != mask.kind.text)
      continue;
    MaskArguments arguments(mask, kind, scope);
    return failed(arguments.match()) ? Attribute() : kind.build(arguments);
  }
  SmallVector<StringRef> names;
  for (const MaskKind &kind : maskKinds())
    names.push_back(kind.name);
  InFlightDiagnostic diag = scope.source.error(mask.loc);
  diag << "unknown mask kind '" << mask.kind.text << "', expected " << quotedList(names)
       << ", or a predicate '(q, k) => condition'";
  suggest(*diag.getUnderlyingDiagnostic(), mask.kind.text, names);
  return {};
}

static Attribute buildPredicate(const syntax::Mask &mask, const MaskScope &scope) {
  auto emit = [&] { return scope.source.error(mask.loc); };
  MLIRContext *context = scope.source.getContext();
  auto attr =
      WhereAttr::getChecked(emit, context, StringAttr::get(context, mask.predicate), int64_t(-1));
  return attr && succeeded(attr.verifyOn(emit, scope.layouts)) ? Attribute(attr) : Attribute();
}

/// Some kinds say more than which keys are seen, which no connective can keep.
static LogicalResult checkOperand(const syntax::Mask &operand, Attribute attr,
                                  const MaskScope &scope) {
  if (!asMask(attr).standsAlone())
    return success();
  return scope.source.error(operand.loc) << "'" << operand.kind.text
                                         << "' with these arguments must be the whole mask, "
                                            "because it gives part of the softmax to "
                                            "keys that do not exist";
}

static Attribute buildExpression(const syntax::Mask &mask, const MaskScope &scope) {
  if (mask.op == syntax::Mask::Kind)
    return buildKind(mask, scope);
  if (mask.op == syntax::Mask::Predicate)
    return buildPredicate(mask, scope);
  SmallVector<Attribute> operands;
  for (const syntax::Mask &operand : mask.operands) {
    operands.push_back(buildExpression(operand, scope));
    if (!operands.back() || failed(checkOperand(operand, operands.back(), scope)))
      return {};
  }
  MLIRContext *context = scope.source.getContext();
  if (mask.op == syntax::Mask::Not)
    return NotAttr::get(context, operands.front());
  if (mask.op == syntax::Mask::And)
    return AndAttr::get(context, operands);
  return OrAttr::get(context, operands);
}

int64_t MaskScope::extentOf(StringRef dimension) const {
  if (dimension == "batch")
    return batch;
  if (dimension == "heads")
    return heads;
  assert((dimension == "tokens" || dimension == "kv_tokens") && "the parser knows four dimensions");
  return dimension == "tokens" ? tokens : kvTokens;
}

Attribute buildMask(const syntax::Mask &mask, const MaskScope &scope) {
  Attribute attr = buildExpression(mask, scope);
  if (!attr)
    return {};
  // Heads whose masks differ by more than numbers are counted where they are tiled.
  Attribute simple = asMask(asMask(attr).simplified()).forHead(0);
  if (formulaOf(simple, scope.keyLayout, scope.inputs()))
    return attr;
  scope.source.error(mask.loc) << "mask has more than " << kMaxAtoms
                               << " different parts, or they are nested too deep";
  return {};
}

} // namespace attn
