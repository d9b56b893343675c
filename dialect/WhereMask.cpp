//===- WhereMask.cpp - free predicates ------------------------------------===//
#include "dialect/MaskChecks.h"
#include "dialect/algebra/PredicateTerms.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace attn {

static PredicateScope scopeOf(ArrayRef<StringRef> names, ArrayRef<Type> types, int rank) {
  PredicateScope scope{{}, rank};
  for (auto [name, type] : llvm::zip(names, types)) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    scope.inputs.push_back({name.str(), tensor ? int(tensor.getRank()) : 0,
                            tensor && tensor.getElementType().isInteger(1)});
  }
  return scope;
}

static std::optional<ParsedPredicate> parseText(WhereAttr mask, ArrayRef<StringRef> names,
                                            ArrayRef<Type> types, int rank, PredicateError &error) {
  return parsePredicate(mask.getText().getValue(), scopeOf(names, types, rank), error);
}

TermId WhereAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  PredicateError error;
  std::optional<ParsedPredicate> parsed =
      parseText(*this, inputs.names, inputs.types, builder.rank(), error);
  assert(parsed && "verifyOn has parsed the predicate");
  parsed->expr = atHead(parsed->expr, std::max<int64_t>(getHead(), 0));
  return predicateTerm(builder, *parsed);
}

/// Coordinates are written q.x or k.x.
bool WhereAttr::isLinear() const {
  StringRef text = getText();
  for (size_t at = text.find('.'); at != StringRef::npos; at = text.find('.', at + 1)) {
    bool afterName = at > 0 && (text[at - 1] == 'q' || text[at - 1] == 'k');
    if (afterName && (at < 2 || (!llvm::isAlnum(text[at - 2]) && text[at - 2] != '_')))
      return false;
  }
  return true;
}

Attribute WhereAttr::forHead(int64_t head) const {
  // Only a predicate that speaks of the head differs from head to head.
  StringRef text = getText();
  bool maySpeakOfHead = false;
  for (size_t at = text.find('h'); at != StringRef::npos; at = text.find('h', at + 1)) {
    auto isWord = [&](size_t i) { return i < text.size() && (llvm::isAlnum(text[i]) || text[i] == '_'); };
    maySpeakOfHead |= !isWord(at - 1) && !isWord(at + 1);
  }
  return maySpeakOfHead ? get(getContext(), getText(), head) : Attribute(*this);
}

LogicalResult WhereAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringAttr,
                                int64_t head) {
  if (head >= -1 && head < 65536)
    return success();
  return emitError() << "'head' of a predicate is " << head << ", but must be 0 to 65535";
}

/// What any launch of the predicate's kernel may ask for: dynamic lengths are taken as empty, so that
/// only what is wrong for every length is refused here; the launch checks the rest.
static PairBox boxOf(const MaskContext &context) {
  PairBox box;
  box.head = {0, context.heads - 1};
  auto productOf = [](ArrayRef<int64_t> dims) {
    int64_t product = 1;
    for (int64_t dim : dims)
      product *= ShapedType::isDynamic(dim) ? 1 : std::max<int64_t>(dim, 1);
    return product;
  };
  auto coordinates = [](ArrayRef<int64_t> dims, std::array<Interval, 4> &out) {
    for (auto [d, dim] : llvm::enumerate(dims))
      out[d] = {0, ShapedType::isDynamic(dim) ? 0 : std::max<int64_t>(dim - 1, 0)};
  };
  coordinates(context.queryDims, box.query);
  coordinates(context.keyDims, box.key);
  int64_t queries = productOf(context.queryDims), keys = productOf(context.keyDims);
  if (!context.groupNames.empty())
    queries = keys = productOf(context.groupTokens);
  box.row = {0, queries - 1};
  box.keyPosition = {0, keys - 1};
  int64_t offset = std::max<int64_t>(keys - queries, 0);
  box.position = {offset, offset + queries - 1};
  return box;
}

static std::optional<PairProblem> problemOf(const ParsedPredicate &predicate,
                                            const MaskContext &context) {
  std::vector<int64_t> symbols(predicate.symbols.size(), 1);
  std::vector<DataView> inputs;
  for (Type type : context.inputTypes) {
    DataView &view = inputs.emplace_back();
    auto tensor = dyn_cast<RankedTensorType>(type);
    view.rank = tensor ? int(std::min<int64_t>(tensor.getRank(), 4)) : 0;
    view.isBool = tensor && tensor.getElementType().isInteger(1);
    for (int d = 0; d < view.rank; ++d)
      view.shape[d] = tensor.isDynamicDim(d) ? -1 : tensor.getDimSize(d);
  }
  return findProblem(predicate.expr, boxOf(context), {symbols.data(), nullptr, inputs});
}

/// Inputs that the predicate reads hold integers or truth values.
static LogicalResult verifyInputTypes(EmitError emitError, const ParsedPredicate &predicate,
                                      const MaskContext &context) {
  auto verifyType = [&](int64_t input) -> LogicalResult {
    Type type = cast<RankedTensorType>(context.inputTypes[input]).getElementType();
    if (type.isInteger(32) || type.isInteger(1))
      return success();
    return emitError() << "input '" << context.inputNames[input]
                       << "' must be i32 or bool to be read by a predicate";
  };
  for (const PairNode &node : predicate.expr)
    if (node.op == PairOp::Lookup && failed(verifyType(node.value)))
      return failure();
  for (const Symbol &symbol : predicate.symbols)
    if ((symbol.kind == SymbolKind::BatchInput || symbol.kind == SymbolKind::HeadInput) &&
        failed(verifyType(symbol.index)))
      return failure();
  return success();
}

/// At the head's or the mask's place the text "… at column N of the predicate".
LogicalResult WhereAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                  const MaskContext &context) const {
  PredicateError error;
  std::optional<ParsedPredicate> parsed =
      parseText(*this, context.inputNames, context.inputTypes, int(context.queryDims.size()), error);
  if (!parsed) {
    InFlightDiagnostic diag = emitError() << error.message;
    diag.attachNote() << "at column " << error.offset + 1 << " of the predicate '" << getText()
                      << "'";
    if (!error.note.empty())
      diag.attachNote() << error.note;
    return diag;
  }
  if (parsed->length != getText().size())
    return emitError() << "'" << getText().getValue().drop_front(parsed->length)
                       << "' follows the predicate";
  if (failed(verifyInputTypes(emitError, *parsed, context)))
    return failure();
  size_t rank = std::max(context.queryDims.size(), context.keyDims.size());
  if (!isLinear() &&
      failed(verifySharedLayout(emitError, context, "a predicate with coordinates", rank)))
    return failure();
  std::optional<PairProblem> problem = problemOf(*parsed, context);
  if (!problem)
    return success();
  std::vector<std::string> names(context.inputNames.begin(), context.inputNames.end());
  return emitError() << describe(*problem, parsed->expr, names);
}

} // namespace attn
