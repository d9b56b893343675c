#include "jit/LaunchForm.h"

#include "codegen/cpu/EmitCpu.h"
#include "jit/CodeMemory.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

namespace attn {

static std::vector<int64_t> lengths(ArrayRef<int64_t> dims) {
  std::vector<int64_t> result;
  for (int64_t dim : dims)
    result.push_back(ShapedType::isDynamic(dim) ? -1 : dim);
  return result;
}

FailureOr<KernelInfo> tileForLaunch(Compilation &c, StringRef kernel, const Target &target,
                                    const TilingOptions &tiling, InfoOfKernel infoOf) {
  if (failed(c.selectKernel(kernel)))
    return failure();
  std::vector<int64_t> tokens = lengths(c.attention().getTokens().getDims());
  std::vector<int64_t> kvTokens = lengths(c.attention().getKvTokens().getDims());
  auto function = c.attention()->getParentOfType<func::FuncOp>();
  std::string name = function.getName().str();
  function.setName("attn_kernel_" + name);
  if (failed(c.tile(target, tiling)))
    return failure();
  FailureOr<KernelInfo> info = infoOf(c.tiledAttention());
  if (succeeded(info)) {
    info->name = name;
    info->tokens = std::move(tokens);
    info->kvTokens = std::move(kvTokens);
  }
  return info;
}

Expected<std::unique_ptr<llvm::MemoryBuffer>> objectOf(Compilation &c, IsaLevel isa) {
  std::unique_ptr<llvm::MemoryBuffer> nothing;
  if (failed(c.timed("lower", [&] { return cpu::lowerToLLVM(c.module(), isa); })))
    return nothing;
  llvm::LLVMContext context;
  auto module =
      c.timed("optimise", [&] { return cpu::translateToLLVMIR(c.module(), context, isa); });
  std::unique_ptr<llvm::TargetMachine> machine =
      module ? cpu::makeTargetMachine(c.module(), isa) : nullptr;
  if (!machine)
    return nothing;
  return c.timed("emit", [&] { return emitObject(*module, *machine); });
}

} // namespace attn
