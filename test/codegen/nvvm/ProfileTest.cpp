// What an sm_80 kernel spends, counted by the emulator: no bank conflicts, whole 16-byte copies, and the
// instructions per score, printed beside what the best kernels need.
#include "runtime/emulator/Profile.h"
#include "test/codegen/PtxExperiment.h"

#include "fmt/format.h"
#include "gtest/gtest.h"

using namespace attn;
namespace ref = attn::reference;
using emulator::InstClass;

namespace {

constexpr int64_t kTokens = 512;

emulator::Profile profileOf(int64_t headDim, const ref::Mask &mask) {
  ref::Draw draw(3);
  ref::Shape shape;
  shape.heads = 2;
  shape.headDim = headDim;
  shape.dtype = ref::Type::BF16;
  shape.tokens = {kTokens};
  test::KernelCase c = test::caseOf(draw, {shape, mask, {}});
  TilingOptions tiling;
  tiling.queryTile = {128}; // few queries would get smaller ones
  test::PtxCompilation compiled = test::compileToPtx(c.spec, "sm_80", tiling);
  emulator::Profile profile;
  EXPECT_TRUE(compiled.kernel) << compiled.diagnostics;
  if (!compiled.kernel)
    return profile;
  Expected<emulator::Module> module = emulator::Module::parse(compiled.kernel->ptx);
  EXPECT_TRUE(module) << module.error().message;
  test::PtxVerdict verdict = test::PtxExperiment(c, draw).run(compiled.kernel->info, *module,
                                                              {.profile = &profile});
  EXPECT_TRUE(verdict.ok()) << verdict.fault << verdict.wrong;
  return profile;
}

/// One line of the table: lane instructions of a class for each score of the visited tiles.
struct Row {
  InstClass instClass;
  double needed; ///< of FlashAttention-3's inner loop on a full tile; 0: not known
  const char *why;
};
const Row kRows[] = {
    {InstClass::Mma, 0, ""},
    {InstClass::LoadMatrix, 0, ""},
    {InstClass::Float, 3, "FFMA, FADD, FMNMX; the rescaling of the output beside them"},
    {InstClass::Special, 1, "MUFU.EX2"},
    {InstClass::Convert, 0.5, "F2FP of two weights"},
    {InstClass::Compare, 0, ""},
    {InstClass::Integer, 0, ""},
    {InstClass::Move, 0, ""},
    {InstClass::AsyncCopy, 0, ""},
};

double perScore(const emulator::Profile &profile, InstClass instClass, double scores) {
  return double(profile.counters[instClass]) * 32 / scores;
}

void print(const char *what, const emulator::Profile &profile, double scores) {
  fmt::print("{}: lane instructions per score\n", what);
  for (const Row &row : kRows) {
    fmt::print("  {:<10} {:6.3f}", emulator::instClassName(row.instClass),
               perScore(profile, row.instClass, scores));
    if (row.needed > 0)
      fmt::print("   needed {:.1f}: {}", row.needed, row.why);
    fmt::print("\n");
  }
  fmt::print("  all        {:6.3f}   issue slots of an A100 while its matrix units work: 32 at "
             "head_dim 128\n",
             double(profile.counters.total()) * 32 / scores);
}

class Sm80Profile : public testing::TestWithParam<int64_t> {};

TEST_P(Sm80Profile, SharedMemoryWithoutConflicts) {
  emulator::Profile profile = profileOf(GetParam(), ref::causal());
  uint64_t lines = 0;
  for (const auto &line : profile.lines) {
    EXPECT_EQ(line.counts.conflicts(), 0u) << line.line << ": " << line.text;
    lines += line.counts.wavefronts > 0;
  }
  EXPECT_GT(lines, 8u) << "there are reads and writes of shared memory";
}

TEST_P(Sm80Profile, TilesArriveInWholeSectors) {
  emulator::Profile profile = profileOf(GetParam(), ref::causal());
  uint64_t copies = 0;
  for (const auto &line : profile.lines)
    if (line.instClass == InstClass::AsyncCopy) {
      EXPECT_TRUE(line.counts.coalesced()) << line.line << ": " << line.text;
      EXPECT_EQ(line.counts.asyncBytes, 16 * line.counts.lanes) << line.line << ": " << line.text;
      ++copies;
    }
  EXPECT_GT(copies, 8u);
}

INSTANTIATE_TEST_SUITE_P(HeadDims, Sm80Profile, testing::Values(16, 32, 48, 64, 96, 128, 256));

TEST(Sm80Profile, InstructionsPerScore) {
  double scores = 2.0 * kTokens * kTokens;
  emulator::Profile dense = profileOf(128, ref::all());
  print("head_dim 128, full tiles", dense, scores);
  // Each score takes 4 * 128 operations of the matrix units, 4096 a warp instruction.
  EXPECT_DOUBLE_EQ(perScore(dense, InstClass::Mma, scores), 4.0 * 128 / 4096 * 32);
  EXPECT_LT(perScore(dense, InstClass::Special, scores), 1.1) << "one exponential, and one a row and tile";
  EXPECT_LT(double(dense.counters.total()) * 32 / scores, 32)
      << "the matrix units are the slowest part";
}

} // namespace
