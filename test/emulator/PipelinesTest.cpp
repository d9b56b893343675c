// Kernels of other compilers with copies under way, shuffles and atomics (Inputs/pipelines.cu),
// against the same computed here: in every mode and under several schedules, without a report.
#include "test/emulator/Run.h"

#include "runtime/emulator/SoftFloat.h"

#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <random>

namespace attn::emulator {
namespace {

/// By the file of the kernels.
class Pipelines : public testing::TestWithParam<const char *> {
protected:
  Pipelines() {
    std::ifstream file(ATTN_EMULATOR_INPUTS "/" + std::string(GetParam()) + ".ptx");
    Expected<Module> parsed = Module::parse({std::istreambuf_iterator<char>(file), {}});
    EXPECT_TRUE(bool(parsed)) << parsed.error().message;
    if (parsed)
      module = *std::move(parsed);
  }

  /// Runs `entry` in every mode and under several schedules. `reset` goes before each run, `check`
  /// after it.
  template <class Reset, class Check>
  void inEveryWay(const char *entry, Dim3 grid, Dim3 block, Memory &memory,
                  const std::vector<std::vector<uint8_t>> &parameters, Reset reset, Check check) {
    ASSERT_TRUE(module.has_value());
    for (AsyncMode mode : {AsyncMode::Late, AsyncMode::Early, AsyncMode::Random})
      for (uint64_t seed : {0, 1, 2, 3}) {
        SCOPED_TRACE(fmt::format("mode {}, seed {}", int(mode), seed));
        reset();
        Expected<Counters> counters = launch(*module, entry, grid, block, 0, parameters, memory,
                                             {.mode = mode, .seed = seed});
        ASSERT_TRUE(bool(counters)) << counters.error().message << "\n"
                                    << fmt::format("{}", fmt::join(counters.error().notes, "\n"));
        check();
      }
  }

  std::optional<Module> module;
};
class Wmma : public Pipelines {};
INSTANTIATE_TEST_SUITE_P(By, Wmma, testing::Values("wmma"),
                         [](const auto &) { return std::string("nvcc"); });
INSTANTIATE_TEST_SUITE_P(By, Pipelines, testing::Values("pipelines", "pipelines-clang"),
                         [](const auto &info) {
                           return std::string(std::string(info.param) == "pipelines" ? "nvcc"
                                                                                     : "clang");
                         });

template <class T>
uint64_t map(Memory &memory, const char *name, std::vector<T> &values, bool readOnly = false) {
  return memory.map(name, values.data(), values.size() * sizeof(T), readOnly);
}

TEST_P(Pipelines, MultistageMatmul) {
  const int rows = 128, columns = 64, depth = 160;
  std::mt19937 random(1);
  auto draw = [&](size_t count, std::vector<int> &values) {
    std::vector<uint16_t> bits;
    for (size_t i = 0; i < count; ++i) {
      values.push_back(int(random() % 17) - 8);
      bits.push_back(floatToHalf(float(values.back())));
    }
    return bits;
  };
  std::vector<int> aValues, bValues;
  std::vector<uint16_t> a = draw(rows * depth, aValues), b = draw(depth * columns, bValues);
  std::vector<float> c(rows * columns), expected(c.size());
  for (int m = 0; m < rows; ++m)
    for (int n = 0; n < columns; ++n)
      for (int k = 0; k < depth; ++k)
        expected[m * columns + n] += float(aValues[m * depth + k] * bValues[k * columns + n]);
  Memory memory;
  inEveryWay(
      "multistage", {columns / 64, rows / 64}, {128}, memory,
      {parameterOf(map(memory, "a", a, true)), parameterOf(map(memory, "b", b, true)),
       parameterOf(map(memory, "c", c)), parameterOf(depth), parameterOf(columns)},
      [&] { std::fill(c.begin(), c.end(), NAN); }, [&] { ASSERT_EQ(c, expected); });
}

/// Half the product, by 16 x 16 tiles: sums of small integers, which are exact in any order.
TEST_P(Wmma, Matmul) {
  const int rows = 32, columns = 48, depth = 64;
  std::mt19937 random(5);
  auto draw = [&](size_t count) {
    std::vector<float> values(count);
    for (float &value : values)
      value = float(int(random() % 17) - 8);
    return values;
  };
  std::vector<float> a = draw(rows * depth), b = draw(depth * columns), c(rows * columns),
                     expected(c.size());
  for (int m = 0; m < rows; ++m)
    for (int n = 0; n < columns; ++n) {
      double sum = 0;
      for (int k = 0; k < depth; ++k)
        sum += double(a[m * depth + k]) * b[k * columns + n];
      expected[m * columns + n] = float(sum / 2);
    }
  for (const char *entry : {"wmmaHalf", "wmmaBFloat"}) {
    std::vector<uint16_t> aBits, bBits;
    bool isHalf = entry == std::string("wmmaHalf");
    for (float value : a)
      aBits.push_back(isHalf ? floatToHalf(value) : floatToBf16(value));
    for (float value : b)
      bBits.push_back(isHalf ? floatToHalf(value) : floatToBf16(value));
    Memory memory;
    inEveryWay(
        entry, {columns / 16, rows / 16}, {32}, memory,
        {parameterOf(map(memory, "a", aBits, true)), parameterOf(map(memory, "b", bBits, true)),
         parameterOf(map(memory, "c", c)), parameterOf(depth), parameterOf(columns)},
        [&] { std::fill(c.begin(), c.end(), NAN); }, [&] { ASSERT_EQ(c, expected); });
  }
}

TEST_P(Pipelines, StencilByPipelinePrimitives) {
  const int n = 1000;
  std::mt19937 random(2);
  std::vector<float> x(n), y(n), expected(n);
  for (float &value : x)
    value = float(int(random() % 2001) - 1000);
  for (int i = 0; i < n; ++i)
    expected[i] = (i > 0 ? x[i - 1] : 0) + 2 * x[i] + (i + 1 < n ? x[i + 1] : 0);
  Memory memory;
  inEveryWay(
      "stencil", {3}, {64}, memory,
      {parameterOf(map(memory, "x", x, true)), parameterOf(map(memory, "y", y)), parameterOf(n)},
      [&] { std::fill(y.begin(), y.end(), NAN); }, [&] { ASSERT_EQ(y, expected); });
}

TEST_P(Pipelines, ScanByShuffles) {
  std::mt19937 random(3);
  std::vector<int> x(3 * 256), y(x.size()), expected(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = int(random() % 2001) - 1000;
    expected[i] = x[i] + (i % 256 ? expected[i - 1] : 0);
  }
  Memory memory;
  inEveryWay(
      "scan", {3}, {256}, memory,
      {parameterOf(map(memory, "x", x, true)), parameterOf(map(memory, "y", y))},
      [&] { std::fill(y.begin(), y.end(), -1); }, [&] { ASSERT_EQ(y, expected); });
}

TEST_P(Pipelines, HistogramByAtomics) {
  std::mt19937 random(4);
  std::vector<uint32_t> x(3000), counts(64), expected(64);
  for (uint32_t &value : x) {
    value = uint32_t(random() % 97);
    ++expected[value % 64];
  }
  Memory memory;
  inEveryWay(
      "histogram", {4}, {128}, memory,
      {parameterOf(map(memory, "x", x, true)), parameterOf(int(x.size())),
       parameterOf(map(memory, "counts", counts))},
      [&] { std::fill(counts.begin(), counts.end(), 0); }, [&] { ASSERT_EQ(counts, expected); });
}

} // namespace
} // namespace attn::emulator
