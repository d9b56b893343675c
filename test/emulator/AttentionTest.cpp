// Attention kernels of the sm_80 back end, executed from their PTX, against the f64 reference: in
// every mode of asynchronous copies, under several schedules, and with faults planted into the PTX.
#include "codegen/nvvm/EmitPTX.h"
#include "jit/Compilation.h"
#include "runtime/Launch.h"
#include "runtime/emulator/Emulator.h"
#include "tools/Check.h"
#include "tools/RunInputs.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>

namespace attn {
namespace {

using emulator::AsyncMode;
using emulator::LaunchOptions;

/// A kernel and the tensors of one run.
struct GpuRun {
  nvvm::PtxKernel kernel;
  std::optional<tools::Checker> checker;
  tools::RunTensors tensors;
};

/// Compiles `spec` and draws its inputs; an empty checker after a failure.
GpuRun compile(const std::string &spec, const std::vector<int64_t> &tokens,
               const std::vector<int64_t> &kvTokens) {
  GpuRun run;
  Compilation compilation(llvm::errs());
  if (failed(compilation.loadText(spec, "spec")) || failed(compilation.selectKernel("")))
    return run;
  Expected<tools::Checker> checker = tools::Checker::of(compilation.attention());
  const Target &target = *findTarget("sm_80");
  if (!checker || failed(compilation.tile(target, {})))
    return run;
  mlir::FailureOr<nvvm::PtxKernel> kernel = nvvm::compileToPTX(compilation.module(), target);
  if (failed(kernel))
    return run;
  run.kernel = std::move(*kernel);
  tools::RunOptions options;
  options.random = 1;
  options.tokens = tokens;
  options.kvTokens = kvTokens;
  Expected<tools::RunTensors> tensors = tools::makeTensors(run.kernel.info, options);
  if (!tensors)
    return run;
  run.tensors = std::move(*tensors);
  run.checker = std::move(*checker);
  return run;
}

Bindings bindingsOf(GpuRun &run) {
  Bindings bindings;
  bindings.q = run.tensors.q;
  bindings.k = run.tensors.k;
  bindings.v = run.tensors.v;
  bindings.o = run.tensors.o;
  bindings.lse = run.tensors.lse;
  for (const auto &[name, tensor] : run.tensors.inputs)
    bindings.inputs[name] = tensor;
  bindings.tokens = run.tensors.tokens;
  bindings.kvTokens = run.tensors.kvTokens;
  return bindings;
}

/// Puts what a pointer of KernelArgs points to into device memory, and the pointer there.
template <class T>
void toDevice(emulator::Memory &memory, const char *name, T *&pointer, int64_t bytes,
              bool readOnly = true) {
  void *data = const_cast<std::remove_const_t<T> *>(pointer);
  pointer = reinterpret_cast<T *>(memory.map(name, data, uint64_t(bytes), readOnly));
}

/// The arguments of a plan with device addresses. Every table has exactly the size that
/// KernelInfo.h says, so that a kernel that reads past one is found out.
KernelArgs deviceArgs(const KernelInfo &info, const Bindings &bindings, const LaunchPlan &plan,
                      emulator::Memory &memory) {
  KernelArgs args = plan.args();
  int64_t heads = info.heads, rows = info.batch * heads;
  int64_t maps = 1 + *std::max_element(args.mapOfHead, args.mapOfHead + rows);
  int64_t offsets = maps * (args.queryTiles + 1);
  int64_t boxes = args.mapOffsets[offsets - 1] * (2 * info.rank + 1);
  toDevice(memory, "q", args.q, bindings.q.byteSize());
  toDevice(memory, "k", args.k, bindings.k.byteSize());
  toDevice(memory, "v", args.v, bindings.v.byteSize());
  toDevice(memory, "o", args.o, bindings.o.byteSize(), false);
  toDevice(memory, "lse", args.lse, bindings.lse->byteSize(), false);
  toDevice(memory, "formulaOfHead", args.formulaOfHead, heads * 4);
  toDevice(memory, "headParams", args.headParams, heads * info.headParamCount * 4);
  toDevice(memory, "mapOfHead", args.mapOfHead, rows * 4);
  toDevice(memory, "mapOffsets", args.mapOffsets, offsets * 8);
  toDevice(memory, "boxes", args.boxes, boxes * (info.rank > 1 ? 2 : 4));
  toDevice(memory, "order", args.order, plan.tickets() * 4);
  for (size_t i = 0; i < info.inputs.size(); ++i)
    toDevice(memory, info.inputs[i].name.c_str(), args.inputs[i],
             bindings.inputs.at(info.inputs[i].name).byteSize());
  return args;
}

/// Runs `ptx`, which is the kernel's or a changed one; empty if the outputs are right, else what is
/// wrong.
std::string execute(GpuRun &run, const std::string &ptx, const LaunchOptions &options) {
  const KernelInfo &info = run.kernel.info;
  Bindings bindings = bindingsOf(run);
  std::memset(bindings.o.data, 0xff, size_t(bindings.o.byteSize()));
  std::memset(bindings.lse->data, 0xff, size_t(bindings.lse->byteSize()));
  Expected<LaunchPlan> plan = planLaunch(info, bindings);
  if (!plan)
    return plan.error().message;
  emulator::Memory memory;
  KernelArgs args = deviceArgs(info, bindings, *plan, memory);
  Expected<emulator::Module> module = emulator::Module::parse(ptx);
  if (!module)
    return module.error().message;
  std::vector<std::vector<uint8_t>> parameters{emulator::parameterOf(args)};
  Expected<emulator::Counters> counters = emulator::launch(
      *module, info.entry, {uint32_t(plan->tickets())}, {uint32_t(info.threadsPerBlock)},
      uint64_t(info.sharedBytes), parameters, memory, options);
  if (!counters)
    return fmt::format("{} {}", counters.error().message, fmt::join(counters.error().notes, " "));
  tools::CheckSizes sizes{info.batch,          info.heads,          info.kvHeads,
                          bindings.q.shape[2], bindings.k.shape[2], args.queryOffset,
                          bindings.tokens,        bindings.kvTokens};
  WorkerPool pool(2);
  tools::CheckReport report = run.checker->check(bindings, sizes, pool);
  return report.ok ? "" : report.message;
}

struct Case {
  const char *name, *tokens, *inputs, *mask;
  std::vector<int64_t> length, kvLength = {};
};

void PrintTo(const Case &test, std::ostream *os) { *os << test.name; }

const Case kCases[] = {
    {"dense", "[?]", "", "mask all", {130}},
    {"one_token", "[?]", "", "mask causal", {1}},
    {"causal", "[?]", "", "mask causal", {300}},
    {"causal_top_left", "[?]", "", "mask causal(top_left)", {200}},
    {"causal_suffix", "[?]", "kv_tokens [?]", "mask causal", {33}, {257}},
    {"window", "[?]", "", "mask window(100)", {300}},
    {"sink", "[?]", "", "mask sink(5) | window(left = 5, right = 9)", {300}},
    {"prefix", "[?]", "input len : i32[batch]", "mask prefix(len) | causal", {300}},
    {"documents", "[300]", "input doc : i32[tokens]", "mask causal & same(doc)", {}},
    {"algebra", "[?]", "", "mask (causal & (window(64) | sink(4))) | !window(200)", {300}},
    {"dilated", "[400]", "", "mask neighborhood(window = [31], stride = [3], dilation = [2])", {}},
    {"plane",
     "[20, 25]",
     "",
     "mask neighborhood(window = [9, 9], stride = [2, 1], dilation = [1, 2], causal = [true, "
     "false])",
     {}},
    {"volume", "[6, 8, 10]", "", "mask neighborhood(window = [3, 4, 5]) & !sink(9)", {}},
    {"score",
     "[?]",
     "input doc : i32[tokens]",
     "mask causal & same(doc) score (s, q, k, h) => softcap(s, 30) + alibi(h) * (k - q)",
     {200}},
};

std::string specOf(const Case &test, const char *dtype, int headDim) {
  return fmt::format("kernel k {{ heads 4 kv_heads 2 head_dim {} dtype {} tokens {} {}\n  {} }}\n",
                     headDim, dtype, test.tokens, test.inputs, test.mask);
}

class Attention : public testing::TestWithParam<Case> {};

TEST_P(Attention, OfTheSm80BackEndIsRight) {
  const Case &test = GetParam();
  for (auto [dtype, headDim] : {std::pair("f16", 64), std::pair("bf16", 128)}) {
    GpuRun run = compile(specOf(test, dtype, headDim), test.length, test.kvLength);
    ASSERT_TRUE(run.checker.has_value()) << dtype;
    for (const LaunchOptions &options :
         {LaunchOptions{.mode = AsyncMode::Late}, LaunchOptions{.mode = AsyncMode::Late, .seed = 1},
          LaunchOptions{.mode = AsyncMode::Early, .seed = 2}})
      EXPECT_EQ(execute(run, run.kernel.ptx, options), "") << dtype << ", seed " << options.seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Masks, Attention, testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });

/// The PTX without each barrier, each commit and each wait in turn, with each wait one group
/// weaker, with each shuffle to another lane and with each transposed load straight.
std::vector<std::pair<std::string, std::string>> mutantsOf(const std::string &ptx) {
  std::vector<std::pair<std::string, std::string>> mutants;
  for (size_t begin = 0, line = 1; begin < ptx.size(); ++line) {
    size_t end = std::min(ptx.find('\n', begin), ptx.size());
    std::string text = ptx.substr(begin, end - begin);
    auto replace = [&](const char *what, std::string with) {
      std::string mutant = ptx;
      mutants.emplace_back(fmt::format("line {}, {}: {}", line, what, text),
                           mutant.replace(begin, end - begin, with));
    };
    auto holds = [&](const char *part) { return text.find(part) != std::string::npos; };
    if (holds("bar.sync") || holds("cp.async.commit_group") || holds("cp.async.wait_group"))
      replace("without it", "");
    if (size_t at = text.find("wait_group"); at != std::string::npos) {
      size_t digit = text.find_first_of("0123456789", at);
      std::string weaker = text;
      ++weaker[digit];
      replace("one group weaker", weaker);
    }
    if (size_t at = text.find(", 31, "); holds("shfl.sync.bfly") && at != std::string::npos) {
      std::string other = text;
      other[at - 1] = '4';
      replace("another lane", other);
    }
    if (size_t at = text.find(".trans"); at != std::string::npos) {
      std::string straight = text;
      replace("straight", straight.erase(at, 6));
    }
    begin = end + 1;
  }
  return mutants;
}

TEST(AttentionMutants, AreAllFound) {
  GpuRun run =
      compile("kernel k { heads 1 head_dim 64 dtype bf16 tokens [?] mask causal }", {400}, {});
  ASSERT_TRUE(run.checker.has_value());
  std::vector<std::pair<std::string, std::string>> mutants = mutantsOf(run.kernel.ptx);
  EXPECT_GT(mutants.size(), 20u);
  // The first commit only parts the copies of q from those of k, and the first wait is for both:
  // without it the program is the same.
  auto firstCommit = std::find_if(mutants.begin(), mutants.end(), [](const auto &mutant) {
    return mutant.first.find("commit_group") != std::string::npos;
  });
  ASSERT_NE(firstCommit, mutants.end());
  mutants.erase(firstCommit);
  for (const auto &[what, ptx] : mutants) {
    bool found = false;
    for (AsyncMode mode : {AsyncMode::Late, AsyncMode::Early})
      for (uint64_t seed = 0; seed < 6 && !found; ++seed)
        found = !execute(run, ptx, {.mode = mode, .seed = seed}).empty();
    EXPECT_TRUE(found) << what;
  }
}

} // namespace
} // namespace attn
