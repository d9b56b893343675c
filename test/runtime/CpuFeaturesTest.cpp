#include "runtime/CpuFeatures.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace attn;

TEST(CpuFeatures, NamesParseBack) {
  for (IsaLevel level : kIsaLevels)
    EXPECT_EQ(parseIsaLevel(isaLevelName(level)), level);
  EXPECT_EQ(parseIsaLevel("AVX2"), std::nullopt);
  EXPECT_EQ(parseIsaLevel(""), std::nullopt);
}

#if defined(__x86_64__)
TEST(CpuFeatures, AgreesWithTheCompilersLibrary) {
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi2");
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512cd");
  bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  bool amx = bf16 && __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16");
  // Whether the system lets us use it, nobody else knows.
  if (amx && hostIsaLevel() != IsaLevel::Amx)
    GTEST_SKIP() << "the processor has AMX, which the operating system does not let us use";
  EXPECT_EQ(hostIsaLevel(), amx      ? IsaLevel::Amx
                            : bf16   ? IsaLevel::Avx512Bf16
                            : avx512 ? IsaLevel::Avx512
                            : avx2   ? IsaLevel::Avx2
                                     : IsaLevel::Baseline);
}

TEST(CpuFeatures, DotProductsAreTakenWhereTheyAreFaster) {
  __builtin_cpu_init();
  bool isSlow = __builtin_cpu_is("intel") && hostIsaLevel() == IsaLevel::Avx512Bf16;
  EXPECT_EQ(fastestIsaLevel(), isSlow ? IsaLevel::Avx512 : hostIsaLevel());
}
#else
TEST(CpuFeatures, OtherProcessorsAreBaseline) { EXPECT_EQ(hostIsaLevel(), IsaLevel::Baseline); }
#endif
