#include "runtime/CpuFeatures.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace attn {
namespace {

#if defined(__x86_64__)
/// Intel SDM volume 1, chapter 18. `saved` is XCR0. Linux saves tiles for who has asked for it.
bool hasAmx(unsigned saved) {
#if defined(__linux__)
  unsigned eax, ebx, ecx, edx;
  constexpr unsigned kTiles = 1u << 17 | 1u << 18, kAmx = 1u << 22 | 1u << 24; // BF16, TILE
  if ((saved & kTiles) != kTiles || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) ||
      (edx & kAmx) != kAmx)
    return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18; // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

/// Intel SDM volume 2, CPUID, and volume 1, 13.3: XCR0.
IsaLevel detect() {
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
    return IsaLevel::Baseline;
  constexpr unsigned kLeaf1 = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29; // FMA, OSXSAVE, AVX, F16C
  if ((ecx & kLeaf1) != kLeaf1)
    return IsaLevel::Baseline;
  unsigned savedLow, savedHigh; // XGETBV exists because OSXSAVE is set
  __asm__ volatile("xgetbv" : "=a"(savedLow), "=d"(savedHigh) : "c"(0));
  constexpr unsigned kYmm = 0x6, kZmm = 0xe6; // XMM and YMM; also masks and both halves of ZMM
  if ((savedLow & kYmm) != kYmm || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
    return IsaLevel::Baseline;
  constexpr unsigned kAvx2 = 1u << 5 | 1u << 8; // AVX2, BMI2
  if ((ebx & kAvx2) != kAvx2)
    return IsaLevel::Baseline;
  constexpr unsigned kAvx512 =
      1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31; // F DQ CD BW VL
  bool avx512 = (savedLow & kZmm) == kZmm && (ebx & kAvx512) == kAvx512;
  if (!avx512)
    return IsaLevel::Avx2;
  constexpr unsigned kBf16 = 1u << 5;
  bool bf16 = __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax & kBf16);
  if (!bf16)
    return IsaLevel::Avx512;
  return hasAmx(savedLow) ? IsaLevel::Amx : IsaLevel::Avx512Bf16;
}

/// VDPBF16PS starts every other cycle on a Xeon with AMX and does half the FLOP/s of two FMAs in
/// each; on Zen 4 it does twice theirs. Intel's cores leave bf16 to AMX.
bool hasSlowDotProducts() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_INTEL_ebx &&
         ecx == signature_INTEL_ecx && edx == signature_INTEL_edx;
}
#else
IsaLevel detect() { return IsaLevel::Baseline; }
bool hasSlowDotProducts() { return false; }
#endif

} // namespace

std::string_view isaLevelName(IsaLevel level) {
  switch (level) {
  case IsaLevel::Baseline:
    return "baseline";
  case IsaLevel::Avx2:
    return "avx2";
  case IsaLevel::Avx512:
    return "avx512";
  case IsaLevel::Avx512Bf16:
    return "avx512bf16";
  case IsaLevel::Amx:
    return "amx";
  }
  return "baseline";
}

std::optional<IsaLevel> parseIsaLevel(std::string_view name) {
  for (IsaLevel level : kIsaLevels)
    if (isaLevelName(level) == name)
      return level;
  return std::nullopt;
}

IsaLevel hostIsaLevel() {
  static const IsaLevel level = detect();
  return level;
}

IsaLevel fastestIsaLevel() {
  static const IsaLevel level = hostIsaLevel() == IsaLevel::Avx512Bf16 && hasSlowDotProducts()
                                    ? IsaLevel::Avx512
                                    : hostIsaLevel();
  return level;
}

} // namespace attn
