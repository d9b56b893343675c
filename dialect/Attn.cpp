#include "dialect/Attn.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

#include "dialect/AttnDialect.cpp.inc"
#include "dialect/MaskInterface.cpp.inc"
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

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> dims) {
  if (dims.empty() || dims.size() > 3)
    return emitError() << "token layout has " << dims.size()
                       << " dimensions, but 1 to 3 are allowed";
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

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> dims;
  auto parseDim = [&]() -> ParseResult {
    if (succeeded(parser.parseOptionalQuestion())) {
      dims.push_back(ShapedType::kDynamic);
      return success();
    }
    return parser.parseInteger(dims.emplace_back());
  };
  if (parser.parseLess() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseDim) ||
      parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, parser.getContext(),
                    dims);
}

void LayoutAttr::print(AsmPrinter &printer) const {
  printer << "<[";
  llvm::interleaveComma(getDims(), printer.getStream(), [&](int64_t dim) {
    if (ShapedType::isDynamic(dim))
      printer << "?";
    else
      printer << dim;
  });
  printer << "]>";
}

int64_t LayoutAttr::getNumTokens() const {
  int64_t product = 1;
  for (int64_t dim : getDims()) {
    if (ShapedType::isDynamic(dim))
      return ShapedType::kDynamic;
    product *= dim;
  }
  return product;
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

Attribute AttentionOp::getMaskOfHead(int64_t head) {
  for (HeadsAttr heads : getHeadMasks().getAsRange<HeadsAttr>())
    if (heads.getFirst() <= head && head <= heads.getLast())
      return heads.getMask();
  return getMask();
}

double AttentionOp::getEffectiveScale() {
  if (std::optional<APFloat> scale = getScale())
    return scale->convertToDouble();
  return 1.0 / std::sqrt(static_cast<double>(getQuery().getType().getDimSize(3)));
}

static LogicalResult verifyShapes(AttentionOp op) {
  auto q = op.getQuery().getType(), k = op.getKey().getType(), v = op.getValue().getType();
  auto o = op.getOutput().getType();
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

LogicalResult AttentionOp::verify() {
  if (failed(verifyShapes(*this)) || failed(verifyHeadRanges(*this)))
    return failure();
  SmallVector<StringRef> names = getInputNameList();
  if (names.size() != getInputs().size())
    return emitOpError() << names.size() << " input names for " << getInputs().size() << " inputs";
  SmallVector<Type> types(getInputs().getTypes());
  MaskContext context{getTokens().getDims(), getKvTokens().getDims(), names, types};
  SmallVector<Attribute> masks{getMask()};
  for (HeadsAttr heads : getHeadMasks().getAsRange<HeadsAttr>())
    masks.push_back(heads.getMask());
  for (Attribute attr : masks) {
    auto mask = dyn_cast<MaskAttrInterface>(attr);
    if (!mask)
      return emitOpError() << attr << " is not a mask";
    if (failed(mask.verifyOn([&] { return emitError(); }, context)))
      return failure();
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
  return success();
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
