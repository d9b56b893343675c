// Masks, a second opinion: the meaning of every mask kind, written again from its definition and
// without any of the compiler's code, so that the two can be compared pair by pair.
//
// Everything here is a plain value: no global state, safe to read from several threads.
#pragma once

#include "test/reference/Predicate.h"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace attn::reference {

enum class MaskKind {
  All,
  Causal,
  CausalTopLeft,
  CausalDim,
  Window,
  WindowSides,
  Sink,
  Prefix,
  PrefixInput,
  KeyLength,
  Global,
  Keys,
  Queries,
  KeysGroup,
  QueriesGroup,
  Block,
  Strided,
  Fixed,
  Neighborhood,
  Same,
  Classes,
  From,
  BlockList,
  BlockBits,
  Predicate,
  Spans,
  And,
  Or,
  Not
};

/// One dimension of a neighbourhood (all counts in tokens of that dimension; window and stride
/// count steps inside a dilation group).
struct NeighborhoodDim {
  int64_t window = 1; // -1: the whole dimension, whatever the border
  int64_t stride = 1;
  int64_t dilation = 1;
  bool causal = false;
};

/// What happens to a window that reaches over the edge of its dimension: it is shifted inside, or
/// cut, or cut with a key of score 0 and value 0 in each missing place.
enum class Border { Shift, Clip, Zero };

/// A tree of mask kinds. Build it with the functions below; the fields that a kind does not use
/// stay at their defaults.
struct Mask {
  MaskKind kind = MaskKind::All;
  int64_t first = 0;    // window: w, or left; sink, prefix: n; ranges: first position;
                        // causal(dim): the dimension; strided, fixed: l; block lists: size
  int64_t second = 0;   // window: right; ranges: count; fixed: c; CSR: entries of key_tiles
  int64_t dilation = 1; // windows
  std::string input;    // name of the run-time input; of the queries, of the row pointers
  std::string keyInput; // same: name of the labels of the keys; CSR: of the key tiles
  std::string group;    // keys, queries: name of a token group
  std::vector<NeighborhoodDim> neighborhood; // one entry per dimension of the layout
  Border border = Border::Shift;             // neighborhood
  std::vector<int64_t> sizes, offsets;       // block: one entry per dimension; no offsets: all 0
  std::vector<std::vector<int>> allow;       // classes: [class of the query][class of the key]
  /// from: which of the extents [batch, heads, tokens, kv_tokens] are 1; block lists: the first
  /// two. Only declarations read it.
  std::array<bool, 4> shared = {};
  bool leading = false; // block lists: there are extents for batch and heads
  Expr predicate;
  std::vector<double> alphas, betas; // spans: one entry per head
  std::string planFile;              // spans, in the text only
  int64_t layer = 0;                 // spans, in the text only
  int64_t maxNewTokens = 0;          // spans
  std::vector<Mask> operands;        // and, or: two; not: one
};

Mask all();
/// k <= q
Mask causal();
Mask causalTopLeft();
/// Coordinate `dim` of the key is at most that of the query; the others are free.
Mask causalDim(int64_t dim);
/// |q - k| < width
Mask window(int64_t width);
/// q - left <= k <= q + right
Mask window(int64_t left, int64_t right);
/// q - k is a multiple m of the dilation, |m| < width steps of it.
Mask dilatedWindow(int64_t width, int64_t dilation);
/// k - q is a multiple of the dilation in -left * dilation .. right * dilation.
Mask dilatedWindow(int64_t left, int64_t right, int64_t dilation);
/// k < count
Mask sink(int64_t count);
/// k < count
Mask prefix(int64_t count);
/// k < input[batch]
Mask prefix(std::string input);
/// k < input[batch]: the keys beyond are padding
Mask keyLength(std::string input);
/// q or k is in first .. first + count - 1
Mask global(int64_t first, int64_t count);
/// k, or q, is in first .. first + count - 1
Mask keys(int64_t first, int64_t count);
Mask queries(int64_t first, int64_t count);
/// The key, or the query, is a token of the named group.
Mask keys(std::string group);
Mask queries(std::string group);
/// q and k lie in one block in every dimension: floor((q - offset) / size) is that of k. One size
/// stands for all dimensions, and so does one offset.
Mask block(std::vector<int64_t> sizes, std::vector<int64_t> offsets = {});
/// q - k is a multiple of `step`
Mask strided(int64_t step);
/// k is one of the last `count` positions of its run of `length`
Mask fixed(int64_t length, int64_t count);
Mask neighborhood(std::vector<NeighborhoodDim> dims, Border border = Border::Shift);
/// label[q] == label[k]; needs as many queries as keys
Mask same(std::string input);
/// queryInput[q] == keyInput[k]
Mask same(std::string queryInput, std::string keyInput);
/// allow[class[q]][class[k]]; needs as many queries as keys, unless `keyInput` of the mask names the classes
/// of the keys. Classes count from 0; those outside of the table see nothing and are not seen.
Mask classes(std::string input, std::vector<std::vector<int>> allow);
/// input[batch, head, q, k], where an extent of 1 serves all of its dimension
Mask from(std::string input, std::array<bool, 4> shared = {});
/// Blocks of size x size tokens, row-major and without offset; block row r sees the blocks
/// keyTiles[rowPtr[r]] .. keyTiles[rowPtr[r + 1] - 1]. Both inputs have either one extent, or
/// three: [batch|1, heads|1, ...]; then the pointers of a batch entry and head count in its own
/// list.
Mask blocks(std::string rowPtr, std::string keyTiles, int64_t size, int64_t entries = 0,
            bool leading = false, std::array<bool, 4> shared = {});
/// The same with bit k mod 32 of input[..., block row, k div 32].
Mask blockBits(std::string input, int64_t size, bool leading = false,
               std::array<bool, 4> shared = {});
Mask predicate(Expr expr);
/// Mixture of attention spans (arXiv 2406.14909): per head the first 64-block and the last ones.
Mask spans(std::vector<double> alphas, std::vector<double> betas, int64_t maxNewTokens = 0,
           std::string planFile = "plan.json", int64_t layer = 0);
Mask operator&(Mask a, Mask b);
Mask operator|(Mask a, Mask b);
Mask operator!(Mask a);

/// Integers with a shape, row-major; booleans are 0 and 1.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<int32_t> values;
};

/// Tokens with a name and a layout of their own.
struct TokenGroup {
  std::string name;
  std::vector<int64_t> dims;
  int64_t count() const;
};

/// Where a mask is looked at.
struct Context {
  /// The token layout, row-major; its product is the number of keys, and of queries where the two
  /// share one layout. Kinds of several dimensions read it; all others see row-major linear
  /// indices. With groups: the virtual layout, of which only the first nk positions exist.
  std::vector<int64_t> dims;
  std::vector<int64_t> queryDims; // where the layout of the queries is another one
  int64_t nq = 0;
  int64_t nk = 0;
  /// Added to q by every relative kind and by those that name positions of queries. Neighbourhoods,
  /// labels, classes, mask tensors and block lists know no offset, nor do blocks and causal(dim) on
  /// a layout of several dimensions.
  int64_t qOffset = 0;
  int64_t head = 0; // of the functions below that are not given one
  std::map<std::string, std::vector<int32_t>> batchInputs; // name -> one entry per batch entry
  std::map<std::string, std::vector<int32_t>> labels;      // name -> one entry per token
  /// Mask tensors, block lists and tables of predicates. A predicate finds its tables here, or
  /// among the labels, or among the batch inputs.
  std::map<std::string, Tensor> tensors;
  /// The first group may have several dimensions, the others have one; kinds of several dimensions
  /// are about the first group and false elsewhere.
  std::vector<TokenGroup> groups;
  /// Packed sequences: sequence s owns queries cuQueries[s] .. cuQueries[s + 1] - 1, and keys in
  /// the same way. Empty: not packed; only cuQueries: queries and keys are cut alike. A query sees
  /// only keys of its sequence; positions, lengths and the offset are those inside it. What is
  /// given per token (labels, classes, mask tensors, block lists) is read at the token's own
  /// number.
  std::vector<int32_t> cuQueries, cuKeys;
  /// The offset inside every sequence; none: keys of the sequence minus its queries.
  std::optional<int64_t> sequenceOffset;
};

/// Queries and keys on one layout: nq = nk = product of `dims`, no offset.
Context selfContext(std::vector<int64_t> dims);
/// `nq` queries against `nk` keys in one dimension, aligned at the last ones: offset nk - nq.
Context crossContext(int64_t nq, int64_t nk);
/// Queries and keys are the tokens of the groups, one after the other.
Context groupContext(std::vector<TokenGroup> groups);
/// Packed sequences in one dimension; without `cuKeys` they are cut as the queries are.
Context packedContext(std::vector<int32_t> cuQueries, std::vector<int32_t> cuKeys = {});

/// [30, 48, 80] and 256 more tokens: [31, 48, 80]. The smallest layout that differs from the first
/// group's in dimension 0 and has room for all tokens.
std::vector<int64_t> virtualLayout(const std::vector<TokenGroup> &groups);

/// Whether query `q` of batch entry `batch` and head `head` sees key `k`. Asserts 0 <= q < nq,
/// 0 <= k < nk, and that the context holds every input that the mask names.
bool sees(const Mask &mask, const Context &context, int64_t batch, int64_t head, int64_t q,
          int64_t k);
/// For the context's head.
bool sees(const Mask &mask, const Context &context, int64_t batch, int64_t q, int64_t k);

/// The keys with score 0 and value 0 that query `q` sees besides: the places of its window outside
/// the layout, for a neighbourhood with a border of zeros; 0 for every other mask. Asserts that no
/// such neighbourhood is part of a larger mask.
int64_t zeroKeys(const Mask &mask, const Context &context, int64_t q);

/// The keys of token `i` in one dimension of length `length`, ascending: generalised neighbourhood
/// attention, arXiv 2504.16922. A shifted window longer than the dilation group is cut to it.
std::vector<int64_t> neighborhoodKeys(const NeighborhoodDim &dim, int64_t length, int64_t i,
                                      Border border = Border::Shift);

/// What one head keeps of N = keys + maxNewTokens, in tokens: `sink` first and `local` last ones.
struct Span {
  int64_t cache = 0, sink = 0, local = 0;
};
Span spanOf(double alpha, double beta, int64_t keys, int64_t maxNewTokens);

/// The coordinates of a row-major linear index.
std::vector<int64_t> coordinates(const std::vector<int64_t> &dims, int64_t linear);

/// The mask as the `.attn` language writes it, for example `causal & (window(64) | sink(4))`.
std::string toSpec(const Mask &mask);

/// Calls `visit` on every node of the tree, parents first.
void forEachNode(const Mask &mask, const std::function<void(const Mask &)> &visit);
bool contains(const Mask &mask, MaskKind kind);

} // namespace attn::reference
