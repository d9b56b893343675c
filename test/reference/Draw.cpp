#include "test/reference/Draw.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdlib>
#include <numbers>

namespace attn::reference {

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

/// splitmix64 (Steele, Lea, Flood 2014).
uint64_t Draw::next() {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

int64_t Draw::between(int64_t lo, int64_t hi) {
  assert(lo <= hi && "there is something to draw from");
  return lo + int64_t(next() % uint64_t(hi - lo + 1));
}

bool Draw::chance(int percent) { return between(0, 99) < percent; }

double Draw::uniform() { return double(next() >> 11) * 0x1p-53; }

/// Box-Muller; 1 - u keeps the logarithm away from 0.
double Draw::normal() {
  double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

std::vector<double> Draw::normals(size_t count, Type type) {
  std::vector<double> values(count);
  for (double &value : values)
    value = roundTo(type, normal());
  return values;
}

int draws(int normally) {
  const char *wanted = std::getenv("ATTNC_DRAWS");
  return wanted ? std::atoi(wanted) : normally;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

static int64_t product(const std::vector<int64_t> &dims) {
  int64_t result = 1;
  for (int64_t length : dims)
    result *= length;
  return result;
}

int64_t Shape::nq() const {
  if (groups.empty())
    return product(tokens);
  int64_t tokens = 0;
  for (const TokenGroup &group : groups)
    tokens += group.count();
  return tokens;
}
int64_t Shape::nk() const { return oneLayout() ? nq() : product(kvTokens); }

Problem Shape::problem() const {
  Problem problem;
  problem.batch = batch;
  problem.heads = heads;
  problem.kvHeads = kvHeads;
  problem.nq = nq();
  problem.nk = nk();
  problem.qkDim = headDim;
  problem.vDim = valueDim ? valueDim : headDim;
  return problem;
}

static int64_t drawLength(Draw &draw, int64_t tile, int64_t maximum) {
  std::vector<int64_t> lengths = {1, tile - 1, tile, tile + 1, 2 * tile - 1, 2 * tile + 1};
  lengths.push_back(draw.between(1, maximum));
  lengths.push_back(draw.between(0, (maximum - 1) / 2) * 2 + 1); // odd
  return std::clamp<int64_t>(draw.oneOf(lengths), 1, maximum);
}

/// `rank` dimensions of at most `maximum` tokens in all.
static std::vector<int64_t> drawLayout(Draw &draw, int rank, int64_t maximum) {
  int64_t longest = std::max<int64_t>(2, int64_t(2 * std::pow(double(maximum), 1.0 / rank)));
  std::vector<int64_t> dims(rank);
  for (int64_t &length : dims)
    length = draw.chance(10) ? 1 : draw.between(2, longest);
  while (product(dims) > maximum)
    --*std::max_element(dims.begin(), dims.end());
  return dims;
}

ShapeOptions ShapeOptions::everything() {
  ShapeOptions options;
  options.maxRank = 4;
  options.groups = options.packed = true;
  return options;
}

/// One or two groups of at most `room` tokens in all behind the tokens that are there.
static void drawGroups(Draw &draw, Shape &shape, int64_t room) {
  shape.groups = {{"video", shape.tokens}};
  bool two = room > 1 && draw.chance(40);
  int64_t count = draw.between(1, two ? room - 1 : room);
  shape.groups.push_back({"text", {count}});
  if (two)
    shape.groups.push_back({"speech", {draw.between(1, room - count)}});
}

Shape drawShape(Draw &draw, const ShapeOptions &options) {
  Shape shape;
  shape.batch = draw.between(1, options.maxBatch);
  shape.kvHeads = draw.between(1, options.maxHeads);
  shape.heads = shape.kvHeads * draw.between(1, options.maxHeads / shape.kvHeads);
  shape.headDim = draw.oneOf(options.headDims);
  shape.dtype = options.dtype;
  int rank = int(draw.between(1, options.maxRank));
  if (rank > 1) {
    bool groups = options.groups && draw.chance(30);
    int64_t room = groups ? (options.maxTokens + 2) / 3 : 0;
    shape.tokens = drawLayout(draw, rank, std::max<int64_t>(options.maxTokens - room, 1));
    if (groups)
      drawGroups(draw, shape, room);
    return shape;
  }
  shape.tokens = {drawLength(draw, options.tileQ, options.maxTokens)};
  if (options.cross && draw.chance(40))
    shape.kvTokens = {drawLength(draw, options.tileK, options.maxTokens)};
  if (options.packed && draw.chance(30)) {
    shape.batch = 1;
    shape.sequences = draw.between(1, 6);
  }
  return shape;
}

} // namespace attn::reference
