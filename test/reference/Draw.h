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

/// How many cases a property test draws: `normally`, or ATTNC_DRAWS from the environment.
int draws(int normally);

/// The sizes of one kernel.
struct Shape {
  int64_t batch = 1;
  int64_t heads = 1;
  int64_t kvHeads = 1;
  int64_t headDim = 32;
  int64_t valueDim = 0; // 0: that of queries and keys
  Type dtype = Type::F32;
  std::vector<int64_t> tokens;    // layout of the queries; with groups, of the first group
  std::vector<int64_t> kvTokens;  // layout of the keys; empty: that of the queries
  std::vector<TokenGroup> groups; // queries and keys alike; the first has the layout `tokens`
  /// Above 0: packed sequences; with one layout their bounds are the input `cu`, else `cu_q` and
  /// `cu_k`, i32[sequences + 1].
  int64_t sequences = 0;

  int64_t nq() const;
  int64_t nk() const;
  bool oneLayout() const { return kvTokens.empty(); }
  bool isPacked() const { return sequences > 0; }
  Problem problem() const;
};

struct ShapeOptions {
  int maxRank = 3;         // dimensions of a token layout, at most 4
  int64_t maxTokens = 200; // at most so many queries, and so many keys
  int64_t tileQ = 64;      // one-dimensional lengths gather around the tile edges
  int64_t tileK = 64;
  bool cross = true; // sometimes another number of keys than of queries (one dimension)
  int64_t maxBatch = 2;
  int64_t maxHeads = 4;
  std::vector<int64_t> headDims = {16, 32, 64};
  Type dtype = Type::F32;
  bool groups = false; // sometimes token groups, on layouts of several dimensions
  bool packed = false; // sometimes packed sequences, in one dimension

  static ShapeOptions everything();
};

struct MaskOptions {
  int depth = 3; // connectives on a path, at most
  bool neighborhoods = true;
  bool labels = true;      // same(doc)
  bool batchInputs = true; // prefix(len)
  bool keyLengths = true;  // key_length(kl)

  bool causalDims = false;     // causal(dim), on layouts of several dimensions
  bool dilatedWindows = false; // window(w, dilation)
  bool ranges = false;         // global, keys and queries with positions
  bool blocks = false;         // block
  bool strides = false;        // strided and fixed
  bool borders = false;        // neighbourhoods cut at the border, windows of a whole dimension
  bool zeroBorders = false;    // neighbourhoods with a border of zeros, as whole masks
  bool labelPairs = false;     // same(q_doc, k_doc)
  bool anyLabels = false;      // labels in any order, and negative ones (read by drawContext)
  bool classes = false;        // classes
  bool maskTensors = false;    // from
  bool blockLists = false;     // blocks, as lists and as bits
  bool predicates = false;     // (q, k) => ...
  bool tables = true;          // predicates may read tables
  std::vector<int64_t> blockSizes = {8, 16, 24, 64}; // of block lists
  /// Where the caller writes planJson; spans are drawn only if it is not empty.
  std::string planFile;

  /// All of them; spans if there is a plan file.
  static MaskOptions everything(std::string planFile = "");
};

/// A mask for some of the heads.
struct HeadMask {
  std::vector<int64_t> heads; // ascending
  Mask mask;
};

/// A whole kernel.
struct Kernel {
  Shape shape;
  Mask mask;
  std::vector<HeadMask> headMasks; // no head in two of them

  const Mask &maskOf(int64_t head) const;
  /// The conjunction of all masks: names every input of the kernel.
  Mask everyMask() const;
};

/// Lengths of 1, odd ones, the tile and its neighbours; in several dimensions small uneven boxes.
Shape drawShape(Draw &draw, const ShapeOptions &options = {});

/// A mask that is legal on `shape`: w * d <= L, s <= w for every dimension of a neighbourhood, and
/// neighbourhoods, single label vectors and classes only where queries and keys share one layout.
/// The same name always means the same kind of input: `len` (prefix), `kl` (key_length), `doc`,
/// `q_doc` and `k_doc` (same), `cls3` (classes 0 .. 2), and so on. Masks with token groups name
/// them. Dilated windows, strides, block lists and spans are drawn in one dimension only; packed shapes
/// get no mask tensors, block lists or spans, and what counts in steps only with one layout.
Mask drawMask(Draw &draw, const Shape &shape, const MaskOptions &options = {});

/// A condition of the forms that people write: comparisons that are linear in q and k of one
/// coordinate, distances, residues, blocks, coupled coordinates, tables, head numbers; and
/// connectives, at most `depth` on a path. Tables are read only at entries that exist.
Expr drawPredicate(Draw &draw, const Shape &shape, int depth = 2, bool tables = true);

/// A shape, a mask, and sometimes other masks for some heads.
Kernel drawKernel(Draw &draw, const ShapeOptions &shapeOptions, const MaskOptions &maskOptions);

/// The context of `mask` on `shape` with the default offset nk - nq and random values for every
/// input that the mask names: 0 .. nk per batch entry, runs of equal labels per token, sequences of
/// which some are empty, random and blocked mask tensors, block lists. Of the options only
/// `anyLabels` is read.
Context drawContext(Draw &draw, const Shape &shape, const Mask &mask,
                    const MaskOptions &options = {});

/// A run-time input as a kernel declares it.
struct Input {
  std::string name;
  bool isBool = false; // else i32
  std::vector<std::string> extents;
};

/// The inputs of a kernel in the order of their declarations.
std::vector<Input> inputsOf(const Shape &shape, const Mask &mask);
/// Extents as numbers.
std::vector<int64_t> extentsOf(const Shape &shape, const Input &input);
/// Shape and entries of one input. Asserts that the context has it.
Tensor inputOf(const Context &context, const std::string &name);

/// The plan file of the spans in `mask`: {"alphas": [layers][heads], "betas": [layers][heads]}.
std::string planJson(const Mask &mask);

/// A whole kernel in the `.attn` language, with the inputs that the mask needs.
std::string toSpec(const std::string &name, const Shape &shape, const Mask &mask);
std::string toSpec(const std::string &name, const Kernel &kernel);

/// The masks of all heads. Both keep their own copies.
Sees seesOf(Kernel kernel, Context context);
ZeroKeys zeroKeysOf(Kernel kernel, Context context);

} // namespace attn::reference
