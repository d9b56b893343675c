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
  EXPECT_EQ(hostIsaLevel(), bf16     ? IsaLevel::Avx512Bf16
                            : avx512 ? IsaLevel::Avx512
                            : avx2   ? IsaLevel::Avx2
                                     : IsaLevel::Baseline);
}

TEST(CpuFeatures, DotProductsAreTakenWhereTheyAreFaster) {
  __builtin_cpu_init();
  IsaLevel most = __builtin_cpu_is("intel") ? IsaLevel::Avx512 : IsaLevel::Avx512Bf16;
  EXPECT_EQ(fastestIsaLevel(), std::min(hostIsaLevel(), most));
}
#else
TEST(CpuFeatures, OtherProcessorsAreBaseline) { EXPECT_EQ(hostIsaLevel(), IsaLevel::Baseline); }
#endif
