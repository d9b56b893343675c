// Random shapes, masks and tensors for property tests. The same seed draws the same things on every
// machine: no distribution of the standard library is involved.
#pragma once

#include "test/reference/Attention.h"
#include "test/reference/Mask.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attn::reference {

/// A generator of pseudo-random numbers (splitmix64). Not safe to share between threads.
class Draw {
public:
  explicit Draw(uint64_t seed) : state(seed) {}

  uint64_t next();
  /// lo .. hi, both included.
  int64_t between(int64_t lo, int64_t hi);
  /// True `percent` times in a hundred.
  bool chance(int percent);
  /// [0, 1)
  double uniform();
  /// Standard normal.
  double normal();
  /// `count` standard normals rounded to `type`.
  std::vector<double> normals(size_t count, Type type);
  template <typename T> const T &oneOf(const std::vector<T> &choices) {
    return choices[size_t(between(0, int64_t(choices.size()) - 1))];
  }

private:
  uint64_t state;
};

/// The sizes of one kernel.
struct Shape {
  int64_t batch = 1;
  int64_t heads = 1;
  int64_t kvHeads = 1;
  int64_t headDim = 32;
  Type dtype = Type::F32;
  std::vector<int64_t> tokens;   // layout of the queries
  std::vector<int64_t> kvTokens; // layout of the keys; empty: that of the queries

  int64_t nq() const;
  int64_t nk() const;
  bool oneLayout() const { return kvTokens.empty(); }
  Problem problem() const;
};

struct ShapeOptions {
  int maxRank = 3;         // dimensions of a token layout
  int64_t maxTokens = 200; // at most so many queries, and so many keys
  int64_t tileQ = 64;      // one-dimensional lengths gather around the tile edges
  int64_t tileK = 64;
  bool cross = true; // sometimes another number of keys than of queries (one dimension)
  int64_t maxBatch = 2;
  int64_t maxHeads = 4;
  std::vector<int64_t> headDims = {16, 32, 64};
  Type dtype = Type::F32;
};

struct MaskOptions {
  int depth = 3; // connectives on a path, at most
  bool neighborhoods = true;
  bool labels = true;      // same(doc)
  bool batchInputs = true; // prefix(len)
  bool keyLengths = true;  // key_length(kl)
};

/// Lengths of 1, odd ones, the tile and its neighbours; in several dimensions small uneven boxes.
Shape drawShape(Draw &draw, const ShapeOptions &options = {});

/// A mask that is legal on `shape`: w * d <= L, s <= w for every dimension of a neighbourhood, and
/// neighbourhoods and labels only where queries and keys share one layout. The names of its inputs
/// are `len` (prefix), `kl` (key_length) and `doc` (same).
Mask drawMask(Draw &draw, const Shape &shape, const MaskOptions &options = {});

/// The context of `mask` on `shape` with the default offset nk - nq and random values for every
/// input that the mask names: 0 .. nk per batch entry, runs of equal labels per token.
Context drawContext(Draw &draw, const Shape &shape, const Mask &mask);

/// A whole kernel in the `.attn` language, with the inputs that the mask needs.
std::string toSpec(const std::string &name, const Shape &shape, const Mask &mask);

} // namespace attn::reference
