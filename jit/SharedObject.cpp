#include "jit/SharedObject.h"

#include "codegen/cpu/EmitCpu.h"
#include "jit/CodeMemory.h"
#include "jit/ExternalTool.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Target/TargetMachine.h"

namespace attn {

/// f32ToF16 and f16ToF32 of runtime/DType.h under the names of the calls that processors without
/// the instructions convert by. Hidden: they are nobody else's.
static constexpr const char *kConversions = R"(
define hidden half @__truncsfhf2(float %x) {
  %bits = bitcast float %x to i32
  %high = lshr i32 %bits, 16
  %sign = and i32 %high, 32768
  %magnitude = and i32 %bits, 2147483647
  %payload = lshr i32 %magnitude, 13
  %quiet = and i32 %payload, 511
  %nan = or i32 %quiet, 32256
  %last = and i32 %payload, 1
  %even = add i32 %last, 4095
  %rounded = add i32 %magnitude, %even
  %rebased = sub i32 %rounded, 939524096
  %normal = lshr i32 %rebased, 13
  %exponent = lshr i32 %magnitude, 23
  %tiny = icmp ult i32 %exponent, 102
  %far = sub i32 126, %exponent
  %isNear = icmp ult i32 %far, 25
  %shift = select i1 %isNear, i32 %far, i32 24
  %fraction = and i32 %magnitude, 8388607
  %significand = or i32 %fraction, 8388608
  %units = lshr i32 %significand, %shift
  %unit = shl i32 1, %shift
  %mask = sub i32 %unit, 1
  %rest = and i32 %significand, %mask
  %odd = and i32 %units, 1
  %tie = add i32 %rest, %odd
  %half = lshr i32 %unit, 1
  %up = icmp ugt i32 %tie, %half
  %one = zext i1 %up to i32
  %subnormal = add i32 %units, %one
  %isNormal = icmp uge i32 %magnitude, 947912704
  %small = select i1 %tiny, i32 0, i32 %subnormal
  %finite = select i1 %isNormal, i32 %normal, i32 %small
  %isBig = icmp uge i32 %magnitude, 1199566848
  %number = select i1 %isBig, i32 31744, i32 %finite
  %isNan = icmp ugt i32 %magnitude, 2139095040
  %value = select i1 %isNan, i32 %nan, i32 %number
  %signed = or i32 %value, %sign
  %short = trunc i32 %signed to i16
  %result = bitcast i16 %short to half
  ret half %result
}

define hidden float @__extendhfsf2(half %x) {
  %short = bitcast half %x to i16
  %bits = zext i16 %short to i32
  %top = and i32 %bits, 32768
  %sign = shl i32 %top, 16
  %shifted = lshr i32 %bits, 10
  %exponent = and i32 %shifted, 31
  %fraction = and i32 %bits, 1023
  %high = shl i32 %fraction, 13
  %isWhole = icmp eq i32 %fraction, 0
  %quiet = select i1 %isWhole, i32 0, i32 4194304
  %special = or i32 %high, %quiet
  %nan = or i32 %special, 2139095040
  %biased = add i32 %exponent, 112
  %placed = shl i32 %biased, 23
  %normal = or i32 %placed, %high
  %count = uitofp i32 %fraction to float
  %small = fmul float %count, 0x3E70000000000000
  %subnormal = bitcast float %small to i32
  %isSubnormal = icmp eq i32 %exponent, 0
  %finite = select i1 %isSubnormal, i32 %subnormal, i32 %normal
  %isSpecial = icmp eq i32 %exponent, 31
  %magnitude = select i1 %isSpecial, i32 %nan, i32 %finite
  %signed = or i32 %magnitude, %sign
  %result = bitcast i32 %signed to float
  ret float %result
}
)";

/// Null after a diagnostic on `module`.
static Expected<std::unique_ptr<llvm::MemoryBuffer>> conversions(mlir::ModuleOp module,
                                                                 IsaLevel isa) {
  std::unique_ptr<llvm::MemoryBuffer> nothing;
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> helpers =
      llvm::parseAssemblyString(kConversions, diagnostic, context);
  assert(helpers && "the conversions are valid LLVM IR");
  std::unique_ptr<llvm::TargetMachine> machine = cpu::makeTargetMachine(module, isa);
  if (!machine)
    return nothing;
  helpers->setTargetTriple(machine->getTargetTriple());
  helpers->setDataLayout(machine->createDataLayout());
  return emitObject(*helpers, *machine);
}

std::string findLinker() {
  for (const char *name : {"ld.lld-" ATTNC_LLVM_MAJOR, "ld.lld"}) {
    if (llvm::ErrorOr<std::string> found =
            llvm::sys::findProgramByName(name, {ATTNC_LLVM_PROGRAMS}))
      return *found;
    if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName(name))
      return *found;
  }
  return "";
}

static Expected<std::string> link(const llvm::MemoryBuffer &object,
                                  const llvm::MemoryBuffer &helpers) {
  std::string linker = findLinker();
  if (linker.empty())
    return makeError(
               "no 'ld.lld', which makes shared objects of CPU kernels, beside LLVM's programs "
               "or on PATH")
        .withNote("install Debian's package 'lld-" ATTNC_LLVM_MAJOR
                  "', or leave the target 'cpu' out");
  TemporaryFile kernel, conversion, output;
  for (auto [file, suffix, content] :
       {std::tuple(&kernel, "o", object.getBuffer()),
        std::tuple(&conversion, "o", helpers.getBuffer()),
        std::tuple(&output, "so", llvm::StringRef())})
    if (Status status = file->create(suffix, content); !status)
      return status.takeError();
  if (Status status = runTool("ld.lld", {linker, "-shared", "--gc-sections", "--strip-all",
                                         "--hash-style=gnu", "--build-id=none", "-znow",
                                         "-znoexecstack", kernel.path(), conversion.path(), "-o",
                                         output.path()});
      !status) {
    kernel.keep();
    conversion.keep();
    return status.takeError();
  }
  return output.contents();
}

Expected<std::string> linkSharedObject(mlir::ModuleOp module, const llvm::MemoryBuffer &object,
                                       IsaLevel isa) {
  auto helpers = conversions(module, isa);
  if (!helpers)
    return helpers.takeError();
  if (!*helpers)
    return Error();
  return link(object, **helpers);
}

} // namespace attn
