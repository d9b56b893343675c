// The profile of a launch: wavefronts of shared memory, sectors of global memory, and how it is
// written down.
#include "runtime/emulator/Profile.h"
#include "test/emulator/Run.h"

#include <gtest/gtest.h>

namespace attn::emulator {
namespace {

Profile profileOf(const std::string &body, uint32_t threads = 32) {
  Profile profile;
  LaunchOptions options;
  options.profile = &profile;
  Outcome outcome = runBody(body, std::vector<uint32_t>(4096), 4096, options, threads);
  EXPECT_EQ(outcome.fault, "");
  return profile;
}

/// The counts of the only executed line that holds `text`.
InstProfile countsOf(const Profile &profile, const std::string &text) {
  const Profile::Line *found = nullptr;
  for (const Profile::Line &line : profile.lines)
    if (line.text.find(text) != std::string::npos) {
      EXPECT_EQ(found, nullptr) << text;
      found = &line;
    }
  EXPECT_NE(found, nullptr) << text;
  return found ? found->counts : InstProfile();
}

struct SharedCase {
  const char *name;
  unsigned bytes;  ///< a lane
  unsigned stride; ///< bytes from lane to lane
  uint64_t wavefronts, least;
};

// By hand: a bank is (offset / 4) % 32; 32, 16 or 8 lanes go together.
TEST(Profile, CountsBankConflicts) {
  for (const SharedCase &c : {
           SharedCase{"one word each", 4, 4, 1, 1},
           SharedCase{"the same word", 4, 0, 1, 1},
           SharedCase{"every second bank", 4, 8, 2, 1},
           SharedCase{"one bank", 4, 128, 32, 1},
           SharedCase{"padded rows", 4, 132, 1, 1},
           SharedCase{"halves of words", 2, 2, 1, 1},
           SharedCase{"two words each", 8, 8, 2, 2},
           SharedCase{"two words each, one pair of banks", 8, 128, 32, 2},
           SharedCase{"four words each", 16, 16, 4, 4},
           SharedCase{"rows of 128 bytes", 16, 128, 32, 4},
           SharedCase{"rows of 144 bytes", 16, 144, 4, 4},
           SharedCase{"rows of 64 bytes", 16, 64, 16, 4},
       }) {
    std::string type = c.bytes == 16  ? "v4.u32 [%r1], {%r0, %r0, %r0, %r0}"
                       : c.bytes == 8 ? "v2.u32 [%r1], {%r0, %r0}"
                       : c.bytes == 4 ? "u32 [%r1], %r0"
                                      : "u16 [%r1], %r0";
    std::string body = "  .shared .align 16 .b8 x[8192];\n  mov.u32 %r0, 0;\n  mov.u32 %r2, x;\n"
                       "  mad.lo.u32 %r1, %lane, " +
                       std::to_string(c.stride) + ", %r2;\n  st.shared." + type + ";\n";
    InstProfile counts = countsOf(profileOf(body), "st.shared");
    EXPECT_EQ(counts.executed, 1u) << c.name;
    EXPECT_EQ(counts.sharedBytes, 32u * c.bytes) << c.name;
    EXPECT_EQ(counts.wavefronts, c.wavefronts) << c.name;
    EXPECT_EQ(counts.leastWavefronts, c.least) << c.name;
  }
}

TEST(Profile, CountsRowsOfLdmatrix) {
  for (auto [stride, wavefronts] : {std::pair(16, 4u), {128, 32u}, {144, 4u}, {32, 8u}}) {
    std::string body = "  .shared .align 16 .b8 x[8192];\n  mov.u32 %r0, 0;\n  mov.u32 %r2, x;\n"
                       "  mad.lo.u32 %r1, %lane, " +
                       std::to_string(stride) +
                       ", %r2;\n  st.shared.v4.u32 [%r1], {%r0, %r0, %r0, %r0};\n  bar.sync 0;\n"
                       "  ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r1];\n";
    EXPECT_EQ(countsOf(profileOf(body), "ldmatrix").wavefronts, wavefronts) << stride;
  }
}

struct GlobalCase {
  const char *name;
  const char *load;
  unsigned stride, offset;
  uint64_t sectors, least;
};

TEST(Profile, CountsSectors) {
  for (const GlobalCase &c : {
           GlobalCase{"a row", "ld.global.u32 %r1", 4, 0, 4, 4},
           GlobalCase{"a row that begins within a sector", "ld.global.u32 %r1", 4, 16, 5, 4},
           GlobalCase{"one word", "ld.global.u32 %r1", 0, 0, 1, 1},
           GlobalCase{"every second word", "ld.global.u32 %r1", 8, 0, 8, 4},
           GlobalCase{"a sector each", "ld.global.u32 %r1", 32, 0, 32, 4},
           GlobalCase{"vectors", "ld.global.v4.u32 {%r1, %r2, %r3, %r4}", 16, 0, 16, 16},
           GlobalCase{"vectors apart", "ld.global.v4.u32 {%r1, %r2, %r3, %r4}", 64, 0, 32, 16},
       }) {
    std::string body = "  mul.wide.u32 %d0, %lane, " + std::to_string(c.stride) +
                       ";\n  add.u64 %d0, %d0, %in;\n  " + c.load + ", [%d0+" +
                       std::to_string(c.offset) + "];\n";
    InstProfile counts = countsOf(profileOf(body), "ld.global");
    EXPECT_EQ(counts.requests, 1u) << c.name;
    EXPECT_EQ(counts.sectors, c.sectors) << c.name;
    EXPECT_EQ(counts.leastSectors, c.least) << c.name;
    EXPECT_EQ(counts.coalesced(), c.sectors == c.least) << c.name;
  }
}

const std::string kCopy = "  .shared .align 16 .b8 x[1024];\n  mov.u32 %r2, x;\n"
                          "  mov.u32 %r3, %tid.x;\n  mad.lo.u32 %r1, %r3, 16, %r2;\n"
                          "  mul.wide.u32 %d0, %r3, 16;\n  add.u64 %d0, %d0, %in;\n"
                          "  setp.lt.u32 %p0, %r3, 48;\n"
                          "  @%p0 cp.async.cg.shared.global [%r1], [%d0], 16;\n"
                          "  cp.async.wait_all;\n";

TEST(Profile, CountsAsyncCopies) {
  InstProfile counts = countsOf(profileOf(kCopy, 64), "cp.async.cg");
  EXPECT_EQ(counts.executed, 2u);
  EXPECT_EQ(counts.lanes, 48u);
  EXPECT_EQ(counts.asyncBytes, 48u * 16);
  EXPECT_EQ(counts.globalBytes, 48u * 16);
  EXPECT_EQ(counts.sectors, 24u);
  EXPECT_EQ(counts.wavefronts, 6u);
  EXPECT_EQ(counts.conflicts(), 0u);
}

TEST(Profile, AgreesWithTheCounters) {
  Profile profile = profileOf(kCopy, 64);
  InstProfile total = profile.total();
  EXPECT_EQ(profile.kernel, "k");
  EXPECT_EQ(profile.blocks, 1u);
  EXPECT_EQ(profile.warps, 2u);
  EXPECT_EQ(total.executed, profile.counters.total());
  EXPECT_EQ(total.lanes, profile.counters.laneInstructions);
  EXPECT_EQ(profile.counters.laneInstructions, 64 * (profile.counters.total() / 2) - 16);
}

TEST(Profile, IsWrittenAsTextAndAsJson) {
  Profile profile = profileOf("  .shared .align 16 .b8 x[8192];\n  mov.u32 %r0, 0;\n"
                              "  mov.u32 %r2, x;\n  mad.lo.u32 %r1, %lane, 128, %r2;\n"
                              "  st.shared.u32 [%r1], %r0;\n  ld.global.u32 %r3, [%in];\n");
  std::string text = profile.text();
  for (const char *part :
       {"kernel 'k', 1 blocks of 1 warps", "st.shared                   1   10.0%",
        "32 wavefronts, 31 of them bank conflicts", "32.00  st.shared.u32 [%r1], %r0;",
        "1 requests, 1 sectors", "ld.global.u32 %r3, [%in];"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  std::string json = profile.json();
  for (const char *part : {"{\"kernel\":\"k\",\"blocks\":1,\"warpsPerBlock\":1,\"instructions\":{",
                           "\"text\":\"st.shared.u32 [%r1], "
                           "%r0;\",\"class\":\"st.shared\",\"executed\":1,\"lanes\":32,"
                           "\"sharedBytes\":128,\"wavefronts\":32,\"leastWavefronts\":1}",
                           "\"globalBytes\":128,\"requests\":1,\"sectors\":1,\"leastSectors\":1"})
    EXPECT_NE(json.find(part), std::string::npos) << part << "\n" << json;
}

TEST(Profile, NeedsNoChecks) {
  Profile profile;
  LaunchOptions options{.checks = false};
  options.profile = &profile;
  EXPECT_EQ(runBody(kCopy, std::vector<uint32_t>(256), 1, options, 64).fault, "");
  EXPECT_EQ(countsOf(profile, "cp.async.cg").asyncBytes, 48u * 16);
}

} // namespace
} // namespace attn::emulator
