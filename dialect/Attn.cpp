#include "dialect/Attn.h"

#include "dialect/algebra/TileMap.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

#include "dialect/AttnDialect.cpp.inc"
#include "dialect/MaskInterface.cpp.inc"

/// `@first,` or `@first, @second,` in front of other fields.
static ParseResult parseInputPair(AsmParser &parser, FlatSymbolRefAttr &first,
                                  FlatSymbolRefAttr &second) {
  StringAttr name;
  if (parser.parseAttribute(first) || parser.parseComma())
    return failure();
  if (failed(parser.parseOptionalSymbolName(name)))
    return success();
  second = FlatSymbolRefAttr::get(name);
  return parser.parseComma();
}

static void printInputPair(AsmPrinter &printer, FlatSymbolRefAttr first, FlatSymbolRefAttr second) {
  // A space follows.
  printer << first << ",";
  if (second)
    printer << " " << second << ",";
}

#define GET_ATTRDEF_CLASSES
#include "dialect/AttnMasks.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/AttnOps.cpp.inc"

namespace attn {

void AttnDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/AttnMasks.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/AttnOps.cpp.inc"
      >();
}

Type lseTypeOf(Type output) {
  auto type = cast<RankedTensorType>(output);
  return RankedTensorType::get(type.getShape().take_front(3),
                               Float32Type::get(output.getContext()));
}

//===----------------------------------------------------------------------===//
// Layout and heads
//===----------------------------------------------------------------------===//

/// Product of the lengths; ShapedType::kDynamic if one of them is.
static int64_t productOf(ArrayRef<int64_t> dims) {
  int64_t product = 1;
  for (int64_t dim : dims) {
    if (ShapedType::isDynamic(dim))
      return ShapedType::kDynamic;
    product *= dim;
  }
  return product;
}

static LogicalResult verifyLengths(function_ref<InFlightDiagnostic()> emitError,
                                   ArrayRef<int64_t> dims) {
  if (dims.empty() || dims.size() > kMaxRank)
    return emitError() << "token layout has " << dims.size()
                       << " dimensions, but 1 to 4 are allowed";
  int64_t product = 1;
  for (int64_t dim : dims) {
    if (ShapedType::isDynamic(dim))
      continue;
    if (dim < 0)
      return emitError() << "token layout has a negative length, " << dim;
    if (dim > 0 && product > kMaxMagnitude / dim)
      return emitError() << "token layout has more than 2^40 tokens";
    product *= std::max<int64_t>(dim, 1);
  }
  return success();
}

static LogicalResult verifyGroups(function_ref<InFlightDiagnostic()> emitError,
                                  ArrayRef<GroupAttr> groups) {
  int64_t open = 0;
  for (auto [i, group] : llvm::enumerate(groups)) {
    if (failed(verifyLengths(emitError, group.getDims())))
      return failure();
    StringRef name = group.getName();
    if (i > 0 && group.getDims().size() != 1)
      return emitError() << "token group '" << name << "' has " << group.getDims().size()
                         << " dimensions, but only the first group may have several";
    for (int64_t dim : group.getDims().drop_front())
      if (ShapedType::isDynamic(dim) || dim == 0)
        return emitError() << "in a layout of groups only the first dimension of group '" << name
                           << "' may be '?', and none may be 0";
    open += ShapedType::isDynamic(group.getDims().front());
    for (GroupAttr other : groups.take_front(i))
      if (other.getName() == group.getName())
        return emitError() << "token group '" << name << "' is declared twice";
  }
  if (open > 1)
    return emitError() << "only one token group may have the length '?'";
  return success();
}

/// Tokens of all groups.
static int64_t tokensOf(ArrayRef<GroupAttr> groups) {
  int64_t tokens = 0;
  for (GroupAttr group : groups) {
    if (ShapedType::isDynamic(group.getNumTokens()))
      return ShapedType::kDynamic;
    tokens += group.getNumTokens();
  }
  return tokens;
}

/// Those of the first group, lengthened until all tokens have a place.
static SmallVector<int64_t> dimsOf(ArrayRef<GroupAttr> groups) {
  SmallVector<int64_t> dims(groups.front().getDims());
  int64_t slab = productOf(ArrayRef(dims).drop_front()), beyond = tokensOf(groups.drop_front());
  bool isOpen = ShapedType::isDynamic(dims[0]) || ShapedType::isDynamic(beyond);
  dims[0] = isOpen ? ShapedType::kDynamic : dims[0] + ceilDiv(beyond, slab);
  return dims;
}

static LogicalResult verifySplitOf(function_ref<InFlightDiagnostic()> emitError,
                                   ArrayRef<int64_t> dims, ArrayRef<GroupAttr> groups,
                                   SplitAttr split) {
  if (!groups.empty())
    return emitError() << "a layout of token groups cannot be split";
  SmallVector<int64_t> expected = split.getDims();
  bool fits = dims.size() == expected.size();
  for (auto [dim, other] : llvm::zip(dims, expected))
    fits &= dim == other || ShapedType::isDynamic(other);
  if (fits)
    return success();
  return emitError() << "the layout's dimensions do not follow from its split";
}

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> dims, ArrayRef<GroupAttr> groups,
                                 SplitAttr split) {
  if (failed(verifyLengths(emitError, dims)) || failed(verifyGroups(emitError, groups)))
    return failure();
  if (split)
    return verifySplitOf(emitError, dims, groups, split);
  if (groups.empty())
    return success();
  SmallVector<int64_t> expected = dimsOf(groups);
  int64_t tokens = tokensOf(groups);
  bool isFlat = dims.size() == 1 && (dims[0] == tokens || ShapedType::isDynamic(tokens));
  bool isOpen = llvm::is_contained(expected, ShapedType::kDynamic);
  if (isFlat || dims == ArrayRef(expected) || (isOpen && dims.size() == expected.size()))
    return success();
  return emitError() << "the layout's dimensions do not follow from its token groups";
}

int64_t GroupAttr::getNumTokens() const { return productOf(getDims()); }

LayoutAttr LayoutAttr::ofGroups(MLIRContext *context, ArrayRef<GroupAttr> groups) {
  return get(context, dimsOf(groups), groups, SplitAttr());
}

LayoutAttr LayoutAttr::withDims(ArrayRef<int64_t> dims) const {
  return get(getContext(), dims, getGroups(), getSplit());
}

LayoutAttr LayoutAttr::splitBy(ArrayRef<int64_t> steps) const {
  assert(!hasGroups() && !getSplit() && "a layout is split once, and not with token groups");
  if (llvm::all_of(steps, [](int64_t step) { return step == 1; }))
    return *this;
  auto split = SplitAttr::get(getContext(), getDims(), steps);
  return get(getContext(), split.getDims(), getGroups(), split);
}

int64_t LayoutAttr::getNumTokens() const {
  if (getSplit())
    return productOf(getSplit().getLengths());
  return hasGroups() ? tokensOf(getGroups()) : productOf(getDims());
}

//===----------------------------------------------------------------------===//
// Positions and residues
//===----------------------------------------------------------------------===//

SmallVector<int64_t> SplitAttr::getDims() const {
  static_assert(ShapedType::kDynamic < 0, "open lengths are negative");
  return SmallVector<int64_t>(ArrayRef<int64_t>(splitLengths(getLengths(), getSteps())));
}

bool SplitAttr::isRagged() const { return isUnevenSplit(getLengths(), getSteps()); }

LogicalResult SplitAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                ArrayRef<int64_t> lengths, ArrayRef<int64_t> steps) {
  if (failed(verifyLengths(emitError, lengths)))
    return failure();
  if (lengths.size() != steps.size())
    return emitError() << "a split has " << steps.size() << " steps for " << lengths.size()
                       << " dimensions";
  for (auto [d, length, step] : llvm::enumerate(lengths, steps)) {
    if (step < 1 || step >= kMaxMagnitude)
      return emitError() << "a split has the step " << step
                         << ", but must have at least 1 and below 2^40";
    if (d > 0 && step > 1 && (ShapedType::isDynamic(length) || length % step != 0))
      return emitError() << "the step " << step << " of a split does not divide dimension " << d;
  }
  return success();
}

TokenCount LayoutAttr::getTokenCount() const {
  assert(hasGroups() && "only token groups count in this way");
  TokenCount count;
  for (GroupAttr group : getGroups()) {
    if (ShapedType::isDynamic(group.getDims().front()))
      count.unit = productOf(group.getDims().drop_front());
    else
      count.base += group.getNumTokens();
  }
  return count;
}

SmallVector<StringRef> LayoutAttr::getGroupNames() const {
  return llvm::map_to_vector(getGroups(), [](GroupAttr group) { return group.getName().getValue(); });
}

static ParseResult parseLengths(AsmParser &parser, SmallVectorImpl<int64_t> &dims) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&]() -> ParseResult {
    if (succeeded(parser.parseOptionalQuestion())) {
      dims.push_back(ShapedType::kDynamic);
      return success();
    }
    return parser.parseInteger(dims.emplace_back());
  });
}

static void printLengths(AsmPrinter &printer, ArrayRef<int64_t> dims) {
  printer << "[";
  llvm::interleaveComma(dims, printer.getStream(), [&](int64_t dim) {
    if (ShapedType::isDynamic(dim))
      printer << "?";
    else
      printer << dim;
  });
  printer << "]";
}

Attribute GroupAttr::parse(AsmParser &parser, Type) {
  StringAttr name;
  SmallVector<int64_t> dims;
  if (parser.parseLess() || parser.parseAttribute(name) || parser.parseComma() ||
      parseLengths(parser, dims) || parser.parseGreater())
    return {};
  return get(parser.getContext(), name, dims);
}

void GroupAttr::print(AsmPrinter &printer) const {
  printer << "<" << getName() << ", ";
  printLengths(printer, getDims());
  printer << ">";
}

Attribute SplitAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> lengths, steps;
  if (parser.parseLess() || parseLengths(parser, lengths) || parser.parseComma() ||
      parser.parseKeyword("by") || parser.parseEqual() || parseLengths(parser, steps) ||
      parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, parser.getContext(),
                    lengths, steps);
}

void SplitAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printLengths(printer, getLengths());
  printer << ", by = ";
  printLengths(printer, getSteps());
  printer << ">";
}

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> dims;
  SmallVector<GroupAttr> groups;
  SplitAttr split;
  if (parser.parseLess() || parseLengths(parser, dims))
    return {};
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc loc = parser.getCurrentLocation();
    Attribute part;
    if (parser.parseAttribute(part))
      return {};
    if (auto group = dyn_cast<GroupAttr>(part))
      groups.push_back(group);
    else if (isa<SplitAttr>(part) && !split)
      split = cast<SplitAttr>(part);
    else
      return parser.emitError(loc, "expected #attn.group or one #attn.split"), Attribute();
  }
  if (parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, parser.getContext(),
                    dims, groups, split);
}

void LayoutAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printLengths(printer, getDims());
  for (GroupAttr group : getGroups())
    printer << ", " << Attribute(group);
  if (getSplit())
    printer << ", " << Attribute(getSplit());
  printer << ">";
}

LogicalResult HeadsAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t first,
                                int64_t last, Attribute mask) {
  if (first < 0 || last < first)
    return emitError() << "heads " << first << ".." << last << " are no range";
  if (!isa<MaskAttrInterface>(mask))
    return emitError() << mask << " is not a mask";
  return success();
}

//===----------------------------------------------------------------------===//
// AttentionOp
//===----------------------------------------------------------------------===//

SmallVector<StringRef> AttentionOp::getInputNameList() {
  return llvm::map_to_vector(getInputNames().getAsRange<StringAttr>(),
                             [](StringAttr name) { return name.getValue(); });
}

MaskInputs AttentionOp::getMaskInputs() {
  return {getInputNameList(), SmallVector<Type>(getInputs().getTypes())};
}

Attribute AttentionOp::getMaskOfHead(int64_t head) {
  Attribute mask = getMask();
  for (HeadsAttr heads : getHeadMasks().getAsRange<HeadsAttr>())
    if (heads.getFirst() <= head && head <= heads.getLast())
      mask = heads.getMask();
  return cast<MaskAttrInterface>(mask).forHead(head);
}

double AttentionOp::getEffectiveScale() {
  if (std::optional<APFloat> scale = getScale())
    return scale->convertToDouble();
  return 1.0 / std::sqrt(static_cast<double>(getQuery().getType().getDimSize(3)));
}

static LogicalResult verifyShapes(AttentionOp op) {
  auto q = op.getQuery().getType(), k = op.getKey().getType(), v = op.getValue().getType();
  auto o = op.getOutput().getType();
  if (op.getTokens().getSplit() || op.getKvTokens().getSplit())
    return op.emitOpError("takes layouts that are not split; tiles may be");
  for (auto [name, type] : {std::pair("query", q), std::pair("key", k), std::pair("value", v)})
    for (int d : {0, 1, 3})
      if (type.isDynamicDim(d) || type.getDimSize(d) < 1)
        return op.emitOpError("'")
               << name << "' must have fixed, positive batch, heads and head_dim, not " << type;
  int64_t heads = q.getDimSize(1), kvHeads = k.getDimSize(1);
  if (heads % kvHeads != 0)
    return op.emitOpError() << heads << " query heads are no multiple of " << kvHeads
                            << " key/value heads";
  if (q.getDimSize(3) != k.getDimSize(3))
    return op.emitOpError("query has head_dim ") << q.getDimSize(3) << ", key " << k.getDimSize(3);
  if (k.getDimSize(1) != v.getDimSize(1) || k.getDimSize(2) != v.getDimSize(2))
    return op.emitOpError("key ") << k << " and value " << v << " differ in heads or tokens";
  if (q.getDimSize(0) != k.getDimSize(0) || q.getDimSize(0) != v.getDimSize(0))
    return op.emitOpError("query, key and value differ in batch");
  SmallVector<int64_t> expected(q.getShape());
  expected[3] = v.getDimSize(3);
  if (llvm::ArrayRef(expected) != o.getShape())
    return op.emitOpError("output must have query's shape with value's head_dim, not ") << o;
  if (op.getTokens().getNumTokens() != q.getDimSize(2))
    return op.emitOpError("tokens ") << op.getTokens() << " do not match query " << q;
  if (op.getKvTokens().getNumTokens() != k.getDimSize(2))
    return op.emitOpError("keys ") << op.getKvTokens() << " do not match key " << k;
  return success();
}

static LogicalResult verifyHeadRanges(AttentionOp op) {
  SmallVector<HeadsAttr> seen;
  int64_t heads = op.getNumHeads();
  for (Attribute attr : op.getHeadMasks()) {
    auto range = dyn_cast<HeadsAttr>(attr);
    if (!range)
      return op.emitOpError("heads must list #attn.heads, not ") << attr;
    if (range.getLast() >= heads)
      return op.emitOpError("heads ") << range.getFirst() << ".." << range.getLast()
                                      << " reach beyond the last head, " << heads - 1;
    for (HeadsAttr other : seen)
      if (range.getFirst() <= other.getLast() && other.getFirst() <= range.getLast())
        return op.emitOpError("heads ")
               << range.getFirst() << ".." << range.getLast() << " overlap heads "
               << other.getFirst() << ".." << other.getLast();
    seen.push_back(range);
  }
  return success();
}

LogicalResult AttentionOp::verifyMask(Attribute attr) {
  auto mask = dyn_cast<MaskAttrInterface>(attr);
  if (!mask)
    return emitOpError() << attr << " is not a mask";
  SmallVector<StringRef> names = getInputNameList(), groups = getKvTokens().getGroupNames();
  SmallVector<Type> types(getInputs().getTypes());
  return mask.verifyOn([&] { return emitError(); },
                       {getTokens().getDims(), getKvTokens().getDims(), names, types, getNumHeads(),
                        groups, getKvTokens().getNumTokens()});
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyShapes(*this)) || failed(verifyHeadRanges(*this)))
    return failure();
  if (size_t names = getInputNameList().size(); names != getInputs().size())
    return emitOpError() << names << " input names for " << getInputs().size() << " inputs";
  if (getTokens().hasGroups() && getTokens() != getKvTokens())
    return emitOpError("token groups need queries and keys on one layout");
  if (failed(verifyMask(getMask())))
    return failure();
  for (HeadsAttr heads : getHeadMasks().getAsRange<HeadsAttr>())
    if (failed(verifyMask(heads.getMask())))
      return failure();
  return success();
}

/// A score reads elements of the attention's inputs and no other tensor.
static LogicalResult verifyScoreReads(AttentionOp op) {
  for (Operation &inner : op.getScore().front())
    for (Value operand : inner.getOperands()) {
      auto type = dyn_cast<TensorType>(operand.getType());
      if (!type)
        continue;
      if (!isa<tensor::ExtractOp>(inner) || !llvm::is_contained(op.getInputs(), operand))
        return inner.emitError("a score reads tensors with 'tensor.extract' only, and only the "
                               "attention's inputs");
      Type element = type.getElementType();
      if (!element.isF32() && !element.isF16() && !element.isBF16() &&
          !element.isSignlessInteger(32) && !element.isSignlessInteger(1))
        return inner.emitError("a score reads an input of '")
               << element << "', but only 'f32', 'f16', 'bf16', 'i32' and 'i1' are allowed";
    }
  return success();
}

LogicalResult AttentionOp::verifyRegions() {
  if (getScore().empty())
    return success();
  Type f32 = Float32Type::get(getContext()), i32 = IntegerType::get(getContext(), 32);
  Block &block = getScore().front();
  if (!getScore().hasOneBlock() ||
      !llvm::equal(block.getArgumentTypes(), ArrayRef<Type>{f32, i32, i32, i32, i32}))
    return emitOpError("score region must be one block with arguments (f32, i32, i32, i32, i32)");
  if (block.empty() || !isa<YieldOp>(block.back()))
    return emitOpError("score region must end in 'attn.yield'");
  return verifyScoreReads(*this);
}

/// Masks are simplified, and head ranges with the mask of the whole are dropped.
LogicalResult AttentionOp::canonicalize(AttentionOp op, PatternRewriter &rewriter) {
  auto simple = [](Attribute mask) { return cast<MaskAttrInterface>(mask).simplified(); };
  Attribute mask = simple(op.getMask());
  SmallVector<Attribute> ranges;
  for (HeadsAttr heads : op.getHeadMasks().getAsRange<HeadsAttr>())
    if (Attribute own = simple(heads.getMask()); own != mask)
      ranges.push_back(HeadsAttr::get(op.getContext(), heads.getFirst(), heads.getLast(), own));
  ArrayAttr headMasks = rewriter.getArrayAttr(ranges);
  if (mask == op.getMask() && headMasks == op.getHeadMasks())
    return failure();
  rewriter.modifyOpInPlace(op, [&] {
    op.setMaskAttr(mask);
    op.setHeadMasksAttr(headMasks);
  });
  return success();
}

} // namespace attn
