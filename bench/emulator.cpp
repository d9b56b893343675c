// How fast the PTX emulator is on one core, in lane instructions per second: a loop of float
// arithmetic, and the compiler's own attention kernel (mma, ldmatrix, cp.async); without checks,
// with them, and with a profile as well.
//
//   emulator [TOKENS [--profile]]     512 unless said; --profile prints that of the attention
//   kernel
#include "codegen/nvvm/EmitPTX.h"
#include "jit/Compilation.h"
#include "runtime/CpuFeatures.h"
#include "runtime/EmulatedLaunch.h"
#include "tools/RunInputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>

using namespace attn;
using emulator::Counters;
using Options = emulator::LaunchOptions;

namespace {

/// A launch with these options on one thread; ends the program after an error.
using Launch = std::function<Counters(const Options &)>;

template <class T> T valueOf(Expected<T> result) {
  if (result)
    return *std::move(result);
  fmt::print(stderr, "error: {}\n", result.error().message);
  for (const std::string &note : result.error().notes)
    fmt::print(stderr, "note: {}\n", note);
  std::exit(1);
}

/// Lane instructions per second of processor time, in millions: the best of launches for about a
/// second.
double speedOf(const Launch &launch, Options options) {
  options.threads = 1;
  launch(options);
  double best = 0;
  for (std::clock_t begin = std::clock(); std::clock() - begin < CLOCKS_PER_SEC;) {
    std::clock_t start = std::clock();
    Counters counters = launch(options);
    double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
    best = std::max(best, double(counters.laneInstructions) / seconds / 1e6);
  }
  return best;
}

void measure(const char *name, const Launch &launch) {
  emulator::Profile profile;
  Options profiled;
  profiled.profile = &profile;
  fmt::print("{:<12} {:>10.0f} {:>10.0f} {:>15.0f}\n", name, speedOf(launch, {.checks = false}),
             speedOf(launch, {}), speedOf(launch, profiled));
}

constexpr const char *kArithmetic = R"(
.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 .ptr .global out)
{
  .reg .pred %p;
  .reg .b32 %i;
  .reg .f32 %f<8>;
  .reg .b64 %out, %offset;
  ld.param.u64 %out, [out];
  mov.u32 %i, %tid.x;
  mul.wide.u32 %offset, %i, 4;
  add.u64 %out, %out, %offset;
  cvt.rn.f32.u32 %f0, %i;
  mov.f32 %f1, 0f3F7FF000;
  mov.f32 %f2, 0f3DCCCCCD;
  mov.f32 %f3, 0f00000000;
  mov.u32 %i, 0;
loop:
  fma.rn.ftz.f32 %f0, %f0, %f1, %f2;
  max.ftz.f32 %f3, %f3, %f0;
  mul.ftz.f32 %f4, %f0, %f1;
  add.ftz.f32 %f5, %f4, %f2;
  fma.rn.ftz.f32 %f0, %f5, %f1, %f2;
  add.u32 %i, %i, 1;
  setp.lt.u32 %p, %i, 5000;
  @%p bra loop;
  add.f32 %f0, %f0, %f3;
  st.global.f32 [%out], %f0;
  ret;
}
)";

void measureArithmetic() {
  emulator::Module module = valueOf(emulator::Module::parse(kArithmetic));
  measure("arithmetic", [&](const Options &options) {
    emulator::Memory memory;
    std::vector<std::vector<uint8_t>> parameters{
        emulator::parameterOf(memory.allocate("out", 128 * 4))};
    return valueOf(emulator::launch(module, "k", {4}, {128}, 0, parameters, memory, options));
  });
}

/// Causal attention over one head of 64, compiled for sm_80.
struct Attention {
  nvvm::PtxKernel kernel;
  tools::RunTensors tensors;
  LaunchPlan plan;
};

Bindings bindingsOf(const tools::RunTensors &tensors) {
  Bindings bindings;
  bindings.q = tensors.q;
  bindings.k = tensors.k;
  bindings.v = tensors.v;
  bindings.o = tensors.o;
  bindings.lse = tensors.lse;
  return bindings;
}

Attention compileAttention(const std::string &tokens) {
  Attention attention;
  std::string spec = fmt::format("kernel bench {{ batch 1 heads 1 head_dim 64 dtype bf16 "
                                 "tokens [{}] mask causal }}",
                                 tokens);
  Compilation compilation(llvm::errs());
  const Target &target = *findTarget("sm_80");
  if (failed(compilation.loadText(spec, "spec")) || failed(compilation.selectKernel("")) ||
      failed(compilation.tile(target, {})))
    std::exit(1);
  mlir::FailureOr<nvvm::PtxKernel> kernel = nvvm::compileToPTX(compilation.module(), target);
  if (failed(kernel))
    std::exit(1);
  attention.kernel = std::move(*kernel);
  tools::RunOptions options;
  options.random = 1;
  attention.tensors = valueOf(tools::makeTensors(attention.kernel.info, options));
  attention.plan = valueOf(planLaunch(attention.kernel.info, bindingsOf(attention.tensors)));
  return attention;
}

} // namespace

int main(int argc, char **argv) {
  std::string model = "unknown processor";
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);)
    if (line.starts_with("model name")) {
      model = line.substr(line.find(':') + 2);
      break;
    }
  fmt::print("{}, {}; one core, millions of lane instructions per second\n\n", model,
             isaLevelName(hostIsaLevel()));
  fmt::print("{:<12} {:>10} {:>10} {:>15}\n", "", "no checks", "checks", "and a profile");
  measureArithmetic();

  Attention attention = compileAttention(argc > 1 ? argv[1] : "512");
  const KernelInfo &info = attention.kernel.info;
  emulator::Module module = valueOf(emulator::Module::parse(attention.kernel.ptx));
  EmulatedLaunch emulated(info, bindingsOf(attention.tensors), attention.plan);
  Launch launch = [&](const Options &options) {
    std::vector<emulator::Profile> profiles;
    Counters counters =
        valueOf(emulated.run(module, options, options.profile ? &profiles : nullptr));
    if (options.profile)
      *options.profile = std::move(profiles.front());
    return counters;
  };
  measure("attention", launch);
  if (argc > 2 && std::string_view(argv[2]) == "--profile") {
    emulator::Profile profile;
    Options options;
    options.profile = &profile;
    launch(options);
    fmt::print("\n{}", profile.text());
  }
}
