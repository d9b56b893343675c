// A spec in, a kernel out, run on memory of our own: what an inference engine does once for each pattern.
#include <attnc/jit.h>

#include <cstdio>
#include <vector>

constexpr const char *kSpec = R"(
kernel chat {
  heads 8   kv_heads 2   head_dim 64   dtype f32
  tokens [?]
  mask causal & (window(256) | sink(4))
})";

static int complain(const attn::Error &error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  for (const std::string &note : error.notes)
    std::fprintf(stderr, "note: %s\n", note.c_str());
  return 1;
}

int main() {
  attn::Engine engine;

  // Compiles while we do something else; a cache on disk makes it quick the next time.
  attn::AsyncOptions async;
  async.progress = [](std::string_view phase) {
    std::printf("phase %.*s\n", int(phase.size()), phase.data());
  };
  attn::Compiling compiling = engine.compileAsync(kSpec, {}, async);

  // Tensors as our own engine lays them out: tokens before heads. The kernel takes any strides.
  constexpr int64_t kTokens = 1000, kHeads = 8, kKvHeads = 2, kDim = 64;
  std::vector<float> q(kTokens * kHeads * kDim), k(kTokens * kKvHeads * kDim, 0.01f), o(q.size());
  std::vector<float> v(k.size(), 1);
  for (size_t i = 0; i < q.size(); ++i)
    q[i] = float(i % 17) / 17;
  auto view = [](std::vector<float> &data, int64_t heads) {
    return attn::TensorView(data.data(), attn::DType::F32, {1, kTokens, heads, kDim})
        .permuted({0, 2, 1, 3});
  };
  attn::Bindings tensors;
  tensors.q = view(q, kHeads);
  tensors.k = view(k, kKvHeads);
  tensors.v = view(v, kKvHeads);
  tensors.o = view(o, kHeads);

  attn::Expected<attn::Kernel> kernel = compiling.get();
  if (!kernel)
    return complain(kernel.error());
  for (const attn::Error &warning : engine.takeWarnings())
    complain(warning);
  attn::Expected<attn::RunReport> report = kernel->run(tensors);
  if (!report)
    return complain(report.error());
  std::printf("compiled in %.1f ms, ran in %.2f ms: %ld of %ld tiles\n",
              kernel->compileSeconds() * 1e3, report->seconds * 1e3, long(report->visitedTiles),
              long(report->allTiles));
  // All values are 1, and so is every weighted mean of them.
  for (float x : o)
    if (x < 0.9999f || x > 1.0001f)
      return complain({"an output is not 1", {}});
  std::puts("every output is 1");
}
