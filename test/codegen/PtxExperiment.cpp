#include "test/codegen/PtxExperiment.h"

#include "jit/Compilation.h"
#include "runtime/EmulatedLaunch.h"

namespace ref = attn::reference;

namespace attn::test {

KernelCase caseOf(ref::Draw &draw, const ref::Kernel &kernel, const ref::MaskOptions &masks) {
  ref::Context context = ref::drawContext(draw, kernel.shape, kernel.everyMask(), masks);
  return {kernel, context, DrawnInputs(kernel, context), ref::toSpec("k", kernel)};
}

PtxCompilation compileToPtx(const std::string &spec, const char *targetName, const TilingOptions &tiling) {
  PtxCompilation result;
  llvm::raw_string_ostream stream(result.diagnostics);
  const Target &target = *findTarget(targetName);
  Compilation compilation(stream);
  if (failed(compilation.loadText(spec, "spec")) || failed(compilation.selectKernel("")) ||
      failed(compilation.tile(target, tiling)))
    return result;
  if (auto kernel = nvvm::compileToPTX(compilation.module(), target); succeeded(kernel))
    result.kernel = std::move(*kernel);
  return result;
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
  std::vector<emulator::Profile> profiles;
  Expected<emulator::Counters> counters = EmulatedLaunch(info, bindings, *plan)
                                              .run(module, options, options.profile ? &profiles : nullptr);
  if (!counters)
    return {textOf(counters.error()), {}, {}};
  if (options.profile)
    *options.profile = std::move(profiles.front());
  std::vector<float> values;
  for (uint16_t bits : o)
    values.push_back(float(ref::decode16(type, bits)));
  return {{}, ref::compareRounded(type, values, lse, expected, yardstick).message, *counters};
}

} // namespace attn::test
