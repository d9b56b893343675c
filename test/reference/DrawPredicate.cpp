#include "test/reference/Draw.h"

#include <algorithm>

namespace attn::reference {

namespace {

/// What a condition compares: a coordinate of query and key, or their positions.
struct Axis {
  Expr q, k;
  int64_t length; // of the keys
};

} // namespace

static Axis drawAxis(Draw &draw, const Shape &shape) {
  size_t rank = shape.tokens.size();
  if (rank == 1 || draw.chance(25))
    return {queryPosition(), keyPosition(), shape.nk()};
  int64_t d = draw.between(0, int64_t(rank) - 1);
  return {queryCoordinate(d), keyCoordinate(d), shape.tokens[size_t(d)]};
}

/// Around a size that tells tokens of the axis apart.
static int64_t drawWidth(Draw &draw, const Axis &axis) {
  return draw.between(1, std::max<int64_t>(axis.length * 2 / 3, 2));
}

static Expr drawComparison(Draw &draw, Expr a, Expr b) {
  switch (draw.between(0, 4)) {
  case 0:
    return a < b;
  case 1:
    return a > b;
  case 2:
    return a >= b;
  default:
    return a <= b;
  }
}

//===----------------------------------------------------------------------===//
// One coordinate
//===----------------------------------------------------------------------===//

static Expr drawLinear(Draw &draw, const Axis &axis) {
  int64_t width = drawWidth(draw, axis);
  switch (draw.between(0, 7)) {
  case 0:
    return axis.k <= axis.q;
  case 1:
    return axis.q - axis.k < width;
  case 2:
    return absolute(axis.q - axis.k) < width;
  case 3:
    return axis.k >= axis.q - width && axis.k < axis.q + draw.between(1, width);
  case 4:
    return drawComparison(draw, axis.k, width);
  case 5:
    return drawComparison(draw, axis.q, width);
  case 6: { // another slope
    Expr key = axis.k * draw.between(1, 3);
    return drawComparison(draw, key, axis.q * draw.between(1, 2) + width);
  }
  default:
    return drawComparison(draw, axis.k, minimum(axis.q + draw.between(0, 5), width));
  }
}

static Expr drawPeriodic(Draw &draw, const Axis &axis) {
  int64_t period = draw.between(2, std::clamp<int64_t>(axis.length, 2, 16));
  switch (draw.between(0, 5)) {
  case 0:
    return mod(axis.q - axis.k, period) == draw.between(0, period - 1);
  case 1:
    return mod(axis.k, period) < draw.between(1, period);
  case 2:
    return floordiv(axis.q, period) == floordiv(axis.k, period);
  case 3:
    return floordiv(axis.k, period) <= floordiv(axis.q, period);
  case 4:
    return floordiv(axis.q, period) - floordiv(axis.k, period) < draw.between(1, 3);
  default:
    return mod(axis.q, period) != mod(axis.k + draw.between(0, 3), period);
  }
}

/// The bound depends on the head, the batch entry or the query.
static Expr drawVarying(Draw &draw, const Axis &axis) {
  int64_t width = drawWidth(draw, axis);
  switch (draw.between(0, 4)) {
  case 0:
    return axis.q - axis.k < (headNumber() + 1) * draw.between(1, width);
  case 1:
    return axis.k < axis.q + batchNumber() * width + 1;
  case 2: {
    Expr condition = headNumber() == draw.between(0, 1);
    return absolute(axis.k - axis.q) <= select(condition, draw.between(0, 3), width);
  }
  case 3:
    return mod(axis.k, headNumber() + 2) == 0;
  default:
    return axis.q - axis.k < select(mod(axis.q, 2) == 0, width, draw.between(1, 4));
  }
}

//===----------------------------------------------------------------------===//
// Two coordinates
//===----------------------------------------------------------------------===//

static Expr drawCoupled(Draw &draw, const Shape &shape) {
  int64_t rank = int64_t(shape.tokens.size());
  int64_t a = draw.between(0, rank - 2), b = draw.between(a + 1, rank - 1);
  Expr dy = queryCoordinate(a) - keyCoordinate(a), dx = queryCoordinate(b) - keyCoordinate(b);
  int64_t radius =
      draw.between(1, std::max(shape.tokens[size_t(a)], shape.tokens[size_t(b)]) * 2 / 3 + 1);
  switch (draw.between(0, 4)) {
  case 0: // a disc
    return dx * dx + dy * dy <= radius * radius;
  case 1: // a diamond
    return absolute(dx) + absolute(dy) <= radius;
  case 2:
    return maximum(absolute(dx), absolute(dy)) < radius;
  case 3:
    return keyCoordinate(b) - queryCoordinate(b) <= keyCoordinate(a) - queryCoordinate(a);
  default:
    return queryCoordinate(b) + keyCoordinate(a) < radius;
  }
}

//===----------------------------------------------------------------------===//
// Tables. The name of a table says its extents; drawContext gives tables that serve as indices
// entries that exist.
//===----------------------------------------------------------------------===//

/// Tables of which every entry that is read exists, whatever the layout.
static Expr drawSmallTable(Draw &draw, const Axis &axis) {
  switch (draw.between(0, 3)) {
  case 0:
    return axis.k < lookup("tb", {batchNumber()});
  case 1:
    return axis.q - axis.k < lookup("th", {headNumber()});
  default: {
    int64_t count = draw.between(2, 8);
    std::string extent = std::to_string(count);
    Expr index = draw.chance(50) ? mod(axis.k, count) : mod(axis.q - axis.k, count);
    return lookup("tm" + extent, {index}, {extent}) > draw.between(0, 2);
  }
  }
}

/// Tables over tokens; positions are numbers of tokens only on one layout without sequences.
static Expr drawTokenTable(Draw &draw, const Shape &shape) {
  if (!shape.oneLayout() || draw.chance(25))
    return drawComparison(draw, lookup("tk", {keyPosition()}), draw.between(0, 3));
  if (draw.chance(50)) {
    int64_t count = draw.between(2, 4);
    std::string extent = std::to_string(count), name = "cls" + extent;
    Expr query = lookup(name, {queryPosition()}, {"tokens"});
    Expr key = lookup(name, {keyPosition()}, {"tokens"});
    return lookup("allow" + extent, {query, key}, {extent, extent}) > 0;
  }
  if (draw.chance(50))
    return keyPosition() <= lookup("tq", {queryPosition()});
  return lookup("tq", {queryPosition()}) == lookup("tk", {keyPosition()});
}

//===----------------------------------------------------------------------===//
// Conditions
//===----------------------------------------------------------------------===//

static Expr drawCondition(Draw &draw, const Shape &shape, bool tables) {
  Axis axis = drawAxis(draw, shape);
  int64_t kind = draw.between(0, 99);
  if (kind < 15 && shape.tokens.size() > 1)
    return drawCoupled(draw, shape);
  if (kind < 30 && tables)
    return shape.isPacked() || draw.chance(50) ? drawSmallTable(draw, axis)
                                               : drawTokenTable(draw, shape);
  if (kind < 45)
    return drawVarying(draw, axis);
  return kind < 65 ? drawPeriodic(draw, axis) : drawLinear(draw, axis);
}

Expr drawPredicate(Draw &draw, const Shape &shape, int depth, bool tables) {
  if (depth == 0 || draw.chance(25))
    return drawCondition(draw, shape, tables);
  if (draw.chance(15))
    return !drawPredicate(draw, shape, depth - 1, tables);
  Expr a = drawPredicate(draw, shape, depth - 1, tables);
  Expr b = drawPredicate(draw, shape, depth - 1, tables);
  return draw.chance(50) ? a && b : a || b;
}

} // namespace attn::reference
