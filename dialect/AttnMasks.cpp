//===- AttnMasks.cpp - the formula of every mask kind ---------------------===//
#include "dialect/Attn.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {

//===----------------------------------------------------------------------===//
// Linear kinds
//===----------------------------------------------------------------------===//

/// q + q_offset + constant.
static LinearBound fromQuery(int64_t constant) {
  return {true, constant, {{Symbol{SymbolKind::QueryOffset}, 1}}};
}
static LinearBound fixedAt(int64_t constant) { return {false, constant, {}}; }

/// Counts and widths are limited so that sums of a few of them fit 64 bits by far.
static LogicalResult verifyCount(function_ref<InFlightDiagnostic()> emitError, StringRef what,
                                 int64_t value) {
  if (value >= 0 && value < kMaxMagnitude)
    return success();
  return emitError() << "'" << what << "' is " << value << ", but must be at least 0 and below 2^40";
}

TermId AllAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef>) const {
  return builder.always();
}

TermId CausalAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef>) const {
  return builder.interval(std::nullopt, getTopLeft() ? LinearBound{true, 1, {}} : fromQuery(1));
}

TermId WindowAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef>) const {
  return builder.interval(fromQuery(-getLeft()), fromQuery(getRight() + 1));
}
LogicalResult WindowAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t left,
                                 int64_t right) {
  return success(succeeded(verifyCount(emitError, "left", left)) &&
                 succeeded(verifyCount(emitError, "right", right)));
}

TermId SinkAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef>) const {
  return builder.interval(std::nullopt, fixedAt(getCount()));
}
LogicalResult SinkAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t count) {
  return verifyCount(emitError, "count", count);
}

//===----------------------------------------------------------------------===//
// Kinds that read a run-time input
//===----------------------------------------------------------------------===//

static int32_t indexOf(ArrayRef<StringRef> inputs, FlatSymbolRefAttr name) {
  const auto *it = llvm::find(inputs, name.getValue());
  assert(it != inputs.end() && "verifyOn has found the input");
  return static_cast<int32_t>(it - inputs.begin());
}

/// The input exists and has this element type and rank. `shape` is how users write its type.
static LogicalResult verifyInput(function_ref<InFlightDiagnostic()> emitError,
                                 const MaskContext &context, FlatSymbolRefAttr name, int64_t rank,
                                 unsigned bits, StringRef shape) {
  const auto *it = llvm::find(context.inputNames, name.getValue());
  if (it == context.inputNames.end()) {
    InFlightDiagnostic diag = emitError() << "unknown input '" << name.getValue() << "'";
    diag.attachNote() << "declare it with 'input " << name.getValue() << " : " << shape << "'";
    return diag;
  }
  auto type = dyn_cast<RankedTensorType>(context.inputTypes[it - context.inputNames.begin()]);
  if (type && type.getRank() == rank && type.getElementType().isInteger(bits))
    return success();
  return emitError() << "input '" << name.getValue() << "' must be " << shape << " here";
}

TermId PrefixAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef> inputs) const {
  LinearBound end = fixedAt(getCount());
  if (getInput())
    end = {false, 0, {{Symbol{SymbolKind::BatchInput, indexOf(inputs, getInput())}, 1}}};
  return builder.interval(std::nullopt, end);
}
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

TermId SameAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef> inputs) const {
  return builder.data(AtomKind::Labels, indexOf(inputs, getInput()));
}
LogicalResult SameAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                 const MaskContext &context) const {
  return verifyInput(emitError, context, getInput(), 1, 32, "i32[tokens]");
}

TermId InputAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef> inputs) const {
  return builder.data(AtomKind::Mask, indexOf(inputs, getInput()));
}
LogicalResult InputAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                  const MaskContext &context) const {
  return verifyInput(emitError, context, getInput(), 4, 1, "bool[batch, heads, tokens, kv_tokens]");
}

//===----------------------------------------------------------------------===//
// Neighbourhoods
//===----------------------------------------------------------------------===//

static AtomDim neighborhoodDim(FormulaBuilder &builder, int d, int64_t window, int64_t stride,
                               int64_t dilation, bool causal) {
  ExprDag &e = builder.dag(d);
  auto number = [&](int64_t value) { return e.constant(value); };
  ExprId q = e.query(), one = number(1), zero = number(0), step = number(dilation);
  ExprId group = e.mod(q, step), p = e.floorDiv(q, step);
  // ceil((L - g) / dilation) tokens in the dilation group.
  ExprId n = e.floorDiv(e.sub(e.add(builder.length(d), number(dilation - 1)), group), step);
  ExprId first = e.mul(e.floorDiv(p, number(stride)), number(stride));
  ExprId centre = number(causal ? stride - 1 : stride / 2);
  ExprId leader = e.min(e.add(first, centre), e.sub(n, one));
  ExprId begin, end;
  if (causal) {
    begin = e.max(e.sub(leader, number(window - 1)), zero);
    end = e.min(e.add(p, one), n);
  } else {
    // On a dynamic length shorter than the window, the window is the whole length.
    ExprId width = e.min(number(window), n);
    begin = e.max(e.min(e.sub(leader, number(window / 2)), e.sub(n, width)), zero);
    end = e.add(begin, width);
  }
  ExprId lo = e.add(group, e.mul(begin, step));
  ExprId hi = e.add(group, e.mul(end, step));
  return {lo, hi, dilation};
}

TermId NeighborhoodAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef>) const {
  std::vector<AtomDim> dims;
  for (int d = 0; d < builder.rank(); ++d)
    dims.push_back(neighborhoodDim(builder, d, getWindow()[d], getStride()[d], getDilation()[d],
                                   getCausal()[d]));
  return builder.box(std::move(dims));
}

bool NeighborhoodAttr::isLinear() const { return false; }

LogicalResult NeighborhoodAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                       DenseI64ArrayAttr window, DenseI64ArrayAttr stride,
                                       DenseI64ArrayAttr dilation, DenseBoolArrayAttr causal) {
  size_t rank = window.size();
  if (rank < 1 || rank > 3)
    return emitError() << "neighborhood has " << rank << " dimensions, but 1 to 3 are allowed";
  auto sameRank = [&](StringRef name, size_t size) -> LogicalResult {
    if (size == rank)
      return success();
    return emitError() << "'" << name << "' has " << size << " entries, but 'window' has " << rank;
  };
  if (failed(sameRank("stride", stride.size())) || failed(sameRank("dilation", dilation.size())) ||
      failed(sameRank("causal", causal.size())))
    return failure();
  for (size_t d = 0; d < rank; ++d) {
    for (auto [name, value] : {std::pair("window", window[d]), std::pair("stride", stride[d]),
                               std::pair("dilation", dilation[d])})
      if (value < 1 || value >= kMaxMagnitude)
        return emitError() << "'" << name << "' of dimension " << d << " is " << value
                           << ", but must be at least 1 and below 2^40";
    if (stride[d] > window[d])
      return emitError() << "stride " << stride[d] << " of dimension " << d
                         << " is larger than its window " << window[d];
  }
  return success();
}

static InFlightDiagnostic &appendDims(InFlightDiagnostic &diag, ArrayRef<int64_t> dims) {
  diag << "[";
  llvm::interleave(
      dims,
      [&](int64_t dim) {
        if (ShapedType::isDynamic(dim))
          diag << "?";
        else
          diag << dim;
      },
      [&] { diag << ", "; });
  return diag << "]";
}

LogicalResult NeighborhoodAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                         const MaskContext &context) const {
  if (context.queryDims != context.keyDims) {
    InFlightDiagnostic diag = emitError();
    diag << "neighborhood needs queries and keys on one layout, but tokens are ";
    appendDims(diag, context.queryDims) << " and kv_tokens ";
    return appendDims(diag, context.keyDims);
  }
  if (size_t(getWindow().size()) != context.queryDims.size()) {
    InFlightDiagnostic diag = emitError();
    diag << "neighborhood has " << getWindow().size() << " dimensions, but the token layout ";
    return appendDims(diag, context.queryDims) << " has " << context.queryDims.size();
  }
  for (auto [d, length] : llvm::enumerate(context.queryDims)) {
    if (ShapedType::isDynamic(length) || getWindow()[d] <= length / getDilation()[d])
      continue;
    InFlightDiagnostic diag = emitError() << "window " << getWindow()[d];
    if (getDilation()[d] > 1)
      diag << " with dilation " << getDilation()[d];
    diag << " does not fit into dimension " << d << " of length " << length;
    diag.attachNote() << "at most " << std::max<int64_t>(length / getDilation()[d], 1)
                      << " is allowed there";
    return diag;
  }
  return success();
}

Attribute NeighborhoodAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> window, stride, dilation;
  SmallVector<bool> causal;
  auto parseInts = [&](SmallVectorImpl<int64_t> &out) {
    return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&] {
      return parser.parseInteger(out.emplace_back());
    });
  };
  auto parseBools = [&] {
    return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&]() -> ParseResult {
      StringRef word;
      if (failed(parser.parseKeyword(&word)) || (word != "true" && word != "false"))
        return parser.emitError(parser.getCurrentLocation(), "expected 'true' or 'false'");
      causal.push_back(word == "true");
      return success();
    });
  };
  auto parseField = [&]() -> ParseResult {
    StringRef field;
    if (parser.parseKeyword(&field) || parser.parseEqual())
      return failure();
    if (field == "causal")
      return parseBools();
    if (field == "window" || field == "stride" || field == "dilation")
      return parseInts(field == "window" ? window : field == "stride" ? stride : dilation);
    return parser.emitError(parser.getCurrentLocation())
           << "unknown field '" << field << "', expected window, stride, dilation or causal";
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, parseField))
    return {};
  auto orDefault = [&](auto &list, auto value) {
    if (list.empty())
      list.assign(window.size(), value);
  };
  orDefault(stride, int64_t(1));
  orDefault(dilation, int64_t(1));
  orDefault(causal, false);
  MLIRContext *context = parser.getContext();
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, context,
                    DenseI64ArrayAttr::get(context, window),
                    DenseI64ArrayAttr::get(context, stride),
                    DenseI64ArrayAttr::get(context, dilation),
                    DenseBoolArrayAttr::get(context, causal));
}

void NeighborhoodAttr::print(AsmPrinter &printer) const {
  auto list = [&](StringRef name, DenseI64ArrayAttr values) {
    printer << name << " = [";
    llvm::interleaveComma(values.asArrayRef(), printer.getStream());
    printer << "]";
  };
  auto allOnes = [](DenseI64ArrayAttr values) {
    return llvm::all_of(values.asArrayRef(), [](int64_t value) { return value == 1; });
  };
  printer << "<";
  list("window", getWindow());
  if (!allOnes(getStride()))
    list(", stride", getStride());
  if (!allOnes(getDilation()))
    list(", dilation", getDilation());
  if (llvm::is_contained(getCausal().asArrayRef(), true)) {
    printer << ", causal = [";
    llvm::interleaveComma(getCausal().asArrayRef(), printer.getStream(),
                          [&](bool flag) { printer << (flag ? "true" : "false"); });
    printer << "]";
  }
  printer << ">";
}

//===----------------------------------------------------------------------===//
// and, or, not
//===----------------------------------------------------------------------===//

static MaskAttrInterface asMask(Attribute attr) { return cast<MaskAttrInterface>(attr); }

static LogicalResult verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                                    ArrayRef<Attribute> operands) {
  if (operands.empty())
    return emitError() << "needs at least one mask";
  for (Attribute operand : operands)
    if (!isa<MaskAttrInterface>(operand))
      return emitError() << operand << " is not a mask";
  return success();
}

using Combine = TermId (FormulaBuilder::*)(TermId, TermId);

static TermId combineTerms(FormulaBuilder &builder, ArrayRef<StringRef> inputs,
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

TermId AndAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef> inputs) const {
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
Attribute AndAttr::simplified() const {
  Attribute all = AllAttr::get(getContext());
  return simplifyConnective<AndAttr, OrAttr>(*this, all, invert(all));
}

TermId OrAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef> inputs) const {
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
Attribute OrAttr::simplified() const {
  Attribute all = AllAttr::get(getContext());
  return simplifyConnective<OrAttr, AndAttr>(*this, invert(all), all);
}

TermId NotAttr::buildTerm(FormulaBuilder &builder, ArrayRef<StringRef> inputs) const {
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
Attribute NotAttr::simplified() const { return invert(asMask(getOperand()).simplified()); }

} // namespace attn
