// Kernels that nvcc and clang compiled (Inputs/kernels.cu), against the same computed here.
#include "test/emulator/Run.h"

#include "runtime/emulator/SoftFloat.h"

#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <random>

namespace attn::emulator {
namespace {

/// By the compiler that made it.
class Compiled : public testing::TestWithParam<const char *> {};
INSTANTIATE_TEST_SUITE_P(By, Compiled, testing::Values("nvcc", "clang"),
                         [](const auto &info) { return std::string(info.param); });

const Module &kernels() {
  static std::map<std::string, Module> modules;
  const std::string compiler = Compiled::GetParam();
  auto found = modules.find(compiler);
  if (found == modules.end()) {
    std::ifstream file(ATTN_EMULATOR_INPUTS "/kernels" + std::string(compiler == "nvcc" ? "" : "-clang") + ".ptx");
    Expected<Module> parsed = Module::parse({std::istreambuf_iterator<char>(file), {}});
    EXPECT_TRUE(bool(parsed)) << parsed.error().message;
    found = modules.emplace(compiler, *std::move(parsed)).first;
  }
  return found->second;
}

/// Launches over `memory`; the parameters as bytes.
void run(const char *entry, Dim3 grid, Dim3 block, Memory &memory,
         const std::vector<std::vector<uint8_t>> &parameters, const LaunchOptions &options = {}) {
  Expected<Counters> counters =
      launch(kernels(), entry, grid, block, 0, parameters, memory, options);
  ASSERT_TRUE(bool(counters)) << counters.error().message << "\n"
                              << fmt::format("{}", fmt::join(counters.error().notes, "\n"));
}

template <class T>
uint64_t map(Memory &memory, const char *name, std::vector<T> &values, bool readOnly = false) {
  return memory.map(name, values.data(), values.size() * sizeof(T), readOnly);
}

std::vector<float> drawFloats(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float &value : values)
    value = std::uniform_real_distribution<float>(-2, 2)(random);
  return values;
}

TEST_P(Compiled, VectorAdd) {
  int n = 1000;
  std::vector<float> a = drawFloats(1000, 1), b = drawFloats(1000, 2), c(1000);
  Memory memory;
  run("vectorAdd", {4}, {256}, memory,
      {parameterOf(map(memory, "a", a, true)), parameterOf(map(memory, "b", b, true)),
       parameterOf(map(memory, "c", c)), parameterOf(n)});
  for (int i = 0; i < n; ++i)
    ASSERT_EQ(c[i], a[i] + b[i]);
}

TEST_P(Compiled, VectorAddBeyondTheEndIsAFault) {
  std::vector<float> a(1000), c(999);
  Memory memory;
  uint64_t in = map(memory, "a", a, true), out = map(memory, "c", c);
  std::vector<std::vector<uint8_t>> parameters{parameterOf(in), parameterOf(in), parameterOf(out),
                                               parameterOf(1000)};
  Expected<Counters> counters = launch(kernels(), "vectorAdd", {4}, {256}, 0, parameters, memory);
  ASSERT_FALSE(bool(counters));
  EXPECT_NE(counters.error().message.find("that is 3996 of the 3996 bytes of 'c'"),
            std::string::npos);
  EXPECT_EQ(counters.error().notes.at(0),
            "in lane 7 of warp 7 of block (3, 0, 0) of kernel 'vectorAdd'");
}

TEST_P(Compiled, TiledMatmul) {
  for (int n : {16, 40}) {
    std::vector<float> a = drawFloats(n * n, 3), b = drawFloats(n * n, 4), c(n * n);
    Memory memory;
    uint32_t tiles = (n + 15) / 16;
    run("tiledMatmul", {tiles, tiles}, {16, 16}, memory,
        {parameterOf(map(memory, "a", a, true)), parameterOf(map(memory, "b", b, true)),
         parameterOf(map(memory, "c", c)), parameterOf(n)},
        {.seed = 9});
    for (int row = 0; row < n; ++row)
      for (int column = 0; column < n; ++column) {
        float sum = 0; // fma in order of k, as the kernel does, and zeros do not change it
        for (int k = 0; k < n; ++k)
          sum = std::fma(a[row * n + k], b[k * n + column], sum);
        ASSERT_EQ(c[row * n + column], sum) << row << " " << column;
      }
  }
}

TEST_P(Compiled, Reduction) {
  std::vector<int> x(5000);
  std::mt19937 random(5);
  int total = 0, largest = x[0];
  for (int &value : x) {
    value = int(random() % 2001) - 1000;
    total += value;
    largest = std::max(largest, value);
  }
  std::vector<int> result{0, -100000};
  Memory memory;
  uint64_t out = map(memory, "result", result);
  for (uint32_t threads : {32u, 256u, 1024u}) {
    result = {0, -100000};
    run("reduction", {7}, {threads}, memory,
        {parameterOf(map(memory, "x", x, true)), parameterOf(int(x.size())), parameterOf(out),
         parameterOf(out + 4)},
        {.seed = threads, .threads = 3});
    EXPECT_EQ(result, (std::vector<int>{total, largest}));
  }
}

TEST_P(Compiled, SoftmaxRows) {
  const int rows = 3, columns = 300;
  std::vector<float> values = drawFloats(rows * columns, 6);
  std::vector<uint16_t> x(values.size()), y(values.size());
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = floatToHalf(values[i] * 3);
  Memory memory;
  run("softmaxRows", {rows}, {128}, memory,
      {parameterOf(map(memory, "x", x, true)), parameterOf(map(memory, "y", y)),
       parameterOf(columns)});
  for (int row = 0; row < rows; ++row) {
    double sum = 0;
    for (int i = 0; i < columns; ++i)
      sum += std::exp(double(halfToFloat(x[row * columns + i])));
    for (int i = 0; i < columns; ++i) {
      double expected = std::exp(double(halfToFloat(x[row * columns + i]))) / sum;
      ASSERT_NEAR(halfToFloat(y[row * columns + i]), expected, expected * 0x1p-10 + 0x1p-24);
    }
  }
}

TEST_P(Compiled, PipelinedMma) {
  const int k = 80;
  std::vector<uint16_t> a(16 * k), b(8 * k);
  std::vector<int> aValues(a.size()), bValues(b.size());
  std::mt19937 random(8);
  auto fill = [&](std::vector<uint16_t> &bits, std::vector<int> &values) {
    for (size_t i = 0; i < bits.size(); ++i) {
      values[i] = int(random() % 17) - 8;
      bits[i] = floatToBf16(float(values[i]));
    }
  };
  fill(a, aValues);
  fill(b, bValues);
  for (AsyncMode mode : {AsyncMode::Late, AsyncMode::Early}) {
    std::vector<float> c(16 * 8);
    Memory memory;
    run("pipelinedMma", {1}, {32}, memory,
        {parameterOf(map(memory, "a", a, true)), parameterOf(map(memory, "b", b, true)),
         parameterOf(map(memory, "c", c)), parameterOf(k)},
        {.mode = mode});
    for (int m = 0; m < 16; ++m)
      for (int n = 0; n < 8; ++n) {
        int sum = 0;
        for (int i = 0; i < k; ++i)
          sum += aValues[m * k + i] * bValues[n * k + i];
        ASSERT_EQ(c[m * 8 + n], float(sum)) << m << " " << n;
      }
  }
}

uint64_t mixed(uint64_t v, int i) {
  auto reversed = [](uint64_t x) {
    uint64_t r = 0;
    for (int b = 0; b < 64; ++b)
      r |= (x >> b & 1) << (63 - b);
    return r;
  };
  uint64_t r = v >> ((v & 7) * 3);
  switch (i % 7) {
  case 0:
    return r + v / 1000003;
  case 1:
    return r ^ reversed(v);
  case 2:
    return r + uint64_t(std::popcount(v) * 1000 + std::countl_zero(v));
  case 3:
    return r * v + (uint64_t(uint32_t(v)) * 77 >> 32);
  case 4:
    return r - v % (r | 1);
  case 5:
    return (r << 13) | (v >> 51);
  default:
    return uint64_t(double(v >> 20) * 1.5);
  }
}

TEST_P(Compiled, MixedIntegers) {
  std::mt19937_64 random(10);
  std::vector<uint64_t> x(700), y(x.size());
  for (uint64_t &value : x)
    value = random() >> random() % 40;
  Memory memory;
  run("mixed", {6}, {128}, memory,
      {parameterOf(map(memory, "x", x, true)), parameterOf(map(memory, "y", y)),
       parameterOf(int(x.size()))});
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(y[i], mixed(x[i], int(i))) << i << " " << x[i];
}

} // namespace
} // namespace attn::emulator
