// What callers of the C++ API get wrong, and what only looks wrong.
#include "jit/jit.h"

#include "test/jit/Tensors.h"

#include <gmock/gmock.h>

namespace attn {
namespace {

using testing::HasSubstr;

constexpr int64_t kTokens = 50;

class Misuse : public testing::Test {
protected:
  static const Kernel &kernel() {
    static const Kernel compiled =
        *Engine({{}, 1, {"", 0}})
             .compile("kernel k { heads 2 head_dim 16 dtype f32 tokens [?] mask causal }");
    return compiled;
  }
  /// The error of a run whose bindings `spoil` has changed; empty where it ran.
  template <class Spoil> static std::string errorOf(Spoil &&spoil) {
    Tensors t(kernel().info(), kTokens);
    Bindings bindings = t.bindings();
    spoil(bindings);
    Expected<RunReport> report = kernel().run(bindings);
    return report ? "" : report.error().message;
  }
};

TEST_F(Misuse, Pointers) {
  EXPECT_EQ(errorOf([](Bindings &) {}), "");
  EXPECT_EQ(errorOf([](Bindings &b) { b.k.data = nullptr; }),
            "'k' of shape [1, 2, 50, 16] has no memory");
  EXPECT_EQ(errorOf([](Bindings &b) { b.q.data = static_cast<char *>(b.q.data) + 1; }),
            "'q' starts at an address that is no multiple of 4 bytes");
  EXPECT_EQ(errorOf([](Bindings &b) { b.o = TensorView(); }),
            "'o' has shape [], but [1, 2, 50, 16] is wanted");
  EXPECT_THAT(errorOf([](Bindings &b) { b.q = TensorView(); }), HasSubstr("'q' has 0 dimensions"));
}

TEST_F(Misuse, TypesAndShapes) {
  EXPECT_EQ(errorOf([](Bindings &b) { b.v.dtype = DType::F16; }),
            "'v' is f16, but the kernel takes f32");
  EXPECT_EQ(errorOf([](Bindings &b) { b.v.shape[2] = 49; }),
            "'v' has shape [1, 2, 49, 16], but [1, 2, 50, 16] is wanted");
  EXPECT_EQ(errorOf([](Bindings &b) { b.lse->dtype = DType::F64; }),
            "'lse' is f64, but the kernel takes f32");
  EXPECT_THAT(errorOf([](Bindings &b) { b.q.shape[2] = -1; }), HasSubstr("'tokens'"));
  EXPECT_THAT(errorOf([](Bindings &b) { b.inputs["x"] = b.q; }), HasSubstr("no input 'x'"));
}

TEST_F(Misuse, Strides) {
  EXPECT_EQ(errorOf([](Bindings &b) { b.k.strides[3] = 2; }),
            "the last dimension of 'k' has stride 2, but it must be contiguous");
  EXPECT_EQ(errorOf([](Bindings &b) { b.k.strides.pop_back(); }),
            "'k' has 3 strides for 4 dimensions");
  EXPECT_THAT(errorOf([](Bindings &b) { b.o.strides[2] = 0; }),
              HasSubstr("elements of 'o', which is written, share memory"));
  EXPECT_THAT(errorOf([](Bindings &b) { b.v.strides[1] = INT64_MAX; }), HasSubstr("63 bits"));
  EXPECT_EQ(errorOf([](Bindings &b) { b.v.strides[1] = 0; }), ""); // heads may share what is read
}

TEST_F(Misuse, Overlap) {
  EXPECT_EQ(errorOf([](Bindings &b) { b.o = b.q; }),
            "'o', which is written, overlaps 'q' in memory");
  EXPECT_EQ(errorOf([](Bindings &b) {
              b.lse = TensorView(b.o.data, DType::F32, {1, 2, kTokens});
            }),
            "'o' and 'lse', which are written, overlap in memory");
  EXPECT_EQ(errorOf([](Bindings &b) { b.v = b.k; }), "");
}

TEST_F(Misuse, NothingToDoIsFine) {
  Tensors t(kernel().info(), 0);
  EXPECT_TRUE(kernel().run(t.bindings()));
  Bindings nowhere = t.bindings();
  for (TensorView *view : {&nowhere.q, &nowhere.k, &nowhere.v, &nowhere.o})
    view->data = nullptr;
  EXPECT_TRUE(kernel().run(nowhere));
}

TEST_F(Misuse, APlanOfAnotherKernel) {
  Tensors t(kernel().info(), kTokens);
  auto plan = kernel().plan(t.bindings());
  ASSERT_TRUE(plan);
  EXPECT_TRUE(Kernel(kernel()).run(*plan));
  auto other = Engine({{}, 1, {"", 0}})
                   .compile("kernel other { heads 2 head_dim 16 dtype f32 tokens [?] mask all }");
  ASSERT_TRUE(other);
  auto report = other->run(*plan);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message, "the plan was made for another kernel than 'other'");
  EXPECT_FALSE(kernel().run(LaunchPlan()));
}

TEST_F(Misuse, MoreThreadsThanCores) {
  for (unsigned threads : {64u, 100000u}) {
    auto kernel = Engine({{}, threads, {"", 0}})
                      .compile("kernel k { heads 2 head_dim 16 dtype f32 tokens [?] mask causal }");
    ASSERT_TRUE(kernel) << kernel.error().message;
    Tensors t(kernel->info(), kTokens);
    ASSERT_TRUE(kernel->run(t.bindings()));
    EXPECT_EQ(mismatch(kernel->info(), t, reference::causal()), "");
  }
}

TEST_F(Misuse, TensorsOfOtherLibraries) {
  Tensors t(kernel().info(), kTokens);
  TensorView q = t.q;
  DLTensor tensor{q.data,         {kDLCPU, 0},      4, {kDLFloat, 32, 1},
                  q.shape.data(), q.strides.data(), 0};
  auto view = hostViewOf(tensor, "q", DType::F32);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->shape, q.shape);
  tensor.strides = nullptr; // contiguous
  EXPECT_EQ(hostViewOf(tensor, "q", DType::F32)->strides, q.strides);
  tensor.byte_offset = 16;
  EXPECT_EQ(hostViewOf(tensor, "q", DType::F32)->data, static_cast<char *>(q.data) + 16);
  tensor.device.device_type = kDLCUDA;
  EXPECT_THAT(hostViewOf(tensor, "q", DType::F32).error().message,
              HasSubstr("'q' lies in memory of a CUDA device"));
}

TEST_F(Misuse, PackagesForDevices) {
  Engine engine({{}, 1, {"", 0}});
  constexpr const char *kSpec = "kernel k { heads 2 head_dim 16 dtype f16 tokens [?] mask causal }";
  PackageRequest request;
  request.targets = {"cpu", "sm_80"};
  auto package = engine.package(kSpec, request);
  ASSERT_TRUE(package) << package.error().message;
  EXPECT_NE(package->find("ptx", "sm_80"), nullptr);
  for (const char *name : {"cpu", "emulator"}) {
    Fault fault = Fault::Invalid;
    auto device = openDevice(name, "", fault);
    ASSERT_TRUE(device);
    auto loaded = (*device)->load(*package, fault);
    ASSERT_TRUE(loaded) << loaded.error().message;
    Tensors t((*loaded)->info(), kTokens);
    auto plan = (*loaded)->plan(t.bindings(), 0, fault);
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_TRUE((*plan)->launch(nullptr, fault));
    EXPECT_EQ(mismatch((*loaded)->info(), t, reference::causal()), "") << name;
  }
  request.targets = {"sm_81"};
  EXPECT_EQ(engine.package(kSpec, request).error().message.find("error: unknown target 'sm_81'"), 0u);
  request.targets = {"sm_80"};
  request.gpu = "h1000";
  EXPECT_EQ(engine.package(kSpec, request).error().message.find("error: unknown GPU 'h1000'"), 0u);
}

} // namespace
} // namespace attn
