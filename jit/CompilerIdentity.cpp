#include "jit/CompilerIdentity.h"

#include "llvm-c/Core.h"

#include <fmt/format.h>

namespace attn {

static constexpr const char *kSources =
#include "jit/CompilerIdentity.inc"
    ;

std::string compilerVersion() { return "attnc " ATTNC_VERSION; }

std::string compilerIdentity() {
  unsigned major, minor, patch; // a shared LLVM may be newer than the headers that we saw
  LLVMGetVersion(&major, &minor, &patch);
  return fmt::format("{} {}, LLVM {}.{}.{}", compilerVersion(), kSources, major, minor, patch);
}

} // namespace attn
