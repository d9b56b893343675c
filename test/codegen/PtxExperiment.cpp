#include "test/codegen/PtxExperiment.h"

#include "jit/Compilation.h"

#include <cstring>

namespace ref = attn::reference;

namespace attn::test {

KernelCase caseOf(ref::Draw &draw, const ref::Kernel &kernel, const ref::MaskOptions &masks) {
  ref::Context context = ref::drawContext(draw, kernel.shape, kernel.everyMask(), masks);
  return {kernel, context, DrawnInputs(kernel, context), ref::toSpec("k", kernel)};
}

PtxCompilation compileToPtx(const std::string &spec, const char *targetName) {
  PtxCompilation result;
  llvm::raw_string_ostream stream(result.diagnostics);
  const Target &target = *findTarget(targetName);
  Compilation compilation(stream);
  if (failed(compilation.loadText(spec, "spec")) || failed(compilation.selectKernel("")) ||
      failed(compilation.tile(target, {})))
    return result;
  if (auto kernel = nvvm::compileToPTX(compilation.module(), target); succeeded(kernel))
    result.kernel = std::move(*kernel);
  return result;
}

/// The launch's tables, tensors and scratch memory as buffers of the emulator, each exactly as long
/// as the plan says, so that a kernel that reads past one is found out; and the arguments that
/// point to them.
static KernelArgs mapArguments(const KernelInfo &info, const LaunchPlan &plan,
                               const Bindings &bindings, emulator::Memory &memory) {
  KernelArgs args = plan.args();
  auto setField = [&](size_t field, uint64_t device) {
    std::memcpy(reinterpret_cast<char *>(&args) + field, &device, sizeof(device));
  };
  auto map = [&](size_t field, const std::string &name, const void *host, int64_t bytes,
                 bool readOnly) {
    if (bytes > 0)
      setField(field, memory.map(name, const_cast<void *>(host), uint64_t(bytes), readOnly));
  };
  for (const LaunchPlan::Table &table : plan.tables())
    map(table.field, table.name, table.data, table.bytes, true);
  for (const LaunchPlan::Scratch &scratch : plan.scratch())
    setField(scratch.field, memory.allocate(scratch.name, uint64_t(scratch.bytes)));
  auto tensor = [&](size_t field, const std::string &name, const TensorView &view, bool readOnly) {
    map(field, name, view.data, view.byteSize(), readOnly);
  };
  tensor(offsetof(KernelArgs, q), "q", bindings.q, true);
  tensor(offsetof(KernelArgs, k), "k", bindings.k, true);
  tensor(offsetof(KernelArgs, v), "v", bindings.v, true);
  tensor(offsetof(KernelArgs, o), "o", bindings.o, false);
  tensor(offsetof(KernelArgs, lse), "lse", *bindings.lse, false);
  for (size_t i = 0; i < info.inputs.size(); ++i)
    tensor(offsetof(KernelArgs, inputs) + i * sizeof(void *), info.inputs[i].name,
           bindings.inputs.at(info.inputs[i].name), true);
  return args;
}

static std::string textOf(const Error &error) {
  std::string text = error.message;
  for (const std::string &note : error.notes)
    text += "; " + note;
  return text;
}

static std::vector<uint16_t> encode(ref::Type type, const std::vector<double> &values) {
  std::vector<uint16_t> bits;
  for (double value : values)
    bits.push_back(ref::encode16(type, value));
  return bits;
}

PtxExperiment::PtxExperiment(const KernelCase &c, ref::Draw &draw)
    : type(c.kernel.shape.dtype), problem(c.kernel.shape.problem()), inputs(c.inputs),
      queryOffset(c.queryOffset), splits(c.splits) {
  std::vector<double> qs = draw.normals(problem.qSize(), type),
                      ks = draw.normals(problem.kSize(), type),
                      vs = draw.normals(problem.vSize(), type);
  for (double &x : qs)
    x *= c.magnitude;
  ref::Sees sees = ref::seesOf(c.kernel, c.context);
  ref::ZeroKeys zeroKeys = ref::zeroKeysOf(c.kernel, c.context);
  expected = ref::attention(problem, qs, ks, vs, sees, c.score, zeroKeys);
  yardstick = ref::denseRounded(type, problem, qs, ks, vs, sees, c.score, zeroKeys);
  q = encode(type, qs);
  k = encode(type, ks);
  v = encode(type, vs);
}

DType PtxExperiment::dtype() const { return type == ref::Type::F16 ? DType::F16 : DType::BF16; }

PtxVerdict PtxExperiment::run(const KernelInfo &info, const emulator::Module &module,
                              const emulator::LaunchOptions &options) const {
  const ref::Problem &p = problem;
  std::vector<uint16_t> o(p.oSize(), 0xffff);
  std::vector<float> lse(p.lseSize(), NAN);
  // Inputs are mapped read-only: the const is not cast away from what is written.
  auto view = [&](const std::vector<uint16_t> &bits, std::vector<int64_t> shape) {
    return TensorView(const_cast<uint16_t *>(bits.data()), dtype(), std::move(shape));
  };
  Bindings bindings;
  bindings.q = view(q, {p.batch, p.heads, p.nq, p.qkDim});
  bindings.k = view(k, {p.batch, p.kvHeads, p.nk, p.qkDim});
  bindings.v = view(v, {p.batch, p.kvHeads, p.nk, p.vDim});
  bindings.o = view(o, {p.batch, p.heads, p.nq, p.vDim});
  bindings.lse = TensorView(lse.data(), DType::F32, {p.batch, p.heads, p.nq});
  inputs.bind(bindings);
  bindings.queryOffset = queryOffset;
  Expected<LaunchPlan> plan = planLaunch(info, bindings, nullptr, {.splits = splits});
  if (!plan)
    return {textOf(plan.error()), {}, {}};
  emulator::Memory memory;
  const std::vector<std::vector<uint8_t>> parameters{
      emulator::parameterOf(mapArguments(info, *plan, bindings, memory))};
  auto launch = [&](const std::string &entry, int64_t blocks, int64_t threads,
                    int64_t sharedBytes) {
    return emulator::launch(module, entry, {uint32_t(blocks)}, {uint32_t(threads)},
                            uint64_t(sharedBytes), parameters, memory, options);
  };
  Expected<emulator::Counters> counters =
      launch(info.entry, plan->tickets(), info.threadsPerBlock, info.sharedBytes);
  if (counters && plan->splits() > 1)
    counters = launch(info.mergeEntry, plan->mergeBlocks(), kMergeThreads, 0);
  if (!counters)
    return {textOf(counters.error()), {}, {}};
  std::vector<float> values;
  for (uint16_t bits : o)
    values.push_back(float(ref::decode16(type, bits)));
  return {{}, ref::compareRounded(type, values, lse, expected, yardstick).message, *counters};
}

} // namespace attn::test
