// The attention of a transformer layer on what a real model computes (examples/minilm): the heads' outputs go straight
// to where the next projection reads them, [tokens, heads * head_dim], and are compared with what the model got.
//   layer FOLDER: the folder with layer0.safetensors, layer2.safetensors and layer5.safetensors
#include <attnc/jit.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

using namespace attn;

static int complain(const Error &error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

/// As another library would hand it over.
static DLTensor asDLPack(const TensorView &view) {
  return {view.data,           {kDLCPU, 0}, int32_t(view.rank()), {kDLFloat, 32, 1},
          const_cast<int64_t *>(view.shape.data()), const_cast<int64_t *>(view.strides.data()), 0};
}

/// Layer normalisation of each token, without weights, which are not in the files.
static void normalise(std::vector<float> &x, int64_t width) {
  for (auto row = x.begin(); row != x.end(); row += width) {
    double mean = 0, square = 0;
    for (auto it = row; it != row + width; ++it)
      mean += *it / double(width), square += double(*it) * *it / double(width);
    double scale = 1 / std::sqrt(square - mean * mean + 1e-12);
    std::transform(row, row + width, row, [&](float y) { return float((y - mean) * scale); });
  }
}

static Status runLayer(const Engine &engine, const std::string &path) {
  Expected<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file)
    return file.takeError();
  Expected<Tensor> q = file->read("q"), k = file->read("k"), v = file->read("v"),
                   wanted = file->read("o");
  for (Expected<Tensor> *tensor : {&q, &k, &v, &wanted})
    if (!*tensor)
      return tensor->takeError();
  // The same text each time: the engine compiles once for all layers.
  Expected<Kernel> kernel = engine.compile(
      "kernel layer { heads 12 head_dim 32 dtype f32 tokens [?] mask all }");
  if (!kernel)
    return kernel.takeError();

  int64_t tokens = q->shape()[2], heads = q->shape()[1], width = q->shape()[3];
  std::vector<float> merged(size_t(tokens * heads * width));
  Bindings tensors;
  for (auto [name, from, to] : {std::tuple("q", &*q, &tensors.q), std::tuple("k", &*k, &tensors.k),
                                std::tuple("v", &*v, &tensors.v)}) {
    Expected<TensorView> view = hostViewOf(asDLPack(*from), name, DType::F32);
    if (!view)
      return view.takeError();
    *to = std::move(*view);
  }
  tensors.o = TensorView(merged.data(), DType::F32, {1, tokens, heads, width}).permuted({0, 2, 1, 3});
  Expected<RunReport> report = kernel->run(tensors);
  if (!report)
    return report.takeError();

  double worst = 0;
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t d = 0; d < width; ++d)
        worst = std::max(worst, std::abs(tensors.o.at({0, h, t, d}) - wanted->at({0, h, t, d})));
  if (!(worst < 5e-5))
    return makeError("'{}' differs from the model by {}", path, worst);
  normalise(merged, heads * width);
  std::printf("%s: %.2f ms, differs from the model by %.1e, first normalised value %.4f\n",
              path.c_str(), report->seconds * 1e3, worst, double(merged[0]));
  return {};
}

int main(int argc, char **argv) {
  if (argc != 2)
    return complain({"usage: layer FOLDER, the folder examples/minilm", {}});
  Engine engine;
  for (const char *layer : {"layer0", "layer2", "layer5"})
    if (Status status = runLayer(engine, std::string(argv[1]) + "/" + layer + ".safetensors");
        !status)
      return complain(status.error());
}
