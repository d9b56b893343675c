#!/usr/bin/env python3
"""PTX of the wgmma micro-benchmarks, for sm_90a: batches of m64nNk16 products, bf16 with f32 sums.

    wgmma_kernels.py FILE.ptx    writes the module

An entry wgmma_{ss|rs}_n{N}_b{B}(cycles, sink, n, idle): each warpgroup runs `n` batches of B products and waits for each
batch; after a batch it spins `idle` cycles. It writes its cycles and its nanoseconds (%globaltimer). From two batch
sizes follow the cycles of a product and what a batch costs beside them. Operands lie in shared memory in the 128-byte
swizzle, K-major: A as 64 rows, B as N rows, of 128 bytes (64 columns), of which products take turns over the four k16.
"""
import sys

import hopper_layout as layout

WIDTHS = (64, 128, 192, 256)
BATCHES = (4, 16)
A_BYTES = 64 * 128


def shared_bytes(n, warpgroups=2):
    """A for each warpgroup, B for all, and room to align both."""
    return warpgroups * A_BYTES + n * 128 + 1024


def entry_name(form, n, batch):
    return f"wgmma_{form}_n{n}_b{batch}"


def product(form, n, step, scale_d):
    accumulators = ", ".join(f"%f{i}" for i in range(n // 2))
    a = "%descA" + str(step) if form == "ss" else "{%a0, %a1, %a2, %a3}"
    transposes = "0, 0" if form == "ss" else "0"
    return (f"    wgmma.mma_async.sync.aligned.m64n{n}k16.f32.bf16.bf16 {{{accumulators}}}, {a}, %descB{step}, "
            f"{scale_d}, 1, 1, {transposes};\n")


def kernel(form, n, batch):
    constant = layout.descriptor(0, leading=16, stride=1024, swizzle="128")
    setup = "".join(f"""  add.u32 %at, %base, {32 * step};
  shr.u32 %at, %at, 4;
  and.b32 %at, %at, 0x3fff;
  cvt.u64.u32 %descA{step}, %at;
  or.b64 %descA{step}, %descA{step}, {constant:#x};
  add.u32 %at, %tileB, {32 * step};
  shr.u32 %at, %at, 4;
  and.b32 %at, %at, 0x3fff;
  cvt.u64.u32 %descB{step}, %at;
  or.b64 %descB{step}, %descB{step}, {constant:#x};
""" for step in range(4))
    products = "".join(product(form, n, i % 4, "%p1") for i in range(batch))
    zeros = "".join(f"  mov.f32 %f{i}, 0f00000000;\n" for i in range(n // 2))
    total = "".join(f"  add.f32 %f0, %f0, %f{i};\n" for i in range(1, n // 2))
    return f""".visible .entry {entry_name(form, n, batch)}(.param .u64 cycles, .param .u64 sink, .param .u32 n, .param .u32 idle)
.maxntid 256, 1, 1
.minnctapersm 1
{{
  .reg .pred %p<8>;
  .reg .b32 %at, %base, %tileB, %t, %i, %n, %idle, %word, %a0, %a1, %a2, %a3, %group, %block;
  .reg .b64 %descA0, %descA1, %descA2, %descA3, %descB0, %descB1, %descB2, %descB3;
  .reg .b64 %begin, %end, %now, %ns0, %ns1, %out, %sum, %place, %wait;
  .reg .f32 %f<{n // 2}>;
  mov.u32 %t, %tid.x;
  mov.u32 %block, %ctaid.x;
  ld.param.u32 %n, [n];
  ld.param.u32 %idle, [idle];
  ld.param.u64 %out, [cycles];
  ld.param.u64 %sum, [sink];
  mov.u32 %base, smem;
  add.u32 %base, %base, 1023;
  and.b32 %base, %base, 0xfffffc00;
  // Values of either sign between 1/2 and 1.
  mul.lo.u32 %i, %t, 4;
fill:
  add.u32 %at, %base, %i;
  mad.lo.u32 %word, %i, 0x9e3779b1, 0x7f4a7c15;
  shr.u32 %a0, %word, 7;
  xor.b32 %word, %word, %a0;
  and.b32 %word, %word, 0x807f807f;
  or.b32 %word, %word, 0x3f003f00;
  st.shared.b32 [%at], %word;
  mov.u32 %a0, %ntid.x;
  mad.lo.u32 %i, %a0, 4, %i;
  setp.lt.u32 %p0, %i, {2 * A_BYTES + n * 128};
  @%p0 bra fill;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  mov.b32 %a0, 0x3f203f60;
  mov.b32 %a1, 0xbf203f61;
  mov.b32 %a2, 0x3f20bf62;
  mov.b32 %a3, 0xbf20bf63;
  add.u32 %tileB, %base, {2 * A_BYTES};
  shr.u32 %group, %t, 7;
  mad.lo.u32 %base, %group, {A_BYTES}, %base;
{setup}{zeros}  setp.eq.u32 %p1, 0, 0;
  mov.u32 %i, 0;
  cvt.u64.u32 %wait, %idle;
  setp.eq.u32 %p3, %idle, 0;
  bar.sync 0;
  mov.u64 %ns0, %globaltimer;
  mov.u64 %begin, %clock64;
batch:
    wgmma.fence.sync.aligned;
{products}    wgmma.commit_group.sync.aligned;
    wgmma.wait_group.sync.aligned 0;
  @%p3 bra next;
  mov.u64 %now, %clock64;
spin:
  mov.u64 %end, %clock64;
  sub.u64 %end, %end, %now;
  setp.lt.u64 %p4, %end, %wait;
  @%p4 bra spin;
next:
  add.u32 %i, %i, 1;
  setp.lt.u32 %p2, %i, %n;
  @%p2 bra batch;
  mov.u64 %end, %clock64;
  mov.u64 %ns1, %globaltimer;
  sub.u64 %end, %end, %begin;
  sub.u64 %ns1, %ns1, %ns0;
{total}  mov.u32 %i, %ntid.x;
  mad.lo.u32 %i, %block, %i, %t;
  mul.wide.u32 %place, %i, 4;
  add.u64 %sum, %sum, %place;
  st.global.f32 [%sum], %f0;
  and.b32 %at, %t, 127;
  setp.ne.u32 %p5, %at, 0;
  @%p5 bra done;
  shr.u32 %i, %i, 7;
  mul.wide.u32 %place, %i, 16;
  add.u64 %out, %out, %place;
  st.global.u64 [%out], %end;
  st.global.u64 [%out+8], %ns1;
done:
  ret;
}}
"""


def module():
    head = ".version 8.0\n.target sm_90a\n.address_size 64\n.extern .shared .align 1024 .b8 smem[];\n"
    return head + "".join(kernel(form, n, batch) for form in ("ss", "rs") for n in WIDTHS for batch in BATCHES)


if __name__ == "__main__":
    with open(sys.argv[1], "w") as file:
        file.write(module())
