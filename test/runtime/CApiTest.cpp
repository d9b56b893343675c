// The C interface over committed packages: devices, tensors of every form, and what is refused.
#include "runtime/DType.h"
#include "runtime/attnc.h"
#include "test/runtime/TemporaryFolder.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <thread>

namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr int64_t kBatch = 2;

/// A tensor that owns its shape; strides are NULL until they are set.
struct Array {
  DLTensor t{};
  std::vector<int64_t> shape, strides;
  std::vector<uint8_t> bytes;

  Array(std::vector<int64_t> lengths, uint8_t code, uint8_t bits) : shape(std::move(lengths)) {
    size_t count = 1;
    for (int64_t length : shape)
      count *= size_t(length);
    bytes.assign(count * bits / 8 + 64, 0xee);
    size_t shift = 64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64;
    t.data = bytes.data() + shift % 64;
    t.device = {kDLCPU, 0};
    t.ndim = int(shape.size());
    t.dtype = {code, bits, 1};
    t.shape = shape.data();
  }
  Array(const Array &) = delete;
  template <class T> T *data() { return static_cast<T *>(t.data); }
};

void fillNormal(Array &array, size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < count; ++i)
    if (array.t.dtype.bits == 32)
      array.data<float>()[i] = normal(random);
    else
      array.data<uint16_t>()[i] = attn::f32ToBF16(normal(random));
}

/// Handles that close themselves.
template <class T, void (*Close)(T *)> struct Handle {
  T *pointer = nullptr;
  Handle() = default;
  Handle(const Handle &) = delete;
  ~Handle() { Close(pointer); }
  operator T *() const { return pointer; }
  T **operator&() { return &pointer; }
};
using PackageHandle = Handle<attnc_package, attnc_package_close>;
using DeviceHandle = Handle<attnc_device, attnc_device_close>;
using KernelHandle = Handle<attnc_kernel, attnc_kernel_close>;
using PlanHandle = Handle<attnc_plan, attnc_plan_close>;

#define OK(call) ASSERT_EQ(call, ATTNC_OK) << attnc_last_error()

std::string input(const char *name) { return std::string(ATTN_TEST_PACKAGES) + "/" + name; }

/// lengths.attnpkg: bf16, 2 heads on 1, head_dim 16, causal within each entry's length.
struct Lengths {
  int64_t tokens;
  Array q, k, v, o, lse, lengths;
  attnc_named_tensor named;
  attnc_bindings bindings{};

  explicit Lengths(int64_t tokens)
      : tokens(tokens), q({kBatch, 2, tokens, 16}, kDLBfloat, 16),
        k({kBatch, 1, tokens, 16}, kDLBfloat, 16), v({kBatch, 1, tokens, 16}, kDLBfloat, 16),
        o({kBatch, 2, tokens, 16}, kDLBfloat, 16), lse({kBatch, 2, tokens}, kDLFloat, 32),
        lengths({kBatch}, kDLInt, 32), named{"lengths", &lengths.t} {
    fillNormal(q, size_t(kBatch * 2 * tokens * 16), 1);
    fillNormal(k, size_t(kBatch * tokens * 16), 2);
    fillNormal(v, size_t(kBatch * tokens * 16), 3);
    lengths.data<int32_t>()[0] = int32_t(tokens);
    lengths.data<int32_t>()[1] = int32_t(tokens * 2 / 3);
    bindings.size = sizeof(bindings);
    bindings.q = &q.t;
    bindings.k = &k.t;
    bindings.v = &v.t;
    bindings.o = &o.t;
    bindings.lse = &lse.t;
    bindings.inputs = &named;
    bindings.num_inputs = 1;
  }

  float at(Array &array, int64_t row, int64_t d) {
    return attn::bf16ToF32(array.data<uint16_t>()[row * 16 + d]);
  }

  /// The largest error of o and lse, in f64.
  double worstError() {
    double worst = 0;
    for (int64_t b = 0; b < kBatch; ++b)
      for (int64_t h = 0; h < 2; ++h)
        for (int64_t i = 0; i < tokens; ++i)
          worst = std::max(worst, rowError(b, h, i));
    return worst;
  }

  double rowError(int64_t b, int64_t h, int64_t i) {
    int64_t row = (b * 2 + h) * tokens + i,
            keys = std::min<int64_t>(i + 1, lengths.data<int32_t>()[b]);
    std::vector<double> weights;
    double sum = 0, worst = 0;
    for (int64_t j = 0; j < keys; ++j) {
      double score = 0;
      for (int64_t d = 0; d < 16; ++d)
        score += double(at(q, row, d)) * at(k, b * tokens + j, d);
      sum += weights.emplace_back(std::exp(score / 4));
    }
    for (int64_t d = 0; d < 16; ++d) {
      double value = 0;
      for (int64_t j = 0; j < keys; ++j)
        value += weights[size_t(j)] / sum * at(v, b * tokens + j, d);
      worst = std::max(worst, std::abs(value - at(o, row, d)));
    }
    return std::max(worst, std::abs(std::log(sum) - lse.data<float>()[row]));
  }
};

/// bf16 outputs of values around 1.
constexpr double kAllowed = 0.03;

struct Loaded {
  PackageHandle package;
  DeviceHandle device;
  KernelHandle kernel;
  void open(const char *file, const char *name, const char *options = nullptr) {
    OK(attnc_package_open(input(file).c_str(), &package));
    OK(attnc_device_open(name, options, &device));
    OK(attnc_kernel_load(package, device, &kernel));
  }
};

TEST(CApi, PackageDescribesItself) {
  PackageHandle package;
  OK(attnc_package_open(input("lengths.attnpkg").c_str(), &package));
  json text = json::parse(attnc_package_json(package));
  EXPECT_EQ(text["kernel"], "lengths");
  EXPECT_EQ(text["targets"], json({"cpu", "sm_80"}));
  EXPECT_EQ(text["inputs"][0]["name"], "lengths");
  const void *bytes;
  size_t size;
  OK(attnc_package_section(package, "ptx", nullptr, &bytes, &size));
  EXPECT_THAT(std::string(static_cast<const char *>(bytes), size), HasSubstr(".target sm_80"));
  EXPECT_EQ(attnc_package_section(package, "cubin", "sm_80", &bytes, &size),
            ATTNC_INVALID_ARGUMENT);
  EXPECT_THAT(attnc_last_error(),
              HasSubstr("does not have exactly one section 'cubin sm_80'\nnote: its "
                        "sections are 'compiler', 'spec', 'info baseline'"));
  EXPECT_EQ(bytes, nullptr);
}

void runLengths(const char *device, const char *options, int64_t tokens, int64_t splits = 0) {
  SCOPED_TRACE(device);
  Loaded loaded;
  loaded.open("lengths.attnpkg", device, options);
  if (testing::Test::HasFatalFailure())
    return;
  Lengths t(tokens);
  t.bindings.splits = splits;
  PlanHandle plan;
  OK(attnc_plan_make(loaded.kernel, &t.bindings, &plan));
  OK(attnc_plan_launch(plan, nullptr));
  OK(attnc_device_synchronize(loaded.device));
  EXPECT_LT(t.worstError(), kAllowed);
  json facts = json::parse(attnc_plan_json(plan));
  EXPECT_GT(facts["visited_tiles"], 0);
  EXPECT_GT(facts["run_seconds"], 0.0);
}

TEST(CApi, RunsOnTheProcessor) { runLengths("cpu", R"({"threads": 2})", 150); }
TEST(CApi, RunsOnTheEmulator) {
  runLengths("emulator", R"({"mode": "late"})", 100);
  runLengths("emulator", R"({"mode": "early", "seed": 3, "threads": 1})", 65);
  runLengths("emulator", R"({"mode": "random", "seed": 7, "concurrent_blocks": 216})", 300);
  runLengths("emulator", R"({"checks": false})", 20);
}
TEST(CApi, EmulatorProfiles) {
  Loaded loaded;
  loaded.open("lengths.attnpkg", "emulator", R"({"profile": true})");
  Lengths t(64);
  PlanHandle plan;
  OK(attnc_plan_make(loaded.kernel, &t.bindings, &plan));
  EXPECT_FALSE(json::parse(attnc_plan_json(plan)).contains("profile"));
  OK(attnc_plan_launch(plan, nullptr));
  json facts = json::parse(attnc_plan_json(plan));
  ASSERT_EQ(facts["profile"].size(), 1u);
  EXPECT_GT(facts["profile"][0]["total"]["executed"], 0);
  EXPECT_THAT(facts["profile_text"].get<std::string>(), HasSubstr("instructions"));
}

TEST(CApi, WithoutTokens) {
  for (const char *device : {"cpu", "emulator"}) {
    Loaded loaded;
    loaded.open("lengths.attnpkg", device);
    Lengths t(0);
    PlanHandle plan;
    OK(attnc_plan_make(loaded.kernel, &t.bindings, &plan));
    OK(attnc_plan_launch(plan, nullptr));
  }
}

TEST(CApi, StridesAndByteOffset) {
  // q and o as [batch, tokens, heads, dim], which frameworks have, o at an offset within its
  // memory.
  for (const char *device : {"cpu", "emulator"}) {
    constexpr int64_t n = 40;
    Loaded loaded;
    loaded.open("lengths.attnpkg", device);
    Lengths plain(n), strided(n);
    Array q({kBatch, n, 2, 16}, kDLBfloat, 16), o({kBatch, n + 1, 2, 16}, kDLBfloat, 16);
    for (int64_t b = 0; b < kBatch; ++b)
      for (int64_t h = 0; h < 2; ++h)
        for (int64_t i = 0; i < n; ++i)
          for (int64_t d = 0; d < 16; ++d)
            q.data<uint16_t>()[((b * n + i) * 2 + h) * 16 + d] =
                plain.q.data<uint16_t>()[((b * 2 + h) * n + i) * 16 + d];
    std::vector<int64_t> shape{kBatch, 2, n, 16}, qStrides{n * 32, 16, 32, 1},
        oStrides{(n + 1) * 32, 16, 32, 1};
    q.t.shape = o.t.shape = shape.data();
    q.t.strides = qStrides.data();
    o.t.strides = oStrides.data();
    o.t.byte_offset = 64; // the first token is left out
    strided.bindings.q = &q.t;
    strided.bindings.o = &o.t;
    for (Lengths *t : {&plain, &strided}) {
      PlanHandle plan;
      OK(attnc_plan_make(loaded.kernel, &t->bindings, &plan));
      OK(attnc_plan_launch(plan, nullptr));
    }
    EXPECT_LT(plain.worstError(), kAllowed);
    for (int64_t b = 0; b < kBatch; ++b)
      for (int64_t h = 0; h < 2; ++h)
        for (int64_t i = 0; i < n; ++i)
          for (int64_t d = 0; d < 16; ++d)
            ASSERT_EQ(o.data<uint16_t>()[((b * (n + 1) + i + 1) * 2 + h) * 16 + d],
                      plain.o.data<uint16_t>()[((b * 2 + h) * n + i) * 16 + d])
                << device;
    EXPECT_EQ(o.data<uint8_t>()[0], 0xee);
  }
}

TEST(CApi, LseMayBeLeftOut) {
  for (const char *device : {"cpu", "emulator"}) {
    Loaded loaded;
    loaded.open("lengths.attnpkg", device);
    Lengths with(33), without(33);
    without.bindings.lse = nullptr;
    for (Lengths *t : {&with, &without}) {
      PlanHandle plan;
      OK(attnc_plan_make(loaded.kernel, &t->bindings, &plan));
      OK(attnc_plan_launch(plan, nullptr));
    }
    EXPECT_EQ(std::memcmp(with.o.t.data, without.o.t.data, size_t(kBatch * 2 * 33 * 16 * 2)), 0);
  }
}

/// What a plan of changed bindings says.
std::string planError(const char *device, const std::function<void(Lengths &)> &change) {
  Loaded loaded;
  loaded.open("lengths.attnpkg", device);
  Lengths t(32);
  change(t);
  attnc_plan *plan = reinterpret_cast<attnc_plan *>(&t);
  attnc_status status = attnc_plan_make(loaded.kernel, &t.bindings, &plan);
  if (status == ATTNC_OK)
    attnc_plan_close(plan);
  EXPECT_EQ(status, ATTNC_INVALID_ARGUMENT);
  EXPECT_EQ(plan, nullptr);
  return attnc_last_error();
}

TEST(CApi, BadBindings) {
  auto error = [](auto change) { return planError("cpu", change); };
  EXPECT_EQ(error([](Lengths &t) { t.bindings.q = nullptr; }), "'q' is NULL");
  EXPECT_EQ(error([](Lengths &t) { t.bindings.size = 8; }),
            fmt::format("'size' of the bindings is 8, but must be sizeof(attnc_bindings)"));
  EXPECT_THAT(error([](Lengths &t) { t.bindings.size = 4096; }), HasSubstr("newer attnc.h"));
  EXPECT_EQ(error([](Lengths &t) { t.k.t.data = nullptr; }),
            "'k' of shape [2, 1, 32, 16] has no memory");
  EXPECT_EQ(error([](Lengths &t) { t.v.t.byte_offset = 1; }),
            "'v' starts at an address that is no multiple of 2 bytes");
  EXPECT_THAT(error([](Lengths &t) { t.v.t.byte_offset = UINT64_MAX; }),
              HasSubstr("beyond all memory"));
  EXPECT_EQ(error([](Lengths &t) { t.q.t.dtype.bits = 64; }),
            "'q' has elements of code 4, 64 bits and 1 lanes, which no kernel takes");
  EXPECT_EQ(error([](Lengths &t) { t.q.t.dtype.code = kDLFloat; }),
            "'q' is f16, but the kernel takes bf16");
  EXPECT_EQ(error([](Lengths &t) { t.q.t.ndim = 100; }),
            "'q' has 100 dimensions, but 0 to 8 are possible");
  EXPECT_EQ(error([](Lengths &t) { t.q.t.shape = nullptr; }),
            "'q' has 4 dimensions, but its shape is NULL");
  EXPECT_EQ(error([](Lengths &t) { t.q.shape[1] = -2; }), "'q' has a length of -2");
  EXPECT_THAT(error([](Lengths &t) { t.q.shape[0] = t.q.shape[1] = int64_t(1) << 40; }),
              HasSubstr("more than 2^63 elements"));
  EXPECT_THAT(error([](Lengths &t) { t.bindings.o = &t.q.t; }),
              HasSubstr("overlaps 'q' in memory"));
  EXPECT_THAT(error([](Lengths &t) { t.bindings.num_inputs = 0; }),
              HasSubstr("input 'lengths' is missing"));
  EXPECT_THAT(error([](Lengths &t) { t.named.name = "widths"; }),
              HasSubstr("the kernel has no input 'widths'"));
  EXPECT_EQ(error([](Lengths &t) { t.named.tensor = nullptr; }), "'lengths' is NULL");
  EXPECT_THAT(error([](Lengths &t) { t.lengths.data<int32_t>()[0] = 1000; }),
              HasSubstr("must be a number of keys"));
  EXPECT_THAT(error([](Lengths &t) {
                t.q.t.device = {kDLCUDA, 0};
              }),
              HasSubstr("'q' lies in memory of a CUDA device (DLPack type 2)"));
  EXPECT_EQ(error([](Lengths &t) { t.bindings.num_tokens = 9; }),
            "'num_tokens' is 9, but 'tokens' has 1 to 4 dimensions");
  EXPECT_EQ(error([](Lengths &t) { t.bindings.splits = -1; }),
            "'splits' is -1, but must not be negative");
}

TEST(CApi, GpuKernelsWantAlignedRows) {
  auto error = [](auto change) { return planError("emulator", change); };
  EXPECT_THAT(error([](Lengths &t) {
                t.k.shape[2] = t.v.shape[2] = 31;
                t.q.shape[2] = t.o.shape[2] = t.lse.shape[2] = 31;
                t.lengths.data<int32_t>()[0] = t.lengths.data<int32_t>()[1] = 7;
                t.k.t.byte_offset = 2;
              }),
              HasSubstr("'k' starts at an address that is no multiple of 16 bytes"));
  static int64_t strides[] = {400, 400, 12, 1};
  EXPECT_THAT(error([](Lengths &t) {
                t.k.shape[2] = t.v.shape[2] = t.q.shape[2] = t.o.shape[2] = t.lse.shape[2] = 10;
                t.lengths.data<int32_t>()[0] = t.lengths.data<int32_t>()[1] = 7;
                t.v.t.strides = strides;
              }),
              HasSubstr("dimension 2 of 'v' has stride 12"));
}

TEST(CApi, BadDevicesAndOptions) {
  attnc_device *device;
  std::string text;
  auto open = [&](const char *name, const char *options) {
    device = reinterpret_cast<attnc_device *>(&text);
    attnc_status status = attnc_device_open(name, options, &device);
    EXPECT_EQ(device, nullptr);
    text = attnc_last_error();
    return status;
  };
  EXPECT_EQ(open("tpu", nullptr), ATTNC_INVALID_ARGUMENT);
  EXPECT_THAT(text, HasSubstr("unknown device 'tpu'"));
  EXPECT_EQ(open("cuda:x", nullptr), ATTNC_INVALID_ARGUMENT);
  EXPECT_EQ(open(nullptr, nullptr), ATTNC_INVALID_ARGUMENT);
  EXPECT_EQ(text, "'name' is NULL");
  EXPECT_EQ(open("cpu", "[1]"), ATTNC_INVALID_ARGUMENT);
  EXPECT_THAT(text, HasSubstr("must be a JSON object"));
  EXPECT_EQ(open("cpu", R"({"threads": -1})"), ATTNC_INVALID_ARGUMENT);
  EXPECT_EQ(text, "option 'threads' is -1, but must be a whole number from 0 to 1024");
  EXPECT_EQ(open("cpu", R"({"mode": "late"})"), ATTNC_INVALID_ARGUMENT);
  EXPECT_EQ(text, "device 'cpu' has no option 'mode'\nnote: its options are 'threads', 'isa'");
  EXPECT_EQ(open("emulator", R"({"mode": "never"})"), ATTNC_INVALID_ARGUMENT);
  EXPECT_EQ(text, "option 'mode' is \"never\", but must be one of 'late', 'early', 'random'");
  EXPECT_EQ(open("cuda", R"({"library": "/nowhere/libcuda.so.1"})"), ATTNC_NO_DEVICE);
  EXPECT_THAT(text, HasSubstr("there is no CUDA driver here"));
  EXPECT_EQ(open("cuda", R"({"library": "libc.so.6"})"), ATTNC_NO_DEVICE);
  EXPECT_THAT(text, HasSubstr("is no CUDA driver of version 11 or later: it lacks 'cuInit'"));
}

TEST(CApi, PackagesWithoutFittingCode) {
  PackageHandle package;
  OK(attnc_package_open(input("window.attnpkg").c_str(), &package));
  DeviceHandle emulator;
  OK(attnc_device_open("emulator", nullptr, &emulator));
  attnc_kernel *kernel;
  EXPECT_EQ(attnc_kernel_load(package, emulator, &kernel), ATTNC_UNSUPPORTED);
  EXPECT_THAT(attnc_last_error(), HasSubstr("the package has no PTX"));
  EXPECT_EQ(kernel, nullptr);
}

TEST(CApi, DamagedAndAbsentPackages) {
  attnc_package *package;
  EXPECT_EQ(attnc_package_open(input("absent").c_str(), &package), ATTNC_IO_ERROR);
  EXPECT_EQ(attnc_package_open(input("window.attn").c_str(), &package), ATTNC_BAD_PACKAGE);
  EXPECT_THAT(attnc_last_error(), HasSubstr("it is no package of attnc"));
  EXPECT_EQ(attnc_package_read("", 0, &package), ATTNC_BAD_PACKAGE);
  EXPECT_EQ(attnc_package_read(nullptr, 0, &package), ATTNC_INVALID_ARGUMENT);
  EXPECT_EQ(attnc_package_open("x", nullptr), ATTNC_INVALID_ARGUMENT);
  attnc_package_close(nullptr);
  attnc_plan_close(nullptr);
  EXPECT_EQ(attnc_plan_launch(nullptr, nullptr), ATTNC_INVALID_ARGUMENT);
  EXPECT_EQ(attnc_plan_json(nullptr), nullptr);
}

TEST(CApi, HostDevicesTakeNoStream) {
  Loaded loaded;
  loaded.open("lengths.attnpkg", "cpu");
  Lengths t(16);
  PlanHandle plan;
  OK(attnc_plan_make(loaded.kernel, &t.bindings, &plan));
  EXPECT_EQ(attnc_plan_launch(plan, &t), ATTNC_INVALID_ARGUMENT);
}

TEST(CApi, EveryLevelOfTheProcessorComputesTheSame) {
  for (const char *isa : {"baseline", "avx2", "avx512"}) {
    Loaded loaded;
    std::string options = fmt::format("{{\"isa\": \"{}\", \"threads\": 1}}", isa);
    loaded.open("window.attnpkg", "cpu", options.c_str());
    json facts = json::parse(attnc_kernel_json(loaded.kernel));
    json device = json::parse(attnc_device_json(loaded.device));
    EXPECT_EQ(facts["from"], "object " + device["isa"].get<std::string>());
    Array q({2, 4, 50, 8}, kDLFloat, 32), k({2, 2, 50, 8}, kDLFloat, 32),
        v({2, 2, 50, 8}, kDLFloat, 32), o({2, 4, 50, 8}, kDLFloat, 32);
    fillNormal(q, 2 * 4 * 50 * 8, 1);
    fillNormal(k, 2 * 2 * 50 * 8, 2);
    for (int i = 0; i < 2 * 2 * 50 * 8; ++i)
      v.data<float>()[i] = 2.5f; // whatever the weights, this is the mean
    attnc_bindings b{};
    b.size = sizeof(b);
    b.q = &q.t;
    b.k = &k.t;
    b.v = &v.t;
    b.o = &o.t;
    PlanHandle plan;
    OK(attnc_plan_make(loaded.kernel, &b, &plan));
    OK(attnc_plan_launch(plan, nullptr));
    for (int i = 0; i < 2 * 4 * 50 * 8; ++i)
      ASSERT_NEAR(o.data<float>()[i], 2.5f, 1e-5) << isa;
  }
}

TEST(CApi, ThreadsShareAKernel) {
  Loaded loaded;
  loaded.open("lengths.attnpkg", "cpu", R"({"threads": 2})");
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      // An error in one thread is not another's.
      attnc_package *none;
      attnc_package_read("xxxx", size_t(i) + 1, &none);
      std::string own = attnc_last_error();
      for (int64_t n : {17, 40 + i, 64}) {
        Lengths t(n);
        PlanHandle plan;
        if (attnc_plan_make(loaded.kernel, &t.bindings, &plan) == ATTNC_OK &&
            attnc_plan_launch(plan, nullptr) == ATTNC_OK && t.worstError() < kAllowed &&
            own == attnc_last_error())
          ++right;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(right, 12);
}

} // namespace
