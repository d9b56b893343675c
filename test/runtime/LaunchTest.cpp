// Launch plans: what is checked, and the tables that kernels read.
#include "runtime/LaunchChecks.h"
#include "test/runtime/PlannedKernel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

namespace attn {
namespace {

using namespace test;

Formula prefix(int32_t input) {
  FormulaBuilder builder({-1});
  LinearBound end{false, 0, {{Symbol{SymbolKind::BatchInput, input}, 1}}};
  return *builder.finish(builder.interval(std::nullopt, end));
}

std::string errorOf(const KernelInfo &info, const Bindings &bindings) {
  Expected<LaunchPlan> plan = planLaunch(info, bindings);
  if (plan)
    return "no error";
  std::string text = plan.error().message;
  for (const std::string &note : plan.error().notes)
    text += "\nnote: " + note;
  return text;
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

TEST(Launch, TablesOfACausalKernel) {
  KernelInfo info = kernelOf(causal());
  Buffers buffers(40, 50);
  Expected<LaunchPlan> plan = planLaunch(info, buffers.bindings);
  ASSERT_TRUE(plan) << plan.error().message;
  const KernelArgs &args = plan->args();
  EXPECT_EQ(args.numQueries, 40);
  EXPECT_EQ(args.numKeys, 50);
  EXPECT_EQ(args.queryOffset, 10);
  EXPECT_EQ(args.queryTiles, 3);
  EXPECT_EQ(args.dims[0], 50);
  EXPECT_EQ(plan->tickets(), 2 * 4 * 3);
  EXPECT_EQ(args.qStride[0], 4 * 40 * 8);
  EXPECT_EQ(args.lseStride[1], 40);
  // Query tile 0 has positions 10 .. 25: key tile 0 is partial (10 does not see 15), so is tile 1.
  ASSERT_EQ(args.mapOfHead[7], 0);
  ASSERT_EQ(args.mapOffsets[0], 0);
  const auto *boxes = static_cast<const int32_t *>(args.boxes);
  EXPECT_EQ(std::vector<int32_t>(boxes, boxes + 3), (std::vector<int32_t>{0, 2, 0}));
  // Query tile 2 has positions 42 .. 49: tiles 0 and 1 are full, 2 and 3 partial.
  const int32_t *box = boxes + 3 * args.mapOffsets[2];
  EXPECT_EQ(std::vector<int32_t>(box, box + 6), (std::vector<int32_t>{0, 2, 1, 2, 4, 0}));
  EXPECT_EQ(args.mapOffsets[3] - args.mapOffsets[2], 2);
  EXPECT_EQ(plan->visitedTiles, 8 * (2 + 3 + 4));
  EXPECT_EQ(plan->allTiles, 8 * 3 * 4);
  EXPECT_EQ(plan->visiblePairs(), 8.0 * (40 * 10 + 40 * 41 / 2));
}

/// Everything, on a layout of two dimensions.
KernelInfo kernelOnTwoDimensions() {
  FormulaBuilder builder({-1, -1});
  KernelInfo info = kernelOf(*builder.finish(builder.always()));
  info.rank = 2;
  info.tokens = info.kvTokens = {2, -1};
  info.queryTile = info.keyTile = {1, 1, 1, 1};
  return info;
}

TEST(Launch, BoxesOfSeveralDimensionsAreNarrow) {
  Buffers buffers(80, 80);
  Expected<LaunchPlan> plan = planLaunch(kernelOnTwoDimensions(), buffers.bindings);
  ASSERT_TRUE(plan) << plan.error().message;
  const auto *box = static_cast<const uint16_t *>(plan->args().boxes);
  EXPECT_EQ(std::vector<uint16_t>(box, box + 10),
            (std::vector<uint16_t>{0, 0, 2, 40, 1, 0, 0, 2, 40, 1}));
  EXPECT_EQ(plan->args().mapOffsets[1], 1);
}

TEST(Launch, NarrowBoxesHaveALimit) {
  Buffers buffers(2 * 65536, 2 * 65536);
  EXPECT_EQ(errorOf(kernelOnTwoDimensions(), buffers.bindings),
            "dimension 1 has 65536 tokens in key tiles of 1, which is more than 65535 tiles, the most "
            "in a dimension of a layout of several");
}

TEST(Launch, OrderIsLongestFirstAndComplete) {
  KernelInfo info = kernelOf(causal());
  Buffers buffers(100, 100);
  Expected<LaunchPlan> plan = planLaunch(info, buffers.bindings);
  ASSERT_TRUE(plan) << plan.error().message;
  std::vector<uint32_t> order(plan->args().order, plan->args().order + plan->tickets());
  for (size_t i = 1; i < order.size(); ++i)
    EXPECT_GE(order[i - 1] % 7, order[i] % 7) << "a later query tile sees more";
  std::sort(order.begin(), order.end());
  for (uint32_t i = 0; i < order.size(); ++i)
    EXPECT_EQ(order[i], i);
}

TEST(Launch, OneMapPerDistinctBatchInput) {
  KernelInfo info = kernelOf(prefix(0));
  info.batch = 2;
  info.inputs = {{"len", DType::I32, {2}}};
  Buffers buffers(64, 64);
  Tensor lengths = *Tensor::zeros({2}, DType::I32);
  buffers.bindings.inputs["len"] = lengths;
  auto plan = planLaunch(info, buffers.bindings);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->args().mapOfHead[4], 0) << "equal lengths share a map";
  EXPECT_EQ(plan->visitedTiles, 0);
  lengths.elements<int32_t>()[1] = 20;
  plan = planLaunch(info, buffers.bindings);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->args().mapOfHead[3], 0);
  EXPECT_EQ(plan->args().mapOfHead[4], 1);
  EXPECT_EQ(plan->visitedTiles, 4 * 4 * 2);
  EXPECT_EQ(plan->fullTiles, 4 * 4 * 1);
}

TEST(Launch, HeadParametersAreClamped) {
  FormulaBuilder builder({-1});
  LinearBound end{true, 0, {{Symbol{SymbolKind::HeadParam, 0}, 1}}};
  KernelInfo info = kernelOf(*builder.finish(builder.interval(std::nullopt, end)));
  info.formulaOfMask = {0, 0};
  info.parametersOfMask = {{{3, std::nullopt}}, {{int64_t(1) << 40, std::nullopt}}};
  info.maskOfHead = {0, 1, 0, 1};
  info.headParamCount = 1;
  Buffers buffers(20, 20);
  auto plan = planLaunch(info, buffers.bindings);
  ASSERT_TRUE(plan) << plan.error().message;
  const int32_t *params = plan->args().headParams;
  EXPECT_EQ(std::vector<int32_t>(params, params + 4),
            (std::vector<int32_t>{3, 1 << 30, 3, 1 << 30}));
  EXPECT_EQ(plan->args().mapOfHead[1], 1);
  EXPECT_EQ(plan->args().mapOfHead[2], 0);
}

TEST(Launch, NoQueriesAndNoKeys) {
  KernelInfo info = kernelOf(causal());
  Buffers noQueries(0, 40), noKeys(40, 0);
  auto plan = planLaunch(info, noQueries.bindings);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->tickets(), 0);
  plan = planLaunch(info, noKeys.bindings);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->tickets(), 24) << "the rows must be written: o = 0, lse = -inf";
  EXPECT_EQ(plan->visitedTiles, 0);
  EXPECT_EQ(plan->args().mapOffsets[3], 0);
}

TEST(Launch, WithoutLseThePlanLendsMemory) {
  KernelInfo info = kernelOf(causal());
  Buffers buffers(40, 40);
  buffers.bindings.lse.reset();
  auto plan = planLaunch(info, buffers.bindings);
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_NE(plan->args().lse, nullptr);
  plan->args().lse[2 * 4 * 40 - 1] = 1; // the whole of it is there
}

/// Whatever the number of workers that the plan was made for, and the lengths of the query tiles.
TEST(Launch, EveryTicketRunsOnceWithAlignedScratch) {
  static std::array<std::atomic<int>, 2048> runs;
  static std::atomic<int64_t> misaligned;
  auto kernel = [](const KernelArgs *, int64_t ticket, void *scratch) {
    static_cast<char *>(scratch)[99] = 1;
    misaligned += reinterpret_cast<uintptr_t>(scratch) % 64 != 0;
    ++runs[size_t(ticket)];
  };
  for (int64_t workers : {0, 1, 3, 500}) {
    SCOPED_TRACE(workers);
    KernelInfo info = kernelOf(causal());
    info.scratchBytes = 100;
    Buffers buffers(3000, 3000);
    auto plan = planLaunch(info, buffers.bindings, nullptr, {workers, 0});
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_LE(plan->tickets(), int64_t(runs.size()));
    ASSERT_GT(plan->tickets(), 100);
    for (auto &count : runs)
      count = 0;
    misaligned = 0;
    WorkerPool pool(3);
    ASSERT_TRUE(runOnCpu(*plan, info, kernel, pool));
    for (int64_t ticket = 0; ticket < int64_t(runs.size()); ++ticket)
      EXPECT_EQ(runs[size_t(ticket)], ticket < plan->tickets()) << ticket;
    EXPECT_EQ(misaligned, 0);
  }
}

/// Neighbours for one worker, as long as there is enough for the others; single tickets at the end.
TEST(Launch, WorkersDrawBatchesOfTickets) {
  KernelInfo info = kernelOf(causal());
  Buffers buffers(3000, 3000);
  auto batchesFor = [&](int64_t workers) {
    auto plan = planLaunch(info, buffers.bindings, nullptr, {workers, 0});
    EXPECT_TRUE(plan) << plan.error().message;
    std::vector<uint32_t> starts(plan->batches().begin(), plan->batches().end());
    EXPECT_EQ(starts.front(), 0u);
    EXPECT_EQ(int64_t(starts.back()), plan->tickets());
    return starts;
  };
  std::vector<uint32_t> two = batchesFor(2), many = batchesFor(5000);
  size_t tickets = two.back();
  EXPECT_LT(two.size(), tickets / 4) << "most batches have several tickets";
  for (size_t i = 1; i < two.size(); ++i) {
    EXPECT_LT(two[i - 1], two[i]);
    EXPECT_LE(two[i] - two[i - 1], 8u);
  }
  EXPECT_EQ(two[two.size() - 1] - two[two.size() - 2], 1u);
  EXPECT_EQ(many.size(), tickets + 1) << "there is not enough to do for batches";
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

TEST(Launch, BindsOneUnknownLength) {
  EXPECT_EQ(*bindLayout({-1}, 77, "tokens"), (std::vector<int64_t>{77}));
  EXPECT_EQ(*bindLayout({3, -1, 5}, 60, "tokens"), (std::vector<int64_t>{3, 4, 5}));
  EXPECT_EQ(*bindLayout({3, 5}, 15, "tokens"), (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(*bindLayout({-1}, 0, "tokens"), (std::vector<int64_t>{0}));
  EXPECT_EQ(bindLayout({3, -1}, 10, "tokens").error().message,
            "'tokens' [3, ?] cannot have 10 tokens");
  EXPECT_EQ(bindLayout({3, 4}, 10, "kv_tokens").error().message,
            "'kv_tokens' [3, 4] cannot have 10 tokens");
  auto twice = bindLayout({-1, -1}, 10, "tokens");
  EXPECT_EQ(twice.error().message,
            "'tokens' [?, ?] has more than one '?', which a length of 10 does not bind");
  EXPECT_EQ(twice.error().notes[0], "say them all, for example as '--tokens=30x48x80'");
}

TEST(Launch, TwoUnknownLengthsAreBoundByTheCaller) {
  KernelInfo info = kernelOf(causal());
  info.tokens = info.kvTokens = {-1, -1};
  Buffers buffers(40, 40);
  EXPECT_NE(errorOf(info, buffers.bindings), "no error");
  buffers.bindings.tokens = buffers.bindings.kvTokens = {5, 8};
  EXPECT_EQ(errorOf(info, buffers.bindings), "no error");
  buffers.bindings.tokens = {40};
  EXPECT_EQ(errorOf(info, buffers.bindings), "tokens [40] do not fit the spec, which says [?, ?]");
}

TEST(Launch, OneLayoutWhereTheMaskWantsIt) {
  KernelInfo info = kernelOf(causal());
  info.needsSameLayout = true;
  EXPECT_EQ(errorOf(info, Buffers(40, 50).bindings),
            "tokens [40] and kv_tokens [50] differ, but this mask needs queries and keys on one "
            "layout");
}

//===----------------------------------------------------------------------===//
// Refusals
//===----------------------------------------------------------------------===//

TEST(Launch, WrongTensors) {
  KernelInfo info = kernelOf(causal());
  Buffers buffers(40, 40);
  auto with = [&](auto &&change) {
    Bindings bindings = buffers.bindings;
    change(bindings);
    return errorOf(info, bindings);
  };
  EXPECT_EQ(with([](Bindings &b) { b.k.dtype = DType::F16; }),
            "'k' is f16, but the kernel takes f32");
  EXPECT_EQ(with([](Bindings &b) { b.v.shape[3] = 3; }),
            "'v' has shape [2, 2, 40, 3], but [2, 2, 40, 4] is wanted");
  EXPECT_EQ(with([](Bindings &b) { b.q.shape.pop_back(); }),
            "'q' has 3 dimensions, but [batch, heads, tokens, head_dim] is wanted");
  EXPECT_EQ(with([](Bindings &b) { b.q.strides.pop_back(); }),
            "'q' has 3 strides for 4 dimensions");
  EXPECT_EQ(with([](Bindings &b) { b.q.strides[3] = 2; }),
            "the last dimension of 'q' has stride 2, but it must be contiguous");
  EXPECT_EQ(with([](Bindings &b) { b.o.data = nullptr; }),
            "'o' of shape [2, 4, 40, 4] has no memory");
  EXPECT_EQ(with([](Bindings &b) { b.q.data = static_cast<char *>(b.q.data) + 1; }),
            "'q' starts at an address that is no multiple of 4 bytes");
  EXPECT_EQ(
      with([](Bindings &b) { b.q.strides[0] = int64_t(1) << 62; }),
      "'q' of shape [2, 4, 40, 8] and strides [4611686018427387904, 320, 8, 1] reaches beyond "
      "63 bits");
  EXPECT_EQ(with([](Bindings &b) { b.lse->shape[2] = 39; }),
            "'lse' has shape [2, 4, 39], but [2, 4, 40] is wanted");
}

TEST(Launch, TooLarge) {
  KernelInfo info = kernelOf(causal());
  Buffers buffers(40, 40);
  buffers.bindings.q.shape[2] = (int64_t(1) << 28) + 1;
  EXPECT_EQ(errorOf(info, buffers.bindings),
            "tokens [268435457] are more than 2^28 tokens, the most a kernel takes");
  buffers.bindings.q.shape[2] = 40;
  buffers.bindings.queryOffset = int64_t(1) << 40;
  EXPECT_EQ(errorOf(info, buffers.bindings),
            "q_offset 1099511627776 is beyond 2^28, the farthest a kernel goes");
}

TEST(Launch, OffsetThatTheSpecFixes) {
  KernelInfo info = kernelOf(causal());
  info.queryOffset = 5;
  Buffers buffers(40, 40);
  EXPECT_EQ(planLaunch(info, buffers.bindings)->args().queryOffset, 5);
  buffers.bindings.queryOffset = 6;
  EXPECT_EQ(errorOf(info, buffers.bindings), "q_offset is 6 here, but the spec fixes it at 5");
}

TEST(Launch, RunTimeInputs) {
  KernelInfo info = kernelOf(prefix(0));
  info.inputs = {{"len", DType::I32, {2}}};
  Buffers buffers(40, 40);
  EXPECT_EQ(errorOf(info, buffers.bindings), "input 'len' is missing: i32 of shape [2]");
  Tensor wrong = *Tensor::zeros({3}, DType::I32);
  buffers.bindings.inputs["len"] = wrong;
  EXPECT_EQ(errorOf(info, buffers.bindings), "'len' has shape [3], but [2] is wanted");
  Tensor right = *Tensor::zeros({2}, DType::I32);
  buffers.bindings.inputs["len"] = right;
  buffers.bindings.inputs["lens"] = right;
  EXPECT_EQ(errorOf(info, buffers.bindings),
            "the kernel has no input 'lens'\nnote: its inputs are 'len'");
}

TEST(Launch, LabelsNeedAsManyQueriesAsKeys) {
  FormulaBuilder builder({-1});
  KernelInfo info = kernelOf(*builder.finish(builder.labels(0, 0)));
  info.inputs = {{"document", DType::I32, {-1}}};
  Buffers buffers(40, 50);
  Tensor labels = *Tensor::zeros({50}, DType::I32);
  buffers.bindings.inputs["document"] = labels;
  EXPECT_EQ(errorOf(info, buffers.bindings),
            "input 'document' labels queries and keys alike, but there are 40 queries and 50 keys");
}

/// A kernel from MLIR text may declare what the language refuses.
TEST(Launch, ListsAreOfAllBatchEntriesAndHeadsOrOfEach) {
  FormulaBuilder builder({-1});
  KernelInfo info = kernelOf(*builder.finish(builder.listed({0, -1, kTile})));
  info.inputs = {{"bits", DType::I32, {-1, -1, -1, -1}}};
  Buffers buffers(40, 40);
  auto with = [&](std::vector<int64_t> shape) {
    Tensor bits = *Tensor::zeros(std::move(shape), DType::I32);
    buffers.bindings.inputs["bits"] = bits;
    return errorOf(info, buffers.bindings);
  };
  EXPECT_EQ(with({1, 4, 3, 1}), "no error");
  EXPECT_EQ(with({2, 1, 3, 1}), "no error");
  EXPECT_EQ(with({3, 1, 3, 1}), "extent 0 of input 'bits' is 3, but must be 1 or 2");
  EXPECT_EQ(with({2, 2, 3, 1}), "extent 1 of input 'bits' is 2, but must be 1 or 4");
}

TEST(Launch, HeadsThatSeeNothingAreNamed) {
  KernelInfo info = kernelOf(prefix(0));
  info.inputs = {{"len", DType::I32, {2}}};
  Buffers buffers(40, 40);
  Tensor lengths = *Tensor::zeros({2}, DType::I32);
  buffers.bindings.inputs["len"] = lengths;
  EXPECT_EQ(planLaunch(info, buffers.bindings)->blindHeads(), (std::vector<int64_t>{0, 1, 2, 3}));
  lengths.elements<int32_t>()[1] = 1;
  EXPECT_EQ(planLaunch(info, buffers.bindings)->blindHeads(), std::vector<int64_t>{})
      << "one batch entry sees";
  info.formulas = {causal()};
  info.inputs.clear();
  Buffers noKeys(40, 0), noQueries(0, 40);
  EXPECT_EQ(planLaunch(info, noKeys.bindings)->blindHeads().size(), 4u);
  EXPECT_EQ(planLaunch(info, noQueries.bindings)->blindHeads().size(), 0u);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

TEST(Launch, OutputsShareNoMemory) {
  KernelInfo info = kernelOf(causal());
  info.headDimV = 8;
  Buffers buffers(40, 40);
  Tensor v = *Tensor::zeros({2, 2, 40, 8}, DType::F32);
  buffers.bindings.v = v;
  buffers.bindings.o = buffers.q;
  EXPECT_EQ(errorOf(info, buffers.bindings), "'o', which is written, overlaps 'q' in memory");
  Tensor o = *Tensor::zeros({2, 4, 40, 8}, DType::F32);
  buffers.bindings.o = o;
  EXPECT_EQ(errorOf(info, buffers.bindings), "no error");
  buffers.bindings.lse = TensorView(o.data(), DType::F32, {2, 4, 40});
  EXPECT_EQ(errorOf(info, buffers.bindings), "'o' and 'lse', which are written, overlap in memory");
  buffers.bindings.lse = buffers.lse;
  buffers.bindings.o.strides[0] = 0;
  EXPECT_EQ(errorOf(info, buffers.bindings),
            "elements of 'o', which is written, share memory: its shape is [2, 4, 40, 8], its "
            "strides are [0, 320, 8, 1]");
}

TEST(Launch, InterleavedTensorsAreApart) {
  // [batch][token][q k v o][head][dim], as a fused projection writes them.
  constexpr int64_t kHeads = 4, kDim = 8, kTokens = 5, kRow = 4 * kHeads * kDim;
  std::vector<float> memory(2 * kTokens * kRow);
  auto part = [&](int64_t number) {
    return TensorView(memory.data() + number * kHeads * kDim, DType::F32,
                      {2, kHeads, kTokens, kDim}, {kTokens * kRow, kDim, kRow, 1});
  };
  EXPECT_TRUE(provenDisjoint(part(3), part(0)));
  EXPECT_TRUE(provenDisjoint(part(3), part(2)));
  EXPECT_FALSE(provenDisjoint(part(3), part(3)));
  TensorView shifted = part(2);
  shifted.data = static_cast<float *>(shifted.data) + 1;
  EXPECT_FALSE(provenDisjoint(part(3), shifted)) << "the last head reaches into o";
}

TEST(Launch, DisjointMatchesBruteForce) {
  for (int64_t offset = 0; offset < 40; ++offset)
    for (int64_t strideA = 1; strideA < 9; ++strideA)
      for (int64_t strideB = 1; strideB < 9; ++strideB) {
        std::vector<uint8_t> memory(200);
        TensorView a(memory.data() + 20, DType::U8, {3, 2}, {strideA, 1});
        TensorView b(memory.data() + offset, DType::U8, {4, 2}, {strideB, 1});
        std::vector<int> touched(200);
        for (int64_t i = 0; i < 3; ++i)
          for (int64_t j = 0; j < 2; ++j)
            touched[size_t(20 + i * strideA + j)] = 1;
        bool meet = false;
        for (int64_t i = 0; i < 4; ++i)
          for (int64_t j = 0; j < 2; ++j)
            meet |= touched[size_t(offset + i * strideB + j)] == 1;
        if (provenDisjoint(a, b))
          EXPECT_FALSE(meet) << offset << " " << strideA << " " << strideB;
      }
}

} // namespace
} // namespace attn
