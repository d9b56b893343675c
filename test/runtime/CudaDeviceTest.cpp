// The CUDA device from end to end, with a driver library that runs on the emulator.
#include "runtime/DType.h"
#include "runtime/Device.h"
#include "runtime/File.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>
#include <random>

namespace attn {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string options(const char *more = "") {
  return fmt::format("{{\"library\": \"{}\"{}}}", ATTN_EMULATED_CUDA, more);
}

Package lengthsPackage() { return *Package::open(ATTN_TEST_PACKAGES "/lengths.attnpkg"); }

/// The package with a section more: a cubin that no driver takes.
Package withCubin(const char *chip) {
  Package package = lengthsPackage();
  PackageWriter writer;
  for (const Section &section : package.sections())
    writer.add(section.kind, section.target, section.unit, std::string(section.text()));
  writer.add("cubin", chip, "sm_80",
             "\x7f"
             "ELF of another chip");
  std::string bytes = writer.finish();
  return *Package::read({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
}

/// Memory of the device that is given back.
class Places {
public:
  explicit Places(Device &device) : device(device) {}
  ~Places() {
    for (void *memory : list)
      device.release(memory);
  }
  void *put(const void *host, int64_t bytes) {
    Fault fault;
    void *memory = *device.allocate(bytes, fault);
    list.push_back(memory);
    EXPECT_TRUE(device.copyIn(memory, host, bytes, fault));
    return memory;
  }

private:
  Device &device;
  std::vector<void *> list;
};

class CudaDevice : public ::testing::Test {
protected:
  void SetUp() override {
    Fault fault;
    auto opened = openDevice("cuda", options(), fault);
    ASSERT_TRUE(opened) << opened.error().message;
    device = *opened;
  }

  /// The outputs of a run over `n` tokens in the device's memory and on the processor.
  void compare(const Package &package, int64_t n, int64_t splits) {
    Fault fault = Fault::Invalid;
    auto kernel = device->load(package, fault);
    ASSERT_TRUE(kernel) << kernel.error().message;
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    auto draw = [&](int64_t count) {
      std::vector<uint16_t> values(size_t(count), 0);
      for (uint16_t &value : values)
        value = f32ToBF16(normal(random));
      return values;
    };
    std::vector<uint16_t> q = draw(4 * n * 16), k = draw(2 * n * 16), v = draw(2 * n * 16),
                          o(size_t(4 * n * 16), 0xffff), expected = o;
    std::vector<int32_t> lengths{int32_t(n), int32_t(n / 2 + 1)};
    Bindings b;
    b.q = TensorView(q.data(), DType::BF16, {2, 2, n, 16});
    b.k = TensorView(k.data(), DType::BF16, {2, 1, n, 16});
    b.v = TensorView(v.data(), DType::BF16, {2, 1, n, 16});
    b.o = TensorView(expected.data(), DType::BF16, {2, 2, n, 16});
    b.inputs["lengths"] = TensorView(lengths.data(), DType::I32, {2});
    auto cpu = openDevice("cpu", "", fault);
    auto onCpu = (*cpu)->load(package, fault);
    ASSERT_TRUE(onCpu) << onCpu.error().message;
    auto cpuPlan = (*onCpu)->plan(b, 0, fault);
    ASSERT_TRUE(cpuPlan) << cpuPlan.error().message;
    ASSERT_TRUE((*cpuPlan)->launch(nullptr, fault));

    Places places(*device);
    auto bytes = [](const auto &values) { return int64_t(values.size() * sizeof(values[0])); };
    b.q.data = places.put(q.data(), bytes(q));
    b.k.data = places.put(k.data(), bytes(k));
    b.v.data = places.put(v.data(), bytes(v));
    b.o.data = places.put(o.data(), bytes(o));
    b.inputs["lengths"].data = places.put(lengths.data(), bytes(lengths));
    auto plan = (*kernel)->plan(b, splits, fault);
    ASSERT_TRUE(plan) << plan.error().message;
    int stream = 0;
    Status launched = (*plan)->launch(&stream, fault);
    ASSERT_TRUE(launched) << launched.error().message;
    ASSERT_TRUE(device->synchronize(fault));
    ASSERT_TRUE(device->copyOut(o.data(), b.o.data, bytes(o), fault));
    for (size_t i = 0; i < o.size(); ++i)
      ASSERT_NEAR(bf16ToF32(o[i]), bf16ToF32(expected[i]), 0.03) << i;
    facts = json::parse((*plan)->json());
    kernelFacts = json::parse((*kernel)->json());
  }

  std::shared_ptr<Device> device;
  json facts, kernelFacts;
};

TEST_F(CudaDevice, DescribesItself) {
  json text = json::parse(device->json());
  EXPECT_EQ(text["name"], "cuda:0");
  EXPECT_EQ(text["compute_capability"], json({8, 0}));
  EXPECT_GT(text["multiprocessors"], 0);
}

TEST_F(CudaDevice, RunsPtx) {
  compare(lengthsPackage(), 90, 0);
  EXPECT_EQ(kernelFacts["from"], "ptx sm_80");
  EXPECT_GT(facts["table_bytes"], 0);
  EXPECT_GT(facts["workspace_bytes"], 0); // nobody asked for lse
  compare(lengthsPackage(), 1, 0);
}

TEST_F(CudaDevice, SplitsKeys) {
  if (lengthsPackage().units().at("sm_80").mergeEntry.empty())
    GTEST_SKIP() << "the kernel does not split keys";
  compare(lengthsPackage(), 400, 3);
  EXPECT_EQ(facts["splits"], 3);
}

TEST_F(CudaDevice, ARefusedCubinIsReplacedByPtx) {
  compare(withCubin("sm_80"), 20, 0);
  EXPECT_EQ(kernelFacts["from"], "ptx sm_80");
  EXPECT_THAT(kernelFacts["log"].get<std::string>(),
              HasSubstr("cubin sm_80: cuModuleLoadDataEx: CUDA_ERROR_NO_BINARY_FOR_GPU (209)"));
}

TEST_F(CudaDevice, CubinsOfOtherChipsAreNotTried) {
  compare(withCubin("sm_90"), 20, 0);
  EXPECT_FALSE(kernelFacts.contains("log"));
}

TEST_F(CudaDevice, BadPtxIsAnErrorOfTheDriver) {
  Package package = lengthsPackage();
  PackageWriter writer;
  for (const Section &section : package.sections())
    writer.add(section.kind, section.target, section.unit,
               section.kind == "ptx" ? "no PTX at all" : std::string(section.text()));
  std::string bytes = writer.finish();
  Fault fault = Fault::Invalid;
  auto kernel = device->load(
      *Package::read({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}), fault);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(fault, Fault::Device);
  EXPECT_THAT(kernel.error().message, HasSubstr("cuModuleLoadDataEx: CUDA_ERROR"));
}

TEST_F(CudaDevice, PackagesWithoutGpuCode) {
  Fault fault = Fault::Invalid;
  auto kernel = device->load(*Package::open(ATTN_TEST_PACKAGES "/window.attnpkg"), fault);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(fault, Fault::Unsupported);
  EXPECT_EQ(kernel.error().message, "the package has no code for GPUs");
}

TEST_F(CudaDevice, TensorsOfOtherPlaces) {
  EXPECT_TRUE(device->checkPlace("q", {kDLCUDA, 0}));
  EXPECT_TRUE(device->checkPlace("q", {kDLCUDAManaged, 0}));
  EXPECT_EQ(device->checkPlace("q", {kDLCUDA, 1}).error().message,
            "'q' lies on device 'cuda:1', but the kernel runs on 'cuda:0'");
  EXPECT_THAT(device->checkPlace("q", {kDLCPU, 0}).error().message,
              HasSubstr("'q' lies in memory of DLPack type 1, but the kernel runs on 'cuda:0'"));
}

TEST_F(CudaDevice, TooMuchMemory) {
  Fault fault = Fault::Invalid;
  auto memory = device->allocate(int64_t(1) << 40, fault);
  ASSERT_FALSE(memory);
  EXPECT_EQ(fault, Fault::Memory);
  EXPECT_THAT(memory.error().message,
              HasSubstr("cannot have 1099511627776 bytes of the device's memory: "
                        "cuMemAlloc"));
}

TEST(CudaDevices, DevicesThatAreNotThere) {
  Fault fault = Fault::Invalid;
  auto device = openDevice("cuda:7", options(), fault);
  ASSERT_FALSE(device);
  EXPECT_EQ(fault, Fault::NoDevice);
  EXPECT_EQ(device.error().message, "there is no device 'cuda:7': the driver has 1");
}

} // namespace
} // namespace attn
