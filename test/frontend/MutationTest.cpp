//===- MutationTest.cpp - damaged specs ------------------------------------===//
//
// Every text gives a module or a message, whatever happened to it. Most worth running under the
// sanitizers.
//
//===----------------------------------------------------------------------===//
#include "test/frontend/Parse.h"

#include <random>

using namespace mlir;

namespace attn::test {
namespace {

const std::string kSeeds[] = {
    R"(kernel video {
  batch 2  heads 24  kv_heads 8  head_dim 128  value_dim 64  dtype bf16
  tokens [30, 48, 80]  scale 1.5e-3
  mask neighborhood(window = [18, 24, 24], stride = 8, dilation = [1, 2, 1], causal = [true, false, false])
  heads 0..3 { mask all }
})",
    R"(kernel chat {
  heads 32; head_dim 64, dtype f16
  tokens [?]  kv_tokens [1_024]  q_offset -7   // comment
  input n : i32[batch]
  input seen : bool[1, heads, tokens, kv_tokens]
  mask causal & !(window(left = 4095, right = 0) | sink(64)) & key_length(n) | from(seen)
  heads 4..31 { mask prefix(16) & causal(top_left) }
  score (s, q, k, h, b) => k < q && !(b == 0) ? softcap(s, 30) + alibi(h) * (k - q) / 2 : -min(s, q)
})",
    R"(kernel groups {
  heads 8 head_dim 16 dtype f16 batch 3
  tokens video[4, 6, 8] + text[20]
  input t : i32[tokens]  input n : i32[batch]  input allowed : bool[4, 4]
  mask neighborhood(window = [-1, 3, 3], border = clip) | keys(text) & queries(text) | block([4, 3, 3], offset = [0, -1, 1])
  heads 0, 3..4, 6 { mask causal(dim = 0) & classes(t, allow = [[1, 0], [true, false]]) }
  heads 1 { mask (q, k) => abs(q.x - k.x) <= 2 && allowed[max(0, min(t[q], 3)), k mod 4] || k < n[b] // data
    & !(q, k) => (q.t floordiv 2) * 3 == k.z % (h + 1) ? q < k : true }
})",
    R"(kernel packed {
  heads 4 head_dim 8 dtype f32 tokens [?] kv_tokens [256]
  input a : i32[?]  input b : i32[17]  input x : i32[tokens] input y : i32[kv_tokens]
  packed (a, b)
  mask window(8, dilation = 1) & same(x, y) | global(first = 1, count = 2) | keys(count = 3)
  heads 2 { mask !sink(1) | queries(first = 3, count = 9) }
})",
    R"(kernel lists {
  heads 2 head_dim 8 dtype f32 tokens [1_000]
  input rows : i32[17]  input blocks : i32[1, heads, ?] input bits : i32[2, ?]
  mask causal & blocks(rows, blocks, size = 64) | strided(3) & fixed(8, 2)
  heads 1 { mask spans("no such file", layer = 1, max_new_tokens = 3) }
})"};

/// Pieces that mean something somewhere, and bytes that do not.
const std::string kPieces[] = {"{",     "}",          "(",
                               ")",     "[",          "]",
                               "..",    ",",          "=",
                               "=>",    "?",          ":",
                               "!",     "&",          "|",
                               "-",     "0",          "-1",
                               "1e999", "1.5",        "window",
                               "heads", "tokens",     "kernel",
                               "score", "input",      "99999999999999999999",
                               "//",    "#",          "\n",
                               "alibi", "4294967296", "\xff\xfe",
                               "same",  "true",       std::string(1, '\0'),
                               "\"",    "(q, k) => ", "q.x",
                               "+",     "mod",        "packed",
                               "%",     "[[1]]",      "[-1]"};

std::string mutated(std::string text, std::mt19937 &random) {
  auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  for (size_t edits = 1 + below(3); edits > 0 && !text.empty(); --edits) {
    size_t at = below(text.size()), length = std::min(text.size() - at, 1 + below(8));
    switch (below(5)) {
    case 0:
      text.erase(at, length);
      break;
    case 1:
      text.insert(at, kPieces[below(std::size(kPieces))]);
      break;
    case 2:
      text.insert(at, text.substr(below(text.size()), 1 + below(40)));
      break;
    case 3:
      text[at] = static_cast<char>(below(256));
      break;
    case 4:
      text.replace(at, length, kPieces[below(std::size(kPieces))]);
      break;
    }
  }
  return text;
}

TEST(Mutation, SeedsAreValid) {
  for (const std::string &seed : kSeeds) {
    Session session;
    bool needsFile = seed.find("no such file") != std::string::npos;
    EXPECT_EQ(static_cast<bool>(session.parse(seed)), !needsFile)
        << (session.messages.empty() ? "" : session.messages.front());
  }
}

TEST(Mutation, DamagedTextGivesAModuleOrAMessage) {
  std::mt19937 random(20250101);
  int modules = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string text = mutated(kSeeds[i % std::size(kSeeds)], random);
    Session session;
    bool valid = static_cast<bool>(session.parse(text));
    modules += valid;
    if (!valid)
      EXPECT_FALSE(session.messages.empty()) << text;
    for (const std::string &message : session.messages)
      EXPECT_NE(message[0], '?') << "a message without a place: " << message << "\n" << text;
  }
  EXPECT_GT(modules, 20) << "mutations should leave some texts valid";
}

} // namespace
} // namespace attn::test
