//===- DrawnKernel.h - drawn kernels and scores for code generators -*- C++ -*-===//
#pragma once

#include "runtime/Launch.h"
#include "test/reference/Draw.h"

#include <fstream>
#include <memory>

namespace attn::test {

/// Memory of a kernel's run-time inputs, as a launch wants them.
class DrawnInputs {
public:
  DrawnInputs() = default;
  /// Those that the masks of the kernel read.
  DrawnInputs(const reference::Kernel &kernel, const reference::Context &context) {
    for (const reference::Input &input :
         reference::inputsOf(kernel.shape, kernel.everyMask())) {
      reference::Tensor tensor = reference::inputOf(context, input.name);
      add(input.name, input.isBool ? DType::Bool : DType::I32, tensor.shape,
          {tensor.values.begin(), tensor.values.end()});
    }
  }
  /// Rounds the values to the type.
  void add(const std::string &name, DType dtype, std::vector<int64_t> shape,
           const std::vector<double> &values) {
    std::shared_ptr<char[]> bytes(new char[values.size() * size_t(dtypeSize(dtype)) + 1]);
    for (size_t i = 0; i < values.size(); ++i)
      storeElement(dtype, bytes.get() + int64_t(i) * dtypeSize(dtype), values[i]);
    views[name] = TensorView(bytes.get(), dtype, std::move(shape));
    memory.push_back(std::move(bytes));
  }
  void bind(Bindings &bindings) const { bindings.inputs = views; }

private:
  std::vector<std::shared_ptr<char[]>> memory;
  std::map<std::string, TensorView> views;
};

/// Drawn masks that the compiler does not take: more atoms than a formula may have, kinds of linear
/// layouts on others or in packed sequences, and lookups whose index is data.
inline bool isRefused(const std::string &diagnostics) {
  for (const char *text : {"different parts", "needs tokens of one dimension",
                           "cannot be used with packed sequences",
                           "'min' and 'max' keep an index inside"})
    if (diagnostics.find(text) != std::string::npos)
      return true;
  return false;
}

/// Where a drawn kernel with spans finds them.
inline std::string writePlan(const reference::Kernel &kernel, const std::string &path) {
  if (reference::contains(kernel.everyMask(), reference::MaskKind::Spans))
    std::ofstream(path) << reference::planJson(kernel.everyMask());
  return path;
}

/// What a drawn kernel seldom has: kernels whose layouts, masks or starting states are unusual.
inline std::vector<reference::Kernel> unusualKernels(const std::string &planFile) {
  namespace ref = reference;
  std::vector<ref::Kernel> kernels;
  auto add = [&](std::vector<int64_t> tokens, ref::Mask mask) -> ref::Shape & {
    ref::Shape shape;
    shape.heads = 2;
    shape.headDim = 64;
    shape.tokens = std::move(tokens);
    return kernels.emplace_back(ref::Kernel{shape, std::move(mask), {}}).shape;
  };
  // Keys of score 0 outside the layout, for all heads and for one of two formulas.
  add({12, 17}, ref::neighborhood({{5, 2, 1, false}, {6, 1, 2, false}}, ref::Border::Zero));
  add({5, 6, 7}, ref::neighborhood({{3, 1, 1, true}, {5, 2, 1, false}, {4, 1, 1, false}},
                                   ref::Border::Zero));
  add({200}, ref::neighborhood({{31, 1, 1, false}}, ref::Border::Zero));
  kernels.back().headMasks = {{{1}, ref::causal()}};
  // Bounds that are tables.
  add({250}, ref::causal() & ref::window(60)).sequences = 5;
  ref::Shape &cross = add({180}, ref::causal());
  cross.kvTokens = {230};
  cross.sequences = 4;
  // More places than tokens.
  add({3, 5, 8}, ref::neighborhood({{3, 1, 1, false}, {3, 1, 1, false}, {5, 1, 1, false}}) |
                     ref::keys("text") | ref::queries("text"))
      .groups = {{"video", {3, 5, 8}}, {"text", {37}}};
  add({6, 9}, ref::all()).groups = {{"video", {6, 9}}, {"text", {2}}};
  // Listed blocks.
  add({300}, ref::blocks("rows", "cols", 64, 9));
  add({300}, ref::causal() & (ref::blockBits("bits", 48, true) | ref::sink(5)));
  add({260}, ref::blocks("rows", "cols", 32, 20) & !ref::blockBits("bits", 16));
  // Four dimensions.
  add({3, 2, 5, 9}, ref::neighborhood({{3, 1, 1, false}, {2, 1, 1, false}, {3, 1, 1, false},
                                       {4, 1, 2, true}}));
  // Positions and residues, the last position of not all of them.
  add({250}, ref::causal() & ref::dilatedWindow(20, 3));
  add({190}, ref::strided(7) & ref::window(90)).batch = 2;
  kernels.back().headMasks = {{{1}, ref::dilatedWindow(5, 2, 7) & !ref::sink(30)}};
  add({150}, ref::dilatedWindow(30, 4) & ref::keyLength("kl")).batch = 2;
  add({260}, ref::neighborhood({{31, 4, 8, false}}));
  add({13, 21}, ref::neighborhood({{3, 2, 4, true}, {5, 1, 3, false}}));
  add({8, 21}, ref::neighborhood({{2, 1, 4, false}, {5, 1, 3, false}}, ref::Border::Zero));
  add({400}, ref::spans({64, 0}, {0, 0.5}, 10, planFile));
  return kernels;
}

/// A score that reads inputs, as the language writes it and as a function of the query's row.
struct ScoreCase {
  std::string declarations, expression;
  DrawnInputs inputs;
  reference::Score expected;
};

/// Scores on 4 heads, one batch entry, `nq` queries and `nk` keys.
inline std::vector<ScoreCase> scoreCases(reference::Draw &draw, int64_t nq, int64_t nk) {
  using reference::Type;
  std::vector<ScoreCase> cases;
  auto values = [&](int64_t count, Type type) { return draw.normals(size_t(count), type); };

  ScoreCase whole{"input bias : f32[1, heads, tokens, kv_tokens]", "s + bias[b, h, q, k]", {}, {}};
  std::vector<double> bias = values(4 * nq * nk, Type::F32);
  whole.inputs.add("bias", DType::F32, {1, 4, nq, nk}, bias);
  whole.expected = reference::biasScore(bias, {1, 4, nq, nk});
  cases.push_back(std::move(whole));

  for (Type type : {Type::F16, Type::BF16}) {
    ScoreCase row{"input bias : " + reference::toSpec(type) + "[1, 1, 1, kv_tokens]",
                  "s + bias[b, h, q, k]",
                  {},
                  {}};
    std::vector<double> ofKeys = values(nk, type);
    row.inputs.add("bias", type == Type::F16 ? DType::F16 : DType::BF16, {1, 1, 1, nk}, ofKeys);
    row.expected = reference::biasScore(ofKeys, {1, 1, 1, nk});
    cases.push_back(std::move(row));
  }

  // A distance from the key's side, clamped; vectors over queries and heads; conditions.
  ScoreCase mixed{"input bucket : f32[20]  input shift : i32[tokens]  input slope : f32[heads]  "
                  "input far : bool[kv_tokens]",
                  "(far[k] ? s - 1 : s) + slope[h] * bucket[k - q + shift[q]]",
                  {},
                  {}};
  std::vector<double> bucket = values(20, Type::F32), slope = values(4, Type::F32), shift, far;
  for (int64_t q = 0; q < nq; ++q)
    shift.push_back(double(draw.between(0, 40)));
  for (int64_t k = 0; k < nk; ++k)
    far.push_back(double(draw.chance(30)));
  mixed.inputs.add("bucket", DType::F32, {20}, bucket);
  mixed.inputs.add("shift", DType::I32, {nq}, shift);
  mixed.inputs.add("slope", DType::F32, {4}, slope);
  mixed.inputs.add("far", DType::Bool, {nk}, far);
  mixed.expected = [=](double s, int64_t, int64_t h, int64_t row, int64_t k) {
    int64_t index = k - (row + nk - nq) + int64_t(shift[size_t(row)]);
    index = std::clamp<int64_t>(index, 0, 19);
    return (far[size_t(k)] != 0 ? s - 1 : s) + slope[size_t(h)] * bucket[size_t(index)];
  };
  cases.push_back(std::move(mixed));
  return cases;
}

} // namespace attn::test
