// What a launch answers to run-time inputs that contradict each other or the lengths, and what of
// them is allowed. Kernels are compiled, so that the checks see masks as the compiler describes
// them.
#include "jit/Engine.h"

#include "test/reference/Attention.h"

#include <gtest/gtest.h>

#include <cmath>

namespace attn {
namespace {

/// A run-time input: integers or truth values.
struct Given {
  const char *name;
  std::vector<int64_t> shape;
  std::vector<int32_t> values;
  DType dtype = DType::I32;
};

/// A compiled kernel and tensors for it.
class Launch {
public:
  explicit Launch(const std::string &items, CompileRequest request = {})
      : kernel(Engine({IsaLevel::Baseline, 1})
                   .compile("kernel k { head_dim 8 dtype f32 " + items + " }", request)) {}

  /// "ok", or the error and its notes.
  std::string run(const std::vector<Given> &inputs, int64_t queries, int64_t keys = -1) {
    if (!kernel)
      return kernel.error().message;
    const KernelInfo &info = kernel->info();
    keys = keys < 0 ? queries : keys;
    Tensor q = *Tensor::randomNormal({info.batch, info.heads, queries, 8}, DType::F32, 1);
    Tensor k = *Tensor::randomNormal({info.batch, info.kvHeads, keys, 8}, DType::F32, 2);
    Tensor v = *Tensor::randomNormal({info.batch, info.kvHeads, keys, 8}, DType::F32, 3);
    o = *Tensor::zeros({info.batch, info.heads, queries, 8}, DType::F32);
    lse = *Tensor::zeros({info.batch, info.heads, queries}, DType::F32);
    Bindings bindings;
    bindings.q = q;
    bindings.k = k;
    bindings.v = v;
    bindings.o = o;
    bindings.lse = lse;
    std::vector<Tensor> memory;
    for (const Given &given : inputs) {
      Tensor &tensor = memory.emplace_back(*Tensor::zeros(given.shape, given.dtype));
      for (size_t i = 0; i < given.values.size(); ++i)
        storeElement(given.dtype,
                     static_cast<char *>(tensor.data()) + int64_t(i) * dtypeSize(given.dtype),
                     given.values[i]);
      bindings.inputs[given.name] = tensor;
    }
    auto plan = kernel->plan(bindings);
    if (!plan)
      return textOf(plan.error());
    blind = plan->blindHeads();
    auto report = kernel->run(*plan);
    return report ? "ok" : textOf(report.error());
  }

  /// The number of keys that a query sees when all scores are 0 is exp(lse); here only whether it
  /// is 0.
  bool seesNothing(int64_t head, int64_t query) const {
    return lse.at({0, head, query}) == -INFINITY && o.at({0, head, query, 0}) == 0;
  }

  Tensor o, lse;
  std::vector<int64_t> blind;

private:
  static std::string textOf(const Error &error) {
    std::string text = error.message;
    for (const std::string &note : error.notes)
      text += "\nnote: " + note;
    return text;
  }

  Expected<Kernel> kernel;
};

//===----------------------------------------------------------------------===//
// Lengths
//===----------------------------------------------------------------------===//

TEST(InputErrors, CumulativeLengthsOfQueriesAndKeys) {
  Launch launch("heads 1 tokens [?] kv_tokens [?] input a : i32[?] input b : i32[?] "
                "packed (a, b) mask causal");
  auto run = [&](std::vector<int32_t> a, std::vector<int32_t> b) {
    return launch.run({{"a", {int64_t(a.size())}, a}, {"b", {int64_t(b.size())}, b}}, 40, 50);
  };
  EXPECT_EQ(run({0, 10, 10, 40}, {0, 20, 30, 50}), "ok") << "the second sequence has no queries";
  EXPECT_EQ(run({0, 10, 40}, {0, 0, 50}), "ok") << "the first one has no keys";
  EXPECT_TRUE(launch.seesNothing(0, 9));
  EXPECT_FALSE(launch.seesNothing(0, 10));
  EXPECT_EQ(run({0, 10, 39}, {0, 20, 50}),
            "the cumulative lengths of input 'a' end at 39, but there are 40 queries");
  EXPECT_EQ(run({0, 10, 40}, {0, 20, 60}),
            "the cumulative lengths of input 'b' end at 60, but there are 50 keys");
  EXPECT_EQ(run({1, 10, 40}, {0, 20, 50}),
            "input 'a' of cumulative lengths starts with 1, but must start with 0");
  EXPECT_EQ(run({0, 50, 40}, {0, 20, 50}),
            "cumulative lengths must not descend, but entry 2 of input 'a' is 40 after 50");
  EXPECT_EQ(run({0, -3, 40}, {0, 20, 50}),
            "cumulative lengths must not descend, but entry 1 of input 'a' is -3 after 0");
  EXPECT_EQ(
      run({0, 10, 40}, {0, 50}),
      "inputs 'a' and 'b' have cumulative lengths of 2 and 1 sequences, but every sequence has "
      "queries and keys");
  EXPECT_EQ(run({}, {0, 50}), "input 'a' of cumulative lengths is empty, but must start with 0");
  EXPECT_EQ(run({0}, {0}),
            "the cumulative lengths of input 'a' end at 0, but there are 40 queries");
}

TEST(InputErrors, NoTokensAreNoSequences) {
  Launch launch("heads 1 tokens [?] input cu : i32[?] packed cu mask causal");
  EXPECT_EQ(launch.run({{"cu", {1}, {0}}}, 0), "ok");
  EXPECT_EQ(launch.run({{"cu", {3}, {0, 0, 0}}}, 0), "ok");
}

TEST(InputErrors, NumbersOfKeysOfBatchEntries) {
  for (const char *mask : {"key_length(n)", "causal | prefix(n)", "causal & key_length(n)"}) {
    Launch launch(std::string("batch 2 heads 1 tokens [?] input n : i32[batch] mask ") + mask);
    EXPECT_EQ(launch.run({{"n", {2}, {0, 40}}}, 40), "ok") << mask;
    EXPECT_EQ(launch.run({{"n", {2}, {3, 41}}}, 40),
              "entry 1 of input 'n' is 41, but must be a number of keys from 0 to 40")
        << mask;
    EXPECT_EQ(launch.run({{"n", {2}, {-1, 40}}}, 40),
              "entry 0 of input 'n' is -1, but must be a number of keys from 0 to 40")
        << mask;
    EXPECT_EQ(launch.run({{"n", {3}, {1, 2, 3}}}, 40), "'n' has shape [3], but [2] is wanted");
  }
}

TEST(InputErrors, NumbersThatAreNoLengthsMayBeAnything) {
  Launch bound("batch 2 heads 1 tokens [?] input n : i32[batch] mask (q, k) => k < n[b]");
  EXPECT_EQ(bound.run({{"n", {2}, {-7, 1'000'000}}}, 40), "ok");
  EXPECT_TRUE(bound.seesNothing(0, 39));
  Launch launch(
      "batch 2 heads 1 tokens [?] input n : i32[batch] mask causal & (q, k) => q - k < n[b]");
  EXPECT_EQ(launch.run({{"n", {2}, {-7, 1'000'000}}}, 40), "ok");
  EXPECT_EQ(launch.blind, std::vector<int64_t>{}) << "the other batch entry sees";
  EXPECT_TRUE(launch.seesNothing(0, 0));
}

//===----------------------------------------------------------------------===//
// Labels, classes and masks
//===----------------------------------------------------------------------===//

TEST(InputErrors, LabelsMayBeNegativeAndInAnyOrder) {
  Launch launch("heads 1 tokens [6] input doc : i32[tokens] mask same(doc) & !(q, k) => q == k");
  EXPECT_EQ(launch.run({{"doc", {6}, {-5, INT32_MIN, 7, -5, INT32_MAX, 7}}}, 6), "ok");
  std::vector<bool> blind;
  for (int64_t q = 0; q < 6; ++q)
    blind.push_back(launch.seesNothing(0, q));
  EXPECT_EQ(blind, (std::vector<bool>{false, true, false, false, true, false}));
  Launch sorted("heads 1 tokens [6] input doc : i32[tokens] mask same(doc) & !(q, k) => q == k");
  EXPECT_EQ(sorted.run({{"doc", {6}, {-5, -5, -1, 0, 0, 3}}}, 6), "ok");
  blind.clear();
  for (int64_t q = 0; q < 6; ++q)
    blind.push_back(sorted.seesNothing(0, q));
  EXPECT_EQ(blind, (std::vector<bool>{false, false, true, false, false, true}));
}

TEST(InputErrors, LabelsAreOnePerToken) {
  Launch launch("heads 1 tokens [?] input doc : i32[tokens] mask same(doc)");
  EXPECT_EQ(launch.run({{"doc", {39}, {}}}, 40), "'doc' has shape [39], but [40] is wanted");
  EXPECT_EQ(launch.run({{"doc", {40}, {}, DType::Bool}}, 40),
            "'doc' is bool, but the kernel takes i32");
  EXPECT_EQ(launch.run({}, 40), "input 'doc' is missing: i32 of shape [40]");
}

TEST(InputErrors, ClassesOutsideOfTheTableSeeNothingAndAreNotSeen) {
  Launch launch(
      "heads 1 tokens [5] input c : i32[tokens] mask classes(c, allow = [[0, 1], [1, 1]])");
  EXPECT_EQ(launch.run({{"c", {5}, {0, 2, -1, INT32_MIN, 0}}}, 5), "ok");
  EXPECT_EQ(launch.blind, std::vector<int64_t>{0}) << "nobody is of class 1";
  EXPECT_EQ(launch.run({{"c", {5}, {0, 2, 1, INT32_MAX, 0}}}, 5), "ok");
  EXPECT_EQ(launch.blind, std::vector<int64_t>{});
  std::vector<bool> blind;
  for (int64_t q = 0; q < 5; ++q)
    blind.push_back(launch.seesNothing(0, q));
  EXPECT_EQ(blind, (std::vector<bool>{false, true, false, true, false}));
}

TEST(InputErrors, MasksHaveTheExtentsOfTheKernel) {
  Launch launch(
      "batch 2 heads 2 tokens [?] input m : bool[batch, 1, tokens, kv_tokens] mask from(m)");
  auto run = [&](std::vector<int64_t> shape) {
    return launch.run({{"m", shape, {}, DType::Bool}}, 40);
  };
  EXPECT_EQ(run({2, 1, 40, 40}), "ok");
  EXPECT_EQ(launch.blind, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(run({2, 1, 40, 41}), "'m' has shape [2, 1, 40, 41], but [2, 1, 40, 40] is wanted");
  EXPECT_EQ(run({1, 1, 40, 40}), "'m' has shape [1, 1, 40, 40], but [2, 1, 40, 40] is wanted");
  EXPECT_EQ(run({2, 2, 40, 40}), "'m' has shape [2, 2, 40, 40], but [2, 1, 40, 40] is wanted");
  EXPECT_EQ(run({40, 40}), "'m' has shape [40, 40], but [2, 1, 40, 40] is wanted");
}

//===----------------------------------------------------------------------===//
// Listed blocks
//===----------------------------------------------------------------------===//

TEST(InputErrors, RowPointersAndKeyBlocks) {
  Launch launch(
      "heads 1 tokens [?] input p : i32[?] input c : i32[?] mask blocks(p, c, size = 16)");
  auto run = [&](std::vector<int32_t> p, std::vector<int32_t> c) {
    return launch.run({{"p", {int64_t(p.size())}, p}, {"c", {int64_t(c.size())}, c}}, 40);
  };
  EXPECT_EQ(run({0, 2, 2, 3}, {0, 1, 2, 99}), "ok") << "what no row names is not looked at";
  EXPECT_TRUE(launch.seesNothing(0, 16));
  EXPECT_EQ(run({0, 0, 0, 0}, {}), "ok");
  EXPECT_EQ(launch.blind, std::vector<int64_t>{0});
  EXPECT_EQ(run({0, 2, 3}, {0, 1, 2}),
            "input 'p' has 3 row pointers, but 40 queries in blocks of 16 need 4");
  EXPECT_EQ(run({0, 2, 1, 3}, {0, 1, 2}),
            "row pointers must ascend from 0 to at most 3, but entry 2 of input 'p' is 1");
  EXPECT_EQ(run({0, 2, 2, 4}, {0, 1, 2}),
            "row pointers must ascend from 0 to at most 3, but entry 3 of input 'p' is 4");
  EXPECT_EQ(run({1, 2, 2, 3}, {0, 1, 2}),
            "row pointers must ascend from 0 to at most 3, but entry 0 of input 'p' is 1");
  EXPECT_EQ(run({0, -1, 2, 3}, {0, 1, 2}),
            "row pointers must ascend from 0 to at most 3, but entry 1 of input 'p' is -1");
  EXPECT_EQ(run({0, 2, 2, 3}, {0, 1, 3}),
            "entry 2 of input 'c' is 3, but there are 3 blocks of keys");
  EXPECT_EQ(run({0, 2, 2, 3}, {0, -1, 2}),
            "entry 1 of input 'c' is -1, but there are 3 blocks of keys");
}

TEST(InputErrors, ListsOfEachHead) {
  Launch launch("batch 2 heads 2 tokens [?] input p : i32[1, heads, ?] input c : i32[1, heads, ?] "
                "mask blocks(p, c, size = 16)");
  EXPECT_EQ(launch.run({{"p", {1, 2, 3}, {0, 1, 2, 0, 0, 0}}, {"c", {1, 2, 2}, {0, 1, 7, 7}}}, 20),
            "ok");
  EXPECT_EQ(launch.blind, std::vector<int64_t>{1});
  EXPECT_EQ(launch.run({{"p", {1, 2, 3}, {0, 1, 2, 0, 0, 1}}, {"c", {1, 2, 2}, {0, 1, 7, 7}}}, 20),
            "entry 0 of input 'c' is 7, but there are 2 blocks of keys");
  EXPECT_EQ(launch.run({{"p", {2, 2, 3}, {}}, {"c", {1, 2, 2}, {}}}, 20),
            "'p' has shape [2, 2, 3], but [1, 2, 3] is wanted");
}

TEST(InputErrors, BlockBits) {
  Launch launch("heads 1 tokens [?] input bits : i32[?, ?] mask blocks(bits, size = 16)");
  EXPECT_EQ(launch.run({{"bits", {3, 1}, {7, 7, 7}}}, 40), "ok");
  EXPECT_EQ(launch.run({{"bits", {3, 1}, {-8, -8, -8}}}, 40), "ok") << "bits of no block";
  EXPECT_EQ(launch.blind, std::vector<int64_t>{0});
  EXPECT_EQ(
      launch.run({{"bits", {2, 1}, {}}}, 40),
      "input 'bits' lists 2 rows of 1 words, but 40 queries and 40 keys in blocks of 16 need 3 "
      "rows of 1");
  EXPECT_EQ(
      launch.run({{"bits", {33, 1}, {}}}, 520),
      "input 'bits' lists 33 rows of 1 words, but 520 queries and 520 keys in blocks of 16 need "
      "33 rows of 2");
}

TEST(InputErrors, TilesDivideBlocks) {
  CompileRequest request;
  request.queryTile = {64};
  request.keyTile = {48};
  Launch launch("heads 1 tokens [256] input bits : i32[4, 1] mask blocks(bits, size = 64)",
                request);
  EXPECT_EQ(
      launch.run({}, 256).find("<spec>:1:8: error: a tile of 48 tokens does not divide the mask's "
                               "blocks of 64\n"),
      0u)
      << launch.run({}, 256);
}

//===----------------------------------------------------------------------===//
// Tables of predicates and scores
//===----------------------------------------------------------------------===//

TEST(InputErrors, TablesAreAsLongAsTheirIndices) {
  Launch launch("heads 1 tokens [?] input t : i32[?] mask (q, k) => t[q - k + nk] > 0");
  auto run = [&](int64_t length) { return launch.run({{"t", {length}, {}}}, 40); };
  auto tooShort = [](int64_t length) {
    return "index 0 of 't[q - k + 40]' may be 1 to 79, but input 't' has only " +
           std::to_string(length) + " entries there; 'min' and 'max' keep an index inside";
  };
  EXPECT_EQ(run(80), "ok");
  EXPECT_EQ(run(79), tooShort(79));
  EXPECT_EQ(run(0), tooShort(0));
}

TEST(InputErrors, TablesOfQueriesAreAsLongAsThese) {
  Launch launch("heads 1 tokens [?] input t : i32[?] mask (q, k) => k < t[q]");
  EXPECT_EQ(launch.run({{"t", {40}, {}}}, 40), "ok");
  EXPECT_EQ(launch.run({{"t", {39}, {}}}, 40), "'t' has shape [39], but [40] is wanted");
  Launch fixed("heads 1 tokens [?] input t : i32[30] mask (q, k) => k < t[q]");
  EXPECT_EQ(fixed.run({{"t", {30}, {}}}, 30), "ok");
  EXPECT_EQ(fixed.run({{"t", {30}, {}}}, 31),
            "input 't' has 30 entries, but the mask reads it at 31 queries");
}

TEST(InputErrors, DivisorsArePositive) {
  Launch launch("heads 3 tokens [?] input s : i32[heads] mask (q, k) => (q - k) % s[h] == 0");
  EXPECT_EQ(launch.run({{"s", {3}, {3, 8, 1}}}, 40), "ok");
  for (int32_t bad : {0, -4})
    for (std::vector<int32_t> steps : {std::vector{3, bad, 8}, {bad, 8, 3}, {8, 3, bad}})
      EXPECT_EQ(launch.run({{"s", {3}, steps}}, 40),
                "the divisor of '(q - k) mod " + std::to_string(bad) + "' may be " +
                    std::to_string(bad) + ", but must be at least 1; 'max(.., 1)' makes it so");
}

TEST(InputErrors, ResultsFit32Bits) {
  Launch launch("heads 1 tokens [?] input t : i32[kv_tokens] mask (q, k) => t[k] * q < 50");
  EXPECT_EQ(launch.run({{"t", {40}, {1'000'000}}}, 40), "ok");
  EXPECT_EQ(launch.run({{"t", {40}, {1'000'000'000}}}, 40),
            "'t[k] * q' may be 0 to 39000000000, but predicates are computed in 32 bits");
}

TEST(InputErrors, BoundsFit32Bits) {
  auto tooLarge = [](const std::string &inputs, const std::string &values) {
    return "input" + inputs + " may make a bound of the mask " + values +
           ", but bounds are computed in 32 bits\nnote: 'min' and 'max' around what an input holds "
           "keep "
           "it small";
  };
  Launch product("batch 2 heads 2 tokens [?] input x : i32[batch] input y : i32[heads] "
                 "mask (q, k) => x[b] * y[h] < q - k");
  EXPECT_EQ(product.run({{"x", {2}, {-30'000, 5}}, {"y", {2}, {-1, 60'000}}}, 40), "ok");
  EXPECT_EQ(product.run({{"x", {2}, {-60'000, 5}}, {"y", {2}, {-1, 60'000}}}, 40),
            tooLarge("s 'x' and 'y'", "-3600000000 to 300000"));
  Launch sum("heads 1 tokens [?] input t : i32[tokens] mask (q, k) => k < q + t[q]");
  EXPECT_EQ(sum.run({{"t", {3}, {5, -5, 1'000'000'000}}}, 3), "ok");
  EXPECT_EQ(sum.run({{"t", {3}, {5, -5, INT32_MAX}}}, 3), tooLarge(" 't'", "-6 to 2147483648"));
  EXPECT_EQ(sum.run({{"t", {3}, {5, INT32_MIN, 5}}}, 3), tooLarge(" 't'", "-2147483649 to 6"));
  Launch kept("heads 1 tokens [?] input t : i32[tokens] mask (q, k) => k < q + min(t[q], nk)");
  EXPECT_EQ(kept.run({{"t", {3}, {5, -5, INT32_MAX}}}, 3), "ok");
  EXPECT_FALSE(kept.seesNothing(0, 2));
}

//===----------------------------------------------------------------------===//
// Token groups
//===----------------------------------------------------------------------===//

TEST(InputErrors, TokensOfGroupsAddUp) {
  Launch launch("heads 1 tokens video[?, 3, 4] + text[5] mask keys(text) | queries(text)");
  EXPECT_EQ(launch.run({}, 5), "ok") << "no frame";
  EXPECT_EQ(launch.run({}, 29), "ok");
  EXPECT_EQ(launch.run({}, 28),
            "the token groups of 'tokens' cannot have 28 tokens: they have 5 and "
            "multiples of 12 more");
  EXPECT_EQ(launch.run({}, 4), "the token groups of 'tokens' cannot have 4 tokens: they have 5 and "
                               "multiples of 12 more");
  EXPECT_EQ(launch.run({}, 29, 41),
            "there are 29 queries and 41 keys, but token groups are a layout that both share");
}

} // namespace
} // namespace attn
