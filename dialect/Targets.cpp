#include "dialect/Targets.h"

#include "llvm/ADT/STLExtras.h"

namespace attn {

// Shared memory per block: CUDA C++ Programming Guide, "Compute Capabilities": 163 KB on 8.0.
static constexpr Target kTargets[] = {
    {"cpu", TargetKind::Cpu, "", "", false, false, 0, false},
    {"sm_80", TargetKind::Gpu, "sm_80", "+ptx70", true, false, 163 * 1024, true},
};

llvm::ArrayRef<Target> allTargets() { return kTargets; }

const Target *findTarget(llvm::StringRef name) {
  const auto *it = llvm::find_if(kTargets, [&](const Target &t) { return t.name == name; });
  return it == std::end(kTargets) ? nullptr : it;
}

} // namespace attn
