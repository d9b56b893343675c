//===- BoxMasks.cpp - kinds that speak of coordinates ---------------------===//
#include "dialect/MaskChecks.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {

//===----------------------------------------------------------------------===//
// block
//===----------------------------------------------------------------------===//

TermId BlockAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  std::vector<AtomDim> dims;
  for (int d = 0; d < builder.rank(); ++d) {
    ExprDag &e = builder.dag(d);
    ExprId size = e.constant(getSize()[d]), offset = e.constant(getOffset()[d]);
    ExprId block = e.floorDiv(e.sub(builder.position(d), offset), size);
    ExprId begin = e.add(e.mul(block, size), offset);
    dims.push_back({begin, e.add(begin, size)});
  }
  return builder.box(std::move(dims));
}
/// Of one dimension it is one of positions, where queries and keys may have layouts of their own.
bool BlockAttr::isLinear() const { return getSize().size() == 1; }
LogicalResult BlockAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                DenseI64ArrayAttr size, DenseI64ArrayAttr offset) {
  if (size.empty() || size.size() > 4)
    return emitError() << "block has " << size.size() << " dimensions, but 1 to 4 are allowed";
  if (size.size() != offset.size())
    return emitError() << "'offset' has " << offset.size() << " entries, but 'size' has "
                       << size.size();
  for (auto [length, from] : llvm::zip(size.asArrayRef(), offset.asArrayRef())) {
    if (failed(verifyCount(emitError, "size", length, 1)))
      return failure();
    if (std::abs(from) >= kMaxMagnitude)
      return emitError() << "'offset' is " << from << ", but must be between -2^40 and 2^40";
  }
  return success();
}
LogicalResult BlockAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                  const MaskContext &context) const {
  if (context.queryDims.size() == 1 && context.keyDims.size() == 1 && getSize().size() == 1)
    return success();
  return verifySharedLayout(emitError, context, "block", getSize().size());
}

//===----------------------------------------------------------------------===//
// neighborhood
//===----------------------------------------------------------------------===//

namespace {
struct WindowDim {
  int64_t window, stride, dilation;
  bool causal;
  Border border;
};
} // namespace

/// The bounds in dimension d of the given length, and in `taps` how many keys the window holds where
/// nothing is outside.
static AtomDim neighborhoodDim(FormulaBuilder &builder, int d, ExprId length, const WindowDim &w,
                               ExprId &taps) {
  ExprDag &e = builder.dag(d);
  auto number = [&](int64_t value) { return e.constant(value); };
  ExprId q = builder.query(d), one = number(1), zero = number(0), step = number(w.dilation);
  ExprId group = e.mod(q, step), p = e.floorDiv(q, step);
  // ceil((L - g) / dilation) tokens in the dilation group.
  ExprId n = e.floorDiv(e.sub(e.add(length, number(w.dilation - 1)), group), step);
  ExprId first = e.mul(e.floorDiv(p, number(w.stride)), number(w.stride));
  ExprId centre = number(w.causal ? w.stride - 1 : w.stride / 2);
  ExprId leader = e.min(e.add(first, centre), e.sub(n, one));
  ExprId begin, end;
  if (w.window < 0) {
    begin = zero;
    end = w.causal ? e.min(e.add(p, one), n) : n;
    taps = end;
  } else if (w.causal) {
    ExprId from = e.sub(leader, number(w.window - 1));
    begin = e.max(from, zero);
    end = e.min(e.add(p, one), n);
    taps = e.sub(e.add(p, one), from);
  } else if (w.border == Border::Shift) {
    // On a dynamic length shorter than the window, the window is the whole length.
    ExprId width = e.min(number(w.window), n);
    begin = e.max(e.min(e.sub(leader, number(w.window / 2)), e.sub(n, width)), zero);
    end = e.add(begin, width);
    taps = width;
  } else {
    ExprId from = e.sub(leader, number(w.window / 2));
    begin = e.max(from, zero);
    end = e.min(e.add(from, number(w.window)), n);
    taps = number(w.window);
  }
  ExprId lo = e.add(group, e.mul(begin, step));
  ExprId hi = e.add(group, e.mul(end, step));
  return {lo, hi, w.dilation};
}

static WindowDim windowDim(NeighborhoodAttr mask, size_t d) {
  return {mask.getWindow()[d], mask.getStride()[d], mask.getDilation()[d], mask.getCausal()[d],
          mask.getBorder()};
}

/// On a layout split by the dilations the window of a residue is one of neighbours. `isLong`: the box of
/// the residues that have a last position, or of those that have not.
static TermId splitNeighborhood(FormulaBuilder &builder, NeighborhoodAttr mask, bool isLong) {
  std::vector<AtomDim> dims;
  std::vector<ExprId> taps;
  for (auto [d, split] : llvm::enumerate(builder.splitDims())) {
    WindowDim window = windowDim(mask, d);
    ExprDag &e = builder.dag(split.position);
    ExprId length = builder.length(split.position);
    if (split.step > 1) {
      assert(window.dilation == split.step && "the layout is split as the mask wants it");
      window.dilation = 1;
    }
    bool isRagged = split.longResidues >= 0;
    if (isRagged && !isLong)
      length = e.sub(length, e.constant(1));
    dims.push_back(neighborhoodDim(builder, split.position, length, window, taps.emplace_back()));
    if (split.step == 1)
      continue;
    AtomDim residue = builder.sameResidue(split);
    if (isRagged) {
      ExprDag &r = builder.dag(split.position + 1);
      ExprId none = r.constant(-kInfinity), hasLast = r.less(r.query(), split.longResidues);
      residue.hi = isLong ? r.select(hasLast, residue.hi, none) : r.select(hasLast, none, residue.hi);
    }
    dims.push_back(residue);
    taps.push_back(builder.dag(split.position + 1).constant(1));
  }
  if (mask.getBorder() == Border::Zero)
    builder.setTaps(std::move(taps));
  return builder.box(std::move(dims));
}

TermId NeighborhoodAttr::buildTerm(FormulaBuilder &builder, const MaskInputs &) const {
  if (builder.isSplit()) {
    TermId term = splitNeighborhood(builder, *this, /*isLong=*/true);
    return builder.splitDims().front().longResidues < 0
               ? term
               : builder.orOf(term, splitNeighborhood(builder, *this, /*isLong=*/false));
  }
  std::vector<AtomDim> dims;
  std::vector<ExprId> taps;
  for (int d = 0; d < builder.rank(); ++d)
    dims.push_back(neighborhoodDim(builder, d, builder.length(d), windowDim(*this, d),
                                   taps.emplace_back()));
  if (getBorder() == Border::Zero)
    builder.setTaps(std::move(taps));
  return builder.box(std::move(dims));
}

bool NeighborhoodAttr::isLinear() const { return false; }
SmallVector<int64_t> NeighborhoodAttr::residueSteps(int64_t) const {
  return SmallVector<int64_t>(getDilation().asArrayRef());
}
bool NeighborhoodAttr::standsAlone() const { return getBorder() == Border::Zero; }

LogicalResult NeighborhoodAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                       DenseI64ArrayAttr window, DenseI64ArrayAttr stride,
                                       DenseI64ArrayAttr dilation, DenseBoolArrayAttr causal,
                                       Border) {
  size_t rank = window.size();
  if (rank < 1 || rank > 4)
    return emitError() << "neighborhood has " << rank << " dimensions, but 1 to 4 are allowed";
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
                               std::pair("dilation", dilation[d])}) {
      if (value == -1 && StringRef(name) == "window")
        continue;
      if (value < 1 || value >= kMaxMagnitude)
        return emitError() << "'" << name << "' of dimension " << d << " is " << value
                           << ", but must be at least 1 and below 2^40"
                           << (StringRef(name) == "window" ? ", or -1 for the whole dimension" : "");
    }
    if (window[d] > 0 && stride[d] > window[d])
      return emitError() << "stride " << stride[d] << " of dimension " << d
                         << " is larger than its window " << window[d];
  }
  return success();
}

LogicalResult NeighborhoodAttr::verifyOn(function_ref<InFlightDiagnostic()> emitError,
                                         const MaskContext &context) const {
  if (failed(verifySharedLayout(emitError, context, "neighborhood", size_t(getWindow().size()))))
    return failure();
  if (getBorder() == Border::Zero && (context.isPacked || !context.groupNames.empty()))
    return emitError() << "neighborhood with 'border = zero' needs a layout of one group, and no "
                          "packed sequences";
  for (auto [d, length] : llvm::enumerate(context.queryDims)) {
    // A first dimension that token groups have lengthened says nothing.
    bool isLengthened = d == 0 && !context.groupNames.empty();
    if (ShapedType::isDynamic(length) || isLengthened || getBorder() != Border::Shift ||
        getWindow()[d] <= length / getDilation()[d])
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

static StringRef borderName(Border border) {
  return border == Border::Shift ? "shift" : border == Border::Clip ? "clip" : "zero";
}

static ParseResult parseBorder(AsmParser &parser, Border &border) {
  StringRef word;
  if (parser.parseKeyword(&word))
    return failure();
  for (Border candidate : {Border::Shift, Border::Clip, Border::Zero})
    if (word == borderName(candidate)) {
      border = candidate;
      return success();
    }
  return parser.emitError(parser.getCurrentLocation(), "expected 'shift', 'clip' or 'zero'");
}

Attribute NeighborhoodAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> window, stride, dilation;
  SmallVector<bool> causal;
  Border border = Border::Shift;
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
    if (field == "border")
      return parseBorder(parser, border);
    if (field == "window" || field == "stride" || field == "dilation")
      return parseInts(field == "window" ? window : field == "stride" ? stride : dilation);
    return parser.emitError(parser.getCurrentLocation())
           << "unknown field '" << field << "', expected window, stride, dilation, causal or border";
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
                    DenseBoolArrayAttr::get(context, causal), border);
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
  if (getBorder() != Border::Shift)
    printer << ", border = " << borderName(getBorder());
  printer << ">";
}

} // namespace attn
