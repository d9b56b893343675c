// Every instruction form that sm_80 kernels of LLVM and of inline assembly use is known to the
// machine, and is PTX according to ptxas where there is one. What each does is tested elsewhere.
#include "test/emulator/Run.h"

#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace attn::emulator {
namespace {

/// With the registers of kernelText, .f32 %f0..3, and shared variables x (512 bytes) and m (8).
const char *const kForms[] = {
    // Moves and special registers.
    "mov.b16 %h0, %h1;",
    "mov.pred %p0, %p1;",
    "mov.b32 %r0, {%h0, %h1};",
    "mov.b64 {%r0, %r1}, %d0;",
    "mov.u32 %r0, x;",
    "mov.u32 %r0, %tid.y;",
    "mov.u32 %r0, %ctaid.z;",
    "mov.u32 %r0, %nctaid.x;",
    "mov.u32 %r0, %warpid;",
    "mov.u32 %r0, %smid;",
    "mov.u64 %d0, %clock64;",
    "mov.u64 %d0, %globaltimer;",
    "cvta.shared.u64 %d0, %d1;",
    "cvta.to.global.u64 %d0, %d1;",
    "selp.b32 %r0, %r1, %r2, %p0;",
    "slct.s32.s32 %r0, %r1, %r2, %r3;",
    "prmt.b32 %r0, %r1, %r2, 0x5410;",
    "shf.l.wrap.b32 %r0, %r1, %r2, %r3;",
    "shf.r.wrap.b32 %r0, %r1, %r2, %r3;",
    "shf.r.clamp.b32 %r0, %r1, %r2, %r3;",
    "bfe.u32 %r0, %r1, 4, 8;",
    "bfi.b32 %r0, %r1, %r2, 4, 8;",
    "bfind.u32 %r0, %r1;",
    "brev.b32 %r0, %r1;",
    "popc.b32 %r0, %r1;",
    "clz.b32 %r0, %r1;",
    "fns.b32 %r0, %r1, 0, 1;",
    // Integers.
    "mul.hi.u32 %r0, %r1, %r2;",
    "mul.wide.s32 %d0, %r1, %r2;",
    "mad.wide.u32 %d0, %r1, %r2, %d1;",
    "sad.u32 %r0, %r1, %r2, %r3;",
    "div.s64 %d0, %d1, %d2;",
    "rem.u32 %r0, %r1, %r2;",
    "lop3.b32 %r0, %r1, %r2, %r3, 0x96;",
    "not.pred %p0, %p1;",
    "setp.lt.and.s32 %p0, %r0, %r1, %p1;",
    "setp.lt.s32 %p0|%p2, %r0, %r1;",
    "dp4a.s32.u32 %r0, %r1, %r2, %r3;",
    "dp2a.lo.u32.u32 %r0, %r1, %r2, %r3;",
    // Floats.
    "fma.rn.ftz.f32 %f0, %f1, %f2, %f3;",
    "add.rz.f32 %f0, %f1, %f2;",
    "max.NaN.f32 %f0, %f1, %f2;",
    "ex2.approx.ftz.f32 %f0, %f1;",
    "lg2.approx.f32 %f0, %f1;",
    "rcp.approx.ftz.f32 %f0, %f1;",
    "rcp.rn.f32 %f0, %f1;",
    "rsqrt.approx.f32 %f0, %f1;",
    "sqrt.rn.f32 %f0, %f1;",
    "sqrt.approx.f32 %f0, %f1;",
    "tanh.approx.f32 %f0, %f1;",
    "div.full.f32 %f0, %f1, %f2;",
    "copysign.f32 %f0, %f1, %f2;",
    "testp.finite.f32 %p0, %f1;",
    "cvt.rn.bf16x2.f32 %r0, %f1, %f2;",
    "cvt.rn.f16x2.f32 %r0, %f1, %f2;",
    "cvt.rn.relu.bf16.f32 %h0, %f1;",
    "cvt.f32.f16 %f0, %h0;",
    "cvt.rna.tf32.f32 %r0, %f1;",
    "cvt.rni.s32.f32 %r0, %f1;",
    "cvt.rn.f32.u32 %f0, %r1;",
    "cvt.sat.u8.s32 %r0, %r1;",
    "fma.rn.bf16x2 %r0, %r1, %r2, %r3;",
    "fma.rn.relu.f16x2 %r0, %r1, %r2, %r3;",
    "max.f16x2 %r0, %r1, %r2;",
    "max.bf16x2 %r0, %r1, %r2;",
    "ex2.approx.f16x2 %r0, %r1;",
    "setp.lt.f16 %p0, %h0, %h1;",
    // Memory.
    "ld.global.nc.L1::no_allocate.L2::128B.v4.b32 {%r0, %r1, %r2, %r3}, [%d0];",
    "ld.global.L2::cache_hint.b32 %r0, [%d0], %d1;",
    "ld.global.v2.b64 {%d0, %d1}, [%d2];",
    "ld.acquire.gpu.global.b32 %r0, [%d0];",
    "ld.volatile.shared.b32 %r0, [x];",
    "st.global.v4.b32 [%d0], {%r0, %r1, %r2, %r3};",
    "st.global.L2::cache_hint.b32 [%d0], %r0, %d1;",
    "st.release.gpu.global.b32 [%d0], %r0;",
    "atom.global.add.f32 %f0, [%d0], %f1;",
    "atom.global.cas.b64 %d0, [%d1], %d2, %d3;",
    "atom.acq_rel.gpu.global.inc.u32 %r0, [%d0], %r1;",
    "red.global.add.f32 [%d0], %f1;",
    "prefetch.global.L2 [%d0];",
    "discard.global.L2 [%d0], 128;",
    "createpolicy.fractional.L2::evict_first.b64 %d0, 0f3F800000;",
    "isspacep.shared %p0, %d0;",
    "cp.async.ca.shared.global [x], [%d0], 4;",
    "cp.async.cg.shared.global.L2::128B [x], [%d0], 16, %r0;",
    "cp.async.cg.shared.global.L2::cache_hint [x], [%d0], 16, %d1;",
    "cp.async.ca.shared.global [x], [%d0], 8, %p0;",
    "cp.async.commit_group;",
    "cp.async.wait_group 1;",
    "cp.async.wait_all;",
    "cp.async.mbarrier.arrive.shared.b64 [m];",
    "cp.async.mbarrier.arrive.noinc.shared.b64 [m];",
    // Warps.
    "shfl.sync.bfly.b32 %r0|%p0, %r1, 1, 31, -1;",
    "vote.sync.ballot.b32 %r0, %p0, -1;",
    "match.any.sync.b64 %r0, %d0, -1;",
    "match.all.sync.b32 %r0|%p0, %r1, -1;",
    "redux.sync.add.s32 %r0, %r1, -1;",
    "redux.sync.or.b32 %r0, %r1, -1;",
    "bar.warp.sync -1;",
    "activemask.b32 %r0;",
    // Barriers.
    "bar.sync 1, 64;",
    "bar.arrive 1, 64;",
    "bar.red.and.pred %p0, 0, %p1;",
    "barrier.sync 0;",
    "barrier.cta.sync.aligned 0;",
    "barrier.arrive 1, 64;",
    "barrier.red.popc.aligned.u32 %r0, 0, %p1;",
    "membar.gl;",
    "fence.acq_rel.gpu;",
    "fence.sc.cta;",
    "mbarrier.init.shared.b64 [m], 1;",
    "mbarrier.inval.shared.b64 [m];",
    "mbarrier.arrive.shared.b64 %d0, [m];",
    "mbarrier.arrive.noComplete.shared.b64 %d0, [m], 1;",
    "mbarrier.arrive_drop.shared.b64 %d0, [m];",
    "mbarrier.arrive_drop.noComplete.shared.b64 %d0, [m], 1;",
    "mbarrier.test_wait.shared.b64 %p0, [m], %d0;",
    "mbarrier.test_wait.parity.shared.b64 %p0, [m], 0;",
    "mbarrier.pending_count.b64 %r0, %d0;",
    // Matrices.
    "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r0}, [x];",
    "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r0, %r1}, [x];",
    "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r0, %r1, %r2, %r3}, [x];",
    "movmatrix.sync.aligned.m8n8.trans.b16 %r0, %r1;",
    "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r0, %r1}, {%r4, %r5, %r6, %r7}, "
    "{%r8, %r9}, {%r0, %r1};",
    "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%f0, %f1, %f2, %f3}, {%r4, %r5}, {%r8}, "
    "{%f0, %f1, %f2, %f3};",
    "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f0, %f1, %f2, %f3}, "
    "{%r4, %r5, %r6, %r7}, {%r8, %r9}, {%f0, %f1, %f2, %f3};",
    "mma.sync.aligned.m16n8k32.row.col.satfinite.s32.u8.s8.s32 {%r0, %r1, %r2, %r3}, "
    "{%r4, %r5, %r6, %r7}, {%r8, %r9}, {%r0, %r1, %r2, %r3};",
    "mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%r0, %r1, %r2, %r3}, {%r4, %r5}, {%r8}, "
    "{%r0, %r1, %r2, %r3};",
    // Control.
    "nanosleep.u32 20;",
    "bra.uni next; next:",
    "@%p0 exit;",
    "trap;",
    "pragma \"nounroll\";",
};

/// As above, but of sm_90.
const char *const kFormsOf90[] = {
    "mov.u32 %r0, %clusterid.x;",
    "mov.u32 %r0, %cluster_ctarank;",
    "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [x], {%r0, %r1, %r2, %r3};",
    "elect.sync %r0|%p0, -1;",
    "griddepcontrol.wait;",
    "griddepcontrol.launch_dependents;",
    "fence.mbarrier_init.release.cluster;",
    "mbarrier.arrive.release.cta.shared::cta.b64 _, [m];",
    "mbarrier.arrive.expect_tx.shared::cta.b64 %d0, [m], 64;",
    "mbarrier.arrive_drop.expect_tx.shared::cta.b64 %d0, [m], 64;",
    "mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [m], 64;",
    "mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [m], 64;",
    "mbarrier.try_wait.shared::cta.b64 %p0, [m], %d0;",
    "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 %p0, [m], 0, 1000;",
    "red.global.add.noftz.bf16x2 [%d0], %r1;",
    "red.global.add.v4.f32 [%d0], {%f0, %f1, %f2, %f3};",
    "red.global.add.v2.f32 [%d0], {%f0, %f1};",
};

std::string kernelOf(const std::string &form, const char *name) {
  std::string text = kernelText("  .reg .f32 %f<4>;\n  .shared .align 16 .b8 x[512];\n"
                                "  .shared .align 8 .b64 m;\n  " +
                                (form.starts_with("pragma") ? "." + form : form) + "\n");
  text.erase(0, text.find(".visible"));
  return text.replace(text.find(" k("), 3, fmt::format(" {}(", name));
}
std::string header(const char *target) {
  return fmt::format(".version 8.6\n.target {}\n.address_size 64\n", target);
}

TEST(Forms, AreKnown) {
  for (const char *form : kForms) {
    Expected<Module> module = Module::parse(header("sm_80") + kernelOf(form, "k"));
    EXPECT_TRUE(bool(module)) << module.error().message;
  }
  for (const char *form : kFormsOf90) {
    Expected<Module> module = Module::parse(header("sm_90") + kernelOf(form, "k"));
    EXPECT_TRUE(bool(module)) << module.error().message;
  }
}

/// What ptxas says about all forms at once.
std::string assemble(const char *target, std::span<const char *const> forms) {
  std::string text = header(target);
  for (size_t i = 0; i < forms.size(); ++i)
    text += kernelOf(forms[i], fmt::format("k{}", i).c_str());
  std::string path = testing::TempDir() + fmt::format("attn-forms-{}.ptx", getpid());
  std::ofstream(path) << text;
  std::string command =
      fmt::format("'{}' -arch={} '{}' -o /dev/null 2>&1", ATTN_PTXAS, target, path);
  std::string output;
  FILE *pipe = popen(command.c_str(), "r");
  for (int c; pipe && (c = fgetc(pipe)) != EOF;)
    output += static_cast<char>(c);
  int status = pipe ? pclose(pipe) : 1;
  std::remove(path.c_str());
  return status == 0 ? "" : output + "ptxas failed";
}

TEST(Forms, ArePtx) {
  if (std::string_view(ATTN_PTXAS).empty())
    GTEST_SKIP() << "there is no ptxas";
  EXPECT_EQ(assemble("sm_80", kForms), "");
  EXPECT_EQ(assemble("sm_90", kFormsOf90), "");
}

} // namespace
} // namespace attn::emulator
