// What the tests of masks ask: the keys of one query, and how many pairs are visible.
#pragma once

#include "test/reference/Mask.h"

namespace attn::reference {

using Keys = std::vector<int64_t>;

inline Keys keysOf(const Mask &mask, const Context &context, int64_t q, int64_t batch = 0,
                   int64_t head = 0) {
  Keys keys;
  for (int64_t k = 0; k < context.nk; ++k)
    if (sees(mask, context, batch, head, q, k))
      keys.push_back(k);
  return keys;
}

inline Keys range(int64_t begin, int64_t end) {
  Keys keys;
  for (int64_t k = begin; k < end; ++k)
    keys.push_back(k);
  return keys;
}

inline int64_t pairsOf(const Mask &mask, const Context &context) {
  int64_t pairs = 0;
  for (int64_t q = 0; q < context.nq; ++q)
    pairs += int64_t(keysOf(mask, context, q).size());
  return pairs;
}

} // namespace attn::reference
