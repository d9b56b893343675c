//===- LinearMasks.cpp - kinds that speak of row-major positions ----------===//
#include "dialect/MaskChecks.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace mlir;

namespace attn {

/// q + q_offset + constant.
static LinearBound fromQuery(int64_t constant) {
  return {true, constant, {{Symbol{SymbolKind::QueryOffset}, 1}}};
}
static LinearBound fixedAt(int64_t constant) { return {false, constant, {}}; }

/// Of masks that compare row-major positions.
static SmallVector<int64_t> anySplit(int64_t rank) { return SmallVector<int64_t>(rank, 0); }

SmallVector<int64_t> AllAttr::residueSteps(int64_t rank) const { return anySplit(rank); }
TermId AllAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  return builder.always();
}

//===----------------------------------------------------------------------===//
// causal, window, sink, prefix
//===----------------------------------------------------------------------===//

TermId CausalAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  if (getDim() < 0)
    return builder.interval(std::nullopt, getTopLeft() ? LinearBound{true, 1, {}} : fromQuery(1));
  std::vector<AtomDim> dims;
  for (int d = 0; d < builder.rank(); ++d) {
    ExprDag &e = builder.dag(d);
    ExprId end = d == getDim() ? e.add(builder.position(d), e.constant(1)) : e.constant(kInfinity);
    dims.push_back({e.constant(-kInfinity), end});
  }
  return builder.box(std::move(dims));
}
bool CausalAttr::isLinear() const { return getDim() < 0; }
SmallVector<int64_t> CausalAttr::residueSteps(int64_t rank) const {
  return getDim() < 0 ? anySplit(rank) : SmallVector<int64_t>();
}
LogicalResult CausalAttr::verify(function_ref<InFlightDiagnostic()> emitError, bool topLeft,
                                 int64_t dim) {
  if (dim < -1 || dim > 3)
    return emitError() << "'dim' of causal is " << dim << ", but must be 0 to 3";
  if (topLeft && dim >= 0)
    return emitError() << "causal takes either 'top_left' or 'dim'";
  return success();
}
LogicalResult CausalAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                   const MaskContext &context) const {
  int64_t rank = int64_t(context.keyDims.size());
  if (getDim() < 0)
    return success();
  if (getDim() < rank)
    return verifySharedLayout(emitError, context, "causal with 'dim'", size_t(rank));
  return emitError() << "'dim' of causal is " << getDim() << ", but the token layout has "
                     << rank << (rank == 1 ? " dimension" : " dimensions") << ", counted from 0";
}

/// The residues that lie a multiple of the step from the query's position.
static TermId ownResidue(FormulaBuilder &builder) {
  FormulaBuilder::SplitDim split = builder.splitDims().front();
  int dim = split.position + 1;
  ExprId shift = builder.symbol(dim, {SymbolKind::QueryOffset});
  return builder.slab(dim, builder.sameResidue(split, shift));
}

/// On positions and residues. The query at position p with residue r is aligned with residue
/// r + q_offset mod step, and with a position that is one further where that sum has a carry.
static TermId splitWindow(FormulaBuilder &builder, int64_t left, int64_t right) {
  int64_t step = builder.splitDims().front().step;
  auto part = [&](bool carries) {
    ExprDag &p = builder.dag(0), &r = builder.dag(1);
    ExprId offset = builder.symbol(0, {SymbolKind::QueryOffset});
    ExprId at = p.add(builder.query(0), p.floorDiv(offset, p.constant(step)));
    at = p.add(at, p.constant(carries));
    ExprId shift = r.mod(builder.symbol(1, {SymbolKind::QueryOffset}), r.constant(step));
    ExprId residue = r.add(builder.query(1), shift), none = r.constant(-kInfinity);
    if (carries)
      residue = r.sub(residue, r.constant(step));
    ExprId end = r.add(residue, r.constant(1));
    end = carries ? r.select(r.less(residue, r.constant(0)), none, end)
                  : r.select(r.less(residue, r.constant(step)), end, none);
    return builder.box({{p.sub(at, p.constant(left)), p.add(at, p.constant(right + 1))},
                        {residue, end}});
  };
  return builder.orOf(part(false), part(true));
}

TermId WindowAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  int64_t dilation = getDilation(), left = getLeft() * dilation, right = getRight() * dilation;
  if (dilation == 1)
    return builder.interval(fromQuery(-left), fromQuery(right + 1));
  if (builder.isSplit())
    return splitWindow(builder, getLeft(), getRight());
  ExprDag &e = builder.dag(0);
  ExprId q = builder.position(0);
  AtomDim bounds{e.sub(q, e.constant(left)), e.add(q, e.constant(right + 1)), dilation};
  if (!builder.isPacked())
    bounds.shift = builder.symbol(0, {SymbolKind::QueryOffset});
  return builder.box({bounds});
}
SmallVector<int64_t> WindowAttr::residueSteps(int64_t rank) const {
  return getDilation() == 1 ? anySplit(rank) : SmallVector<int64_t>{getDilation()};
}
LogicalResult WindowAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t left,
                                 int64_t right, int64_t dilation) {
  if (failed(verifyCount(emitError, "left", left)) ||
      failed(verifyCount(emitError, "right", right)) ||
      failed(verifyCount(emitError, "dilation", dilation, 1)))
    return failure();
  if (std::max(left, right) < kMaxMagnitude / dilation)
    return success();
  return emitError() << "a window of " << std::max(left, right) << " keys with dilation "
                     << dilation << " is wider than 2^40";
}
LogicalResult WindowAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                   const MaskContext &context) const {
  if (getDilation() == 1)
    return success();
  if (context.isPacked && !context.isSelfPacked)
    return verifyNotPacked(emitError, context, "a dilated window of other keys than queries");
  return verifyOneDimension(emitError, context, "a dilated window",
                            "on several dimensions write 'neighborhood' with 'dilation'");
}

TermId SinkAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  return builder.interval(std::nullopt, fixedAt(getCount()));
}
SmallVector<int64_t> SinkAttr::residueSteps(int64_t rank) const { return anySplit(rank); }
LogicalResult SinkAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t count) {
  return verifyCount(emitError, "count", count);
}

TermId PrefixAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  LinearBound end = fixedAt(getCount());
  if (getInput())
    end = {false, 0, {{Symbol{SymbolKind::BatchInput, inputIndex(inputs, getInput())}, 1}}};
  return builder.interval(std::nullopt, end);
}
SmallVector<int64_t> PrefixAttr::residueSteps(int64_t rank) const { return anySplit(rank); }
LogicalResult PrefixAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t count,
                                 FlatSymbolRefAttr) {
  return verifyCount(emitError, "count", count);
}
LogicalResult PrefixAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                   const MaskContext &context) const {
  return getInput() ? verifyInput(emitError, context, getInput(), 1, 32, "i32[batch]") : success();
}
Attribute PrefixAttr::parse(AsmParser &parser, Type) {
  int64_t count = 0;
  FlatSymbolRefAttr input;
  if (parser.parseLess())
    return {};
  OptionalParseResult number = parser.parseOptionalInteger(count);
  bool bad = number.has_value() ? failed(*number) : failed(parser.parseAttribute(input));
  if (bad || parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, parser.getContext(),
                    count, input);
}
void PrefixAttr::print(AsmPrinter &printer) const {
  printer << "<";
  if (getInput())
    printer << getInput();
  else
    printer << getCount();
  printer << ">";
}

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

static LogicalResult verifyRange(EmitError emitError, int64_t first, int64_t count) {
  return success(succeeded(verifyCount(emitError, "first", first)) &&
                 succeeded(verifyCount(emitError, "count", count)));
}

static LogicalResult verifyGroup(EmitError emitError, const MaskContext &context,
                                 FlatSymbolRefAttr group) {
  if (!group || llvm::is_contained(context.groupNames, group.getValue()))
    return success();
  InFlightDiagnostic diag = emitError() << "unknown token group '" << group.getValue() << "'";
  if (context.groupNames.empty())
    diag.attachNote() << "token groups are named in the layout, for example 'tokens video[30, 48, "
                         "80] + text[256]'";
  else
    diag.attachNote() << "the token groups are "
                      << llvm::join(llvm::map_range(context.groupNames,
                                                    [](StringRef n) { return ("'" + n + "'").str(); }),
                                    ", ");
  return diag;
}

static TermId keysTerm(FormulaBuilder &builder, int64_t first, int64_t count) {
  return builder.interval(fixedAt(first), fixedAt(first + count));
}

TermId KeysAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  return getGroup() ? builder.keysOfGroup(builder.groupNamed(getGroup().getValue().str()))
                    : keysTerm(builder, getFirst(), getCount());
}
SmallVector<int64_t> KeysAttr::residueSteps(int64_t rank) const { return anySplit(rank); }
LogicalResult KeysAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t first,
                               int64_t count, FlatSymbolRefAttr) {
  return verifyRange(emitError, first, count);
}
LogicalResult KeysAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                 const MaskContext &context) const {
  return verifyGroup(emitError, context, getGroup());
}

TermId QueriesAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  return getGroup() ? builder.queriesOfGroup(builder.groupNamed(getGroup().getValue().str()))
                    : builder.queries(getFirst(), getFirst() + getCount());
}
SmallVector<int64_t> QueriesAttr::residueSteps(int64_t rank) const { return anySplit(rank); }
LogicalResult QueriesAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t first,
                                  int64_t count, FlatSymbolRefAttr) {
  return verifyRange(emitError, first, count);
}
LogicalResult QueriesAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                    const MaskContext &context) const {
  return verifyGroup(emitError, context, getGroup());
}

TermId GlobalAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  return builder.orOf(keysTerm(builder, getFirst(), getCount()),
                      builder.queries(getFirst(), getFirst() + getCount()));
}
SmallVector<int64_t> GlobalAttr::residueSteps(int64_t rank) const { return anySplit(rank); }
LogicalResult GlobalAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t first,
                                 int64_t count) {
  return verifyRange(emitError, first, count);
}

//===----------------------------------------------------------------------===//
// Sparse Transformer patterns
//===----------------------------------------------------------------------===//

static AtomDim allKeys(FormulaBuilder &builder) {
  ExprDag &e = builder.dag(0);
  return {e.constant(-kInfinity), e.constant(kInfinity)};
}

TermId StridedAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  if (builder.isSplit())
    return getStride() == 1 ? builder.always() : ownResidue(builder);
  AtomDim bounds = allKeys(builder);
  bounds.modulus = getStride();
  if (!builder.isPacked())
    bounds.shift = builder.symbol(0, {SymbolKind::QueryOffset});
  return builder.slab(0, bounds);
}
SmallVector<int64_t> StridedAttr::residueSteps(int64_t rank) const {
  return getStride() == 1 ? anySplit(rank) : SmallVector<int64_t>{getStride()};
}
LogicalResult StridedAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t stride) {
  return verifyCount(emitError, "stride", stride, 1);
}
LogicalResult StridedAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                    const MaskContext &context) const {
  if (context.isPacked && !context.isSelfPacked)
    return verifyNotPacked(emitError, context, "strided with other keys than queries");
  return verifyOneDimension(emitError, context, "strided", "");
}

TermId FixedAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  AtomDim bounds = allKeys(builder);
  if (getCount() < getStride()) {
    bounds.modulus = getStride();
    bounds.shift = builder.dag(0).constant(getStride() - getCount());
    bounds.width = getCount();
    bounds.relative = false;
  }
  return builder.slab(0, bounds);
}
LogicalResult FixedAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t stride,
                                int64_t count) {
  if (failed(verifyCount(emitError, "stride", stride, 1)) ||
      failed(verifyCount(emitError, "count", count, 1)))
    return failure();
  if (count <= stride)
    return success();
  return emitError() << "'count' of fixed is " << count << ", but blocks have " << stride
                     << " keys";
}
LogicalResult FixedAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                  const MaskContext &context) const {
  if (failed(verifyNotPacked(emitError, context, "fixed")))
    return failure();
  return verifyOneDimension(emitError, context, "fixed", "");
}

//===----------------------------------------------------------------------===//
// Elastic spans
//===----------------------------------------------------------------------===//

/// k <= p, and k < 64 or k >= (p div 64 + 1) * 64 - (span - 64), where p is the query's position.
TermId SpanAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  ExprDag &e = builder.dag(0);
  ExprId block = e.constant(kSpanBlock), p = builder.position(0);
  ExprId next = e.mul(e.add(e.floorDiv(p, block), e.constant(1)), block);
  SpanRule rule{getAlpha().getValueAsDouble(), getBeta().getValueAsDouble(), getNewTokens()};
  ExprId local = e.sub(builder.symbol(0, builder.span(rule)), block);
  TermId recent = builder.slab(0, {e.sub(next, local), e.constant(kInfinity)});
  TermId first = builder.slab(0, {e.constant(-kInfinity), block});
  TermId past = builder.slab(0, {e.constant(-kInfinity), e.add(p, e.constant(1))});
  return builder.andOf(past, builder.orOf(first, recent));
}

static LogicalResult verifySpan(EmitError emitError, double alpha, double beta, int64_t newTokens) {
  for (auto [name, value] : {std::pair("alpha", alpha), std::pair("beta", beta)})
    if (!(std::abs(value) < double(kMaxMagnitude)))
      return emitError() << "'" << name << "' of a span is " << value
                         << ", but must be a number between -2^40 and 2^40";
  return verifyCount(emitError, "new_tokens", newTokens);
}

LogicalResult SpanAttr::verify(function_ref<InFlightDiagnostic()> emitError, FloatAttr alpha,
                               FloatAttr beta, int64_t newTokens) {
  return verifySpan(emitError, alpha.getValueAsDouble(), beta.getValueAsDouble(), newTokens);
}
LogicalResult SpanAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                 const MaskContext &context) const {
  if (failed(verifyNotPacked(emitError, context, "a span")))
    return failure();
  return verifyOneDimension(emitError, context, "a span", "");
}

TermId SpansAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &inputs) const {
  return cast<MaskAttrInterface>(forHead(0)).buildTerm(builder, inputs);
}
Attribute SpansAttr::forHead(int64_t head) const {
  Builder builder(getContext());
  return SpanAttr::get(getContext(), builder.getF64FloatAttr(getAlphas()[head]),
                       builder.getF64FloatAttr(getBetas()[head]), getNewTokens());
}
LogicalResult SpansAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                DenseF64ArrayAttr alphas, DenseF64ArrayAttr betas,
                                int64_t newTokens) {
  if (alphas.size() != betas.size() || alphas.empty())
    return emitError() << "spans have " << alphas.size() << " alphas and " << betas.size()
                       << " betas, but need one of each for every head";
  for (auto [alpha, beta] : llvm::zip(alphas.asArrayRef(), betas.asArrayRef()))
    if (failed(verifySpan(emitError, alpha, beta, newTokens)))
      return failure();
  return success();
}
LogicalResult SpansAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                  const MaskContext &context) const {
  if (getAlphas().size() != context.heads)
    return emitError() << "the plan has spans for " << getAlphas().size()
                       << " heads, but the attention has " << context.heads;
  return cast<MaskAttrInterface>(forHead(0)).verifyOn(emitError, context);
}

} // namespace attn
