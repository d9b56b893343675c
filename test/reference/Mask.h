// Masks, a second opinion: the meaning of every mask kind, written again from its definition and
// without any of the compiler's code, so that the two can be compared pair by pair.
//
// Everything here is a plain value: no global state, safe to read from several threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace attn::reference {

enum class MaskKind {
  All,
  Causal,
  CausalTopLeft,
  Window,
  WindowSides,
  Sink,
  Prefix,
  PrefixInput,
  KeyLength,
  Neighborhood,
  Same,
  And,
  Or,
  Not
};

/// One dimension of a neighbourhood (all counts in tokens of that dimension; window and stride
/// count steps inside a dilation group).
struct NeighborhoodDim {
  int64_t window = 1;
  int64_t stride = 1;
  int64_t dilation = 1;
  bool causal = false;
};

/// A tree of mask kinds. Build it with the functions below; the fields that a kind does not use
/// stay at their defaults.
struct Mask {
  MaskKind kind = MaskKind::All;
  int64_t first = 0;                         // window: w, or left; sink and prefix: n
  int64_t second = 0;                        // window: right
  std::string input;                         // prefix, key_length, same: name of the run-time input
  std::vector<NeighborhoodDim> neighborhood; // one entry per dimension of the layout
  std::vector<Mask> operands;                // and, or: two; not: one
};

Mask all();
Mask causal();
Mask causalTopLeft();
/// |q - k| < width
Mask window(int64_t width);
/// q - left <= k <= q + right
Mask window(int64_t left, int64_t right);
/// k < count
Mask sink(int64_t count);
/// k < count
Mask prefix(int64_t count);
/// k < input[batch]
Mask prefix(std::string input);
/// k < input[batch]: the keys beyond are padding
Mask keyLength(std::string input);
Mask neighborhood(std::vector<NeighborhoodDim> dims);
/// label[q] == label[k]; needs as many queries as keys
Mask same(std::string input);
Mask operator&(Mask a, Mask b);
Mask operator|(Mask a, Mask b);
Mask operator!(Mask a);

/// Where a mask is looked at.
struct Context {
  /// The token layout, row-major; its product is the number of keys, and of queries where the two
  /// share one layout. Only neighbourhoods read it: all other kinds see row-major linear indices.
  std::vector<int64_t> dims;
  int64_t nq = 0;
  int64_t nk = 0;
  /// Added to q by every relative kind: causal and window. Neighbourhoods and labels have one
  /// layout for both sides and no offset.
  int64_t qOffset = 0;
  std::map<std::string, std::vector<int32_t>> batchInputs; // name -> one entry per batch entry
  std::map<std::string, std::vector<int32_t>> labels;      // name -> one entry per token
};

/// Queries and keys on one layout: nq = nk = product of `dims`, no offset.
Context selfContext(std::vector<int64_t> dims);
/// `nq` queries against `nk` keys in one dimension, aligned at the last ones: offset nk - nq.
Context crossContext(int64_t nq, int64_t nk);

/// Whether query `q` of batch entry `batch` sees key `k`. Asserts 0 <= q < nq, 0 <= k < nk, and
/// that the context holds every input that the mask names.
bool sees(const Mask &mask, const Context &context, int64_t batch, int64_t q, int64_t k);

/// The keys of token `i` in one dimension of length `length`, ascending: generalised neighbourhood
/// attention, arXiv 2504.16922. A window longer than the dilation group is cut to it.
std::vector<int64_t> neighborhoodKeys(const NeighborhoodDim &dim, int64_t length, int64_t i);

/// The coordinates of a row-major linear index.
std::vector<int64_t> coordinates(const std::vector<int64_t> &dims, int64_t linear);

/// The mask as the `.attn` language writes it, for example `causal & (window(64) | sink(4))`.
std::string toSpec(const Mask &mask);

/// Calls `visit` on every node of the tree, parents first.
void forEachNode(const Mask &mask, const std::function<void(const Mask &)> &visit);
bool contains(const Mask &mask, MaskKind kind);

} // namespace attn::reference
