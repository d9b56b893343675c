#include "dialect/Tile.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#include "dialect/TileDialect.cpp.inc"

#include "dialect/TileEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/TileAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/TileOps.cpp.inc"

namespace attn::tile {

void TileDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/TileAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/TileOps.cpp.inc"
      >();
}

static int64_t product(ArrayRef<int64_t> sizes) {
  int64_t n = 1;
  for (int64_t size : sizes)
    n *= size;
  return n;
}

int64_t AttentionOp::getQueryRows() { return product(getQueryTile()); }
int64_t AttentionOp::getKeyRows() { return product(getKeyTile()); }

SmallVector<StringRef> AttentionOp::getInputNameList() {
  return llvm::map_to_vector(getInputNames().getAsRange<StringAttr>(),
                             [](StringAttr name) { return name.getValue(); });
}

/// The block's arguments are `count` times i32 and then `rest`.
static LogicalResult verifyArguments(Operation *op, Block &block, unsigned count,
                                     ArrayRef<Type> rest, StringRef what) {
  SmallVector<Type> expected(count, IntegerType::get(op->getContext(), 32));
  llvm::append_range(expected, rest);
  if (llvm::equal(block.getArgumentTypes(), expected))
    return success();
  return op->emitOpError("'") << what << "' takes arguments (" << expected << "), not ("
                              << block.getArgumentTypes() << ")";
}

/// The block ends in tile.yield of exactly these types.
static LogicalResult verifyYield(Operation *op, Block &block, TypeRange expected) {
  auto yield = dyn_cast_or_null<YieldOp>(block.empty() ? nullptr : &block.back());
  if (!yield || !llvm::equal(yield.getOperandTypes(), expected))
    return op->emitOpError("region must end in 'tile.yield' of ") << expected;
  return success();
}

LogicalResult AttentionOp::verify() {
  int64_t rank = getRank();
  if (getKvTokens().getDims().size() != size_t(rank) || getQueryTile().size() != size_t(rank) ||
      getKeyTile().size() != size_t(rank))
    return emitOpError("tokens, keys and their tiles must have one rank, ") << rank;
  for (int64_t size : llvm::concat<const int64_t>(getQueryTile(), getKeyTile()))
    if (size < 1)
      return emitOpError("tile extents must be at least 1, not ") << size;
  if (int64_t(getMaskOfHead().size()) != getQuery().getType().getDimSize(1))
    return emitOpError("needs one mask number per query head");
  for (int32_t mask : getMaskOfHead())
    if (mask < 0 || mask >= int64_t(getMasks().size()))
      return emitOpError("mask number ") << mask << " is not below " << getMasks().size();
  int64_t group = getQuery().getType().getDimSize(1) / getKey().getType().getDimSize(1);
  int64_t packed = getPackedHeads();
  if (packed < 1 || group % packed != 0)
    return emitOpError("packs ") << packed << " heads, which does not divide the " << group
                                 << " that share a key head";
  for (auto [head, mask] : llvm::enumerate(getMaskOfHead()))
    if (mask != getMaskOfHead()[head / packed * packed])
      return emitOpError("packs heads whose masks differ: that of head ") << head;
  if (!isa_and_nonnull<FinishOp>(getBody().front().empty() ? nullptr : &getBody().front().back()))
    return emitOpError("body must end in 'tile.finish'");
  return verifyArguments(*this, getBody().front(), 3, {}, "body");
}

LogicalResult InitOp::verify() {
  auto parent = (*this)->getParentOfType<AttentionOp>();
  if (getFormulas().empty() != (getNumOperands() == 0) || getNumOperands() % 4 != 0)
    return emitOpError("takes batch, head, tile and formula with its regions, and nothing without");
  for (Region &formula : getFormulas()) {
    unsigned rank = parent ? parent.getRank() : formula.getNumArguments() - 2;
    if (failed(verifyArguments(*this, formula.front(), 2 + rank, {}, "formula")) ||
        failed(verifyYield(*this, formula.front(), {IntegerType::get(getContext(), 32)})))
      return failure();
  }
  return success();
}

LogicalResult ForKeysOp::verify() {
  Type i1 = IntegerType::get(getContext(), 1), i32 = IntegerType::get(getContext(), 32);
  Type acc = getAcc().getType(), column = getMax().getType();
  if (failed(verifyArguments(*this, getBody().front(), 1, {i1, i32, acc, column, column}, "body")))
    return failure();
  return verifyYield(*this, getBody().front(), {acc, column, column});
}

LogicalResult ScoresOp::verify() {
  auto q = getQuery().getType(), k = getKey().getType();
  auto s = getResult().getType();
  if (q.getDimSize(1) != k.getDimSize(1))
    return emitOpError("query rows have ") << q.getDimSize(1) << " elements, key rows "
                                           << k.getDimSize(1);
  if (s.getDimSize(0) != q.getDimSize(0) || s.getDimSize(1) != k.getDimSize(0))
    return emitOpError("result must be ") << q.getDimSize(0) << "x" << k.getDimSize(0);
  return success();
}

LogicalResult ScoreOp::verify() {
  Block &block = getBody().front();
  Type f32 = Float32Type::get(getContext()), i32 = IntegerType::get(getContext(), 32);
  if (!llvm::equal(block.getArgumentTypes(), ArrayRef<Type>{f32, i32, i32, i32, i32}))
    return emitOpError("score region takes (f32, i32, i32, i32, i32)");
  return verifyYield(*this, block, {f32});
}

LogicalResult MaskOp::verify() {
  auto parent = (*this)->getParentOfType<AttentionOp>();
  if (getFormulas().empty())
    return emitOpError("needs at least one formula");
  for (Region &formula : getFormulas()) {
    unsigned rank = parent ? parent.getRank() : (formula.getNumArguments() - 3) / 2;
    if (failed(verifyArguments(*this, formula.front(), 3 + 2 * rank, {}, "formula")) ||
        failed(verifyYield(*this, formula.front(), {IntegerType::get(getContext(), 1)})))
      return failure();
  }
  return success();
}

LogicalResult AccumulateOp::verify() {
  auto p = getWeights().getType();
  auto v = getValue().getType();
  auto acc = getAcc().getType();
  if (p.getDimSize(1) != v.getDimSize(0) || acc.getDimSize(0) != p.getDimSize(0) ||
      acc.getDimSize(1) != v.getDimSize(1))
    return emitOpError("shapes of ") << p << ", " << v << " and " << acc << " do not multiply";
  return success();
}

} // namespace attn::tile
