"""Micro-benchmarks: the machine's constants that a model of time needs, each measured by itself.

A row has "value" and "unit", and "detail" with what was varied. Cycles are those of a multiprocessor's own clock.
"""
import ctypes
import statistics
import time

import numpy as np

import cuda
import wgmma_kernels

CHAINS = 8
RATES = ("ex2", "ffma", "fadd", "fmul", "fmnmx", "f2fp", "hfma2_bf16", "iadd", "imad", "lop3", "prmt", "shfl", "select", "mma")
MIXES = (1, 2, 4, 8)   # fused multiply-adds to an exponential
# Turns of a rate loop and of a barrier loop, bytes that fit the L2 cache and that do not, passes over the former,
# launches in a row: of a measurement, and of a rehearsal.
SIZES = {"rounds": 512, "turns": 1024, "l2": 16 << 20, "hbm": 2 << 30, "passes": 64, "launches": 1000, "spin": 20_000_000,
         "far": 256 << 20}
SMALL = {"rounds": 4, "turns": 16, "l2": 1 << 16, "hbm": 1 << 18, "passes": 2, "launches": 4, "spin": 1000, "far": 1 << 20}


class Bench:
    """Modules, buffers and rows of the calibration."""

    def __init__(self, ctx):
        self.ctx, self.driver = ctx, ctx.driver
        self.sizes = SMALL if ctx.quick else SIZES
        self.facts = self.driver.facts()
        self.modules, self.buffers = {}, {}
        self.capability = 10 * self.facts["capability_major"] + self.facts["capability_minor"]
        self.multiprocessors = self.facts["multiprocessors"]

    def module(self, name):
        """The cubin for this chip where the bundle has it, else the PTX."""
        if name not in self.modules:
            folder = self.ctx.bundle / "kernels"
            cubin, ptx = folder / f"{name}.sm_{self.capability}a.cubin", folder / f"{name}.ptx"
            if cubin.exists():
                self.modules[name] = self.driver.load(cubin.read_bytes())
            elif ptx.exists():
                self.modules[name] = self.driver.load(ptx.read_text())
            else:
                raise FileNotFoundError(f"the bundle has neither {cubin.name} nor {ptx.name}")
        return self.modules[name]

    def function(self, module, entry):
        return self.driver.function(self.module(module), entry)

    def buffer(self, name, size):
        if name not in self.buffers or self.buffers[name][1] < size:
            self.buffers[name] = (self.driver.allocate(size), size)
            self.driver.fill(self.buffers[name][0], 0x11, size)
        return self.buffers[name][0]

    def flush(self):
        """Overwrites what the L2 cache holds."""
        self.driver.fill(self.buffer("flush", self.sizes["far"]), 0, self.sizes["far"])

    def row(self, name, unit, measure):
        """measure() -> (value, detail). A failure is a row that says why."""
        if self.ctx.expired() or not self.ctx.results.begin("calibration", name, unit=unit):
            return None
        try:
            value, detail = measure()
            self.ctx.results.end("calibration", name, "measured", value=value, detail=detail)
            return value
        except (cuda.CudaError, FileNotFoundError, ZeroDivisionError) as error:
            self.ctx.results.end("calibration", name, "failed", reason=str(error))
            if getattr(error, "fatal", False):
                raise
            return None

    def cycles(self, function, grid, block, count, arguments, shared=0):
        """Runs a kernel whose first argument is a buffer of `count` 64-bit results, twice; those of the second run."""
        out = self.buffer("cycles", 1 << 20)
        for _ in range(2):
            self.driver.launch(function, (grid, 1, 1), (block, 1, 1), [out, *arguments], shared)
        self.driver.synchronize()
        return np.frombuffer(self.driver.download(out, 8 * count), "<u8").astype(np.float64)

    def milliseconds(self, launch, repeats=5):
        return statistics.median(cuda.time_launches(self.driver, launch, None, warmup=2, repeats=repeats, budget_s=1.0))


def int32(value):
    return ctypes.c_int(value)


def rate(bench, entry, warps, chains=CHAINS, shared=0):
    """Cycles per warp instruction of the slowest thread, all warps of a block counted."""
    function = bench.function("rates", entry)
    spent = bench.cycles(function, 1, 32 * warps, 32 * warps, [bench.buffer("sink", 1 << 20), int32(bench.sizes["rounds"])],
                         shared)
    return float(spent.max()) / (bench.sizes["rounds"] * chains * warps)


def best_rate(bench, entry, per, shared=0):
    """(the smallest interval over numbers of warps, all of them); `per` 4: per sub-partition."""
    found = {warps: per * rate(bench, entry, warps, shared=shared) for warps in (4, 8, 16)}
    return min(found.values()), {f"{warps} warps": value for warps, value in found.items()}


def instruction_rates(bench):
    for op in RATES:  # "select" is a setp and a selp
        bench.row(f"{op} interval", "cycles per warp instruction and sub-partition",
                  lambda op=op: best_rate(bench, f"rate_{op}", 4))
        bench.row(f"{op} latency", "cycles", lambda op=op: (rate(bench, f"latency_{op}", 1, chains=1), {}))
    for k in MIXES:
        bench.row(f"ex2 with {k} ffma interval", "cycles per ex2 and sub-partition",
                  lambda k=k: best_rate(bench, f"mix_ex2_ffma{k}", 4))
    shared = 16384 + 512 * CHAINS
    for op, what in (("lds128", "load"), ("sts128", "store"), ("ldmatrix", "ldmatrix.x4")):
        def bandwidth(op=op):
            interval, detail = best_rate(bench, f"rate_{op}", 1, shared=2048 * 16 + shared)
            return 512 / interval, {"cycles per warp instruction": detail}
        bench.row(f"shared memory {what} bandwidth", "bytes per cycle and multiprocessor", bandwidth)
    for op in ("lds128", "ldmatrix"):
        bench.row(f"{op} latency", "cycles",
                  lambda op=op: (rate(bench, f"latency_{op}", 1, chains=1, shared=2048 * 16 + shared), {}))


def ring(address, size, step):
    """A permuted ring of addresses, one in every `step` bytes, as the memory that holds it."""
    count = size // step
    order = np.random.default_rng(1).permutation(count)
    memory = np.zeros(size // 8, np.uint64)
    memory[order * (step // 8)] = np.uint64(address) + np.roll(order, -1).astype(np.uint64) * np.uint64(step)
    return memory, int(order[0]) * step


def chase(bench, size, step, flushed=False):
    """Cycles of a dependent load; flushed: of one that the caches do not hold."""
    address = bench.driver.allocate(size)
    try:
        memory, first = ring(address, size, step)
        bench.driver.upload(address, memory)
        steps = min(size // step, 4096)
        out = bench.buffer("cycles", 1 << 20)
        for _ in range(2):
            if flushed:
                bench.flush()
            bench.driver.launch(bench.function("memory", "chase"), (1, 1, 1), (1, 1, 1), [address + first, out, int32(steps)])
        bench.driver.synchronize()
        spent = np.frombuffer(bench.driver.download(out, 8), "<u8")[0]
        return float(spent) / steps, {"bytes": size, "steps": steps}
    finally:
        bench.driver.free(address)


def memory(bench):
    sizes, passes = bench.sizes, bench.sizes["passes"]
    sink = bench.buffer("sink", 1 << 20)
    blocks, threads = bench.multiprocessors * 4, 512
    unit = 64 * blocks * threads  # bytes that one turn of all threads reads: four words of 16 bytes each
    data = bench.buffer("data", max(sizes["hbm"], 2 * unit))

    def whole(size):
        """The multiple of the unit that is nearest below, at least one."""
        return max(1, size // unit) * unit

    def gigabytes(entry, moved, *arguments, block=threads, shared=0):
        function = bench.function("memory", entry)
        ms = bench.milliseconds(lambda: bench.driver.launch(function, (blocks, 1, 1), (block, 1, 1), arguments, shared))
        return moved / ms / 1e6, {"milliseconds": ms, "bytes moved": moved}

    far, half, near = whole(sizes["hbm"]), whole(sizes["hbm"] // 2), whole(sizes["l2"])
    bench.row("HBM read bandwidth", "GB/s", lambda: gigabytes("stream_read", far, data, sink, far // 16, int32(1)))
    bench.row("HBM copy bandwidth, bytes read and written", "GB/s",
              lambda: gigabytes("stream_copy", 2 * half, data, data + half, half // 16))
    bench.row("L2 read bandwidth", "GB/s",
              lambda: gigabytes("stream_read", passes * near, data, sink, near // 16, int32(passes)))
    bench.row("L2 to shared memory by cp.async", "GB/s",
              lambda: gigabytes("async_copies", passes * near, data, sink, near // 16, int32(passes), block=256,
                                shared=8 * 16 * 256))
    bench.row("L2 latency", "cycles", lambda: chase(bench, sizes["l2"] // 4, 256))
    bench.row("HBM latency", "cycles", lambda: chase(bench, sizes["far"], 4096, flushed=True))
    bench.row("cp.async latency, L2", "cycles", lambda: (float(bench_async(bench, data)), {}))


def bench_async(bench, data, n=512):
    function = bench.function("memory", "async_latency")
    out = bench.buffer("cycles", 1 << 20)
    for _ in range(2):
        bench.driver.launch(function, (1, 1, 1), (1, 1, 1), [data, out, int32(n)], 1024)
    bench.driver.synchronize()
    return np.frombuffer(bench.driver.download(out, 8), "<u8")[0] / n


def synchronisation(bench):
    n = bench.sizes["turns"]
    for threads in (64, 128, 256, 512):
        bench.row(f"bar.sync of {threads} threads", "cycles", lambda threads=threads: (
            float(bench.cycles(bench.function("sync", "barrier"), 1, threads, 1, [int32(n)])[0]) / n, {}))
    bench.row("named barriers, two warps, there and back", "cycles",
              lambda: (float(bench.cycles(bench.function("sync", "named_barriers"), 1, 64, 1, [int32(n)])[0]) / n, {}))
    if bench.capability >= 90:
        bench.row("mbarriers, two warps, there and back", "cycles",
                  lambda: (float(bench.cycles(bench.function("hopper", "mbarriers"), 1, 64, 1, [int32(n)])[0]) / n, {}))

    def idle_clock():
        cycles, ns = bench.cycles(bench.function("sync", "clocks"), 1, 1, 2, [bench.sizes["spin"]])
        return cycles / ns, {"cycles": cycles, "nanoseconds": ns}
    bench.row("clock of an idle machine", "GHz", idle_clock)


def launches(bench):
    driver, function = bench.driver, bench.function("sync", "empty")
    stream = bench.ctx.stream

    def launch():
        driver.launch(function, (bench.multiprocessors, 1, 1), (128, 1, 1), [], 0, stream)

    def back_to_back(count=bench.sizes["launches"]):
        ms = cuda.time_launches(driver, lambda: [launch() for _ in range(count)], stream, warmup=1, repeats=5)
        return 1e3 * statistics.median(ms) / count, {"launches": count}

    def alone():
        times = []
        for _ in range(bench.sizes["launches"] // 4):
            begun = time.perf_counter()
            launch()
            driver.stream_synchronize(stream)
            times.append(1e6 * (time.perf_counter() - begun))
        return statistics.median(times), {"note": "from Python through ctypes, whose own cost is in it"}

    def replayed(count=max(1, bench.sizes["launches"] // 10)):
        graph = driver.capture(stream, lambda: [launch() for _ in range(count)])
        ms = cuda.time_launches(driver, lambda: driver.graph_launch(graph, stream), stream, warmup=2, repeats=10)
        return 1e3 * statistics.median(ms) / count, {"nodes": count, "whole graph us": 1e3 * statistics.median(ms)}

    bench.row("empty kernels back to back", "us a launch", back_to_back)
    bench.row("empty kernel, launched and waited for", "us", alone)
    bench.row("empty kernels of a graph", "us a node", replayed)


# --- Hopper ----------------------------------------------------------------------------------------------------------

def wgmma_batch(bench, form, n, batch, groups, count=200, grid=1, idle=0):
    """(cycles, nanoseconds) of the slowest warpgroup."""
    function = bench.function("wgmma", wgmma_kernels.entry_name(form, n, batch))
    spent = bench.cycles(function, grid, 128 * groups, 2 * groups * grid,
                         [bench.buffer("sink", 1 << 20), ctypes.c_uint(count), ctypes.c_uint(idle)],
                         wgmma_kernels.shared_bytes(n))
    return float(spent[0::2].max()), float(spent[1::2].max())


def wgmma(bench):
    small, large = wgmma_kernels.BATCHES
    for form in ("ss", "rs"):
        for n in wgmma_kernels.WIDTHS:
            for groups in (1, 2):
                def measure(form=form, n=n, groups=groups):
                    few = wgmma_batch(bench, form, n, small, groups)[0] / 200
                    many = wgmma_batch(bench, form, n, large, groups)[0] / 200
                    interval = (many - few) / (large - small)
                    return interval, {"batch of 4": few, "batch of 16": many, "cycles beside the products": few - small * interval}
                bench.row(f"wgmma m64n{n}k16 {form}, {groups} warpgroups", "cycles per product of a warpgroup", measure)


def clock_under_load(bench):
    """The clock against the share of time in which the tensor cores work (two warpgroups, m64n256k16)."""
    busy = 16 * 128 * 2
    for percent in (100, 75, 50, 25):
        def measure(percent=percent):
            idle = busy * (100 - percent) // percent
            batches = int(40e6 / (busy + idle))
            cycles, ns = wgmma_batch(bench, "ss", 256, 16, 2, batches, bench.multiprocessors, idle)
            flops = 2.0 * 64 * 256 * 16 * 16 * batches * 2 * bench.multiprocessors
            return cycles / ns, {"idle cycles a batch": idle, "milliseconds": ns / 1e6, "TFLOP/s": flops / ns / 1e3}
        bench.row(f"clock with tensor cores busy {percent} % of the time", "GHz", measure)


def tensor_map(bench, address, rows, box_rows):
    """A bf16 matrix [rows][64], boxes of box_rows rows, 128-byte swizzle."""
    return bench.driver.encode_tensor_map(address, 9, [64, rows], [128], [64, box_rows], [1, 1], 0, 3, 2, 0)


def tma(bench):
    l2, hbm, passes = bench.sizes["l2"], bench.sizes["hbm"], bench.sizes["passes"]
    data = bench.buffer("data", hbm)
    for box_rows in (8, 64, 128, 256):
        size = 128 * box_rows
        for where, rows in (("L2", 4096), ("HBM", hbm // 128)):
            def latency(box_rows=box_rows, size=size, rows=rows):
                packed = tensor_map(bench, data, rows, box_rows)
                out, n = bench.buffer("cycles", 1 << 20), 256
                for _ in range(2 if rows == 4096 else 1):
                    if rows != 4096:  # out of the cache first
                        bench.flush()
                    bench.driver.launch(bench.function("hopper", "tma_latency"), (1, 1, 1), (1, 1, 1),
                                        [packed, out, ctypes.c_uint(size), int32(box_rows), int32(rows), int32(n)], size)
                bench.driver.synchronize()
                return float(np.frombuffer(bench.driver.download(out, 8), "<u8")[0]) / n, {"box bytes": size}
            bench.row(f"TMA latency, box of {size} bytes, {where}", "cycles", latency)

            def bandwidth(box_rows=box_rows, size=size, rows=rows):
                turns = passes if rows == 4096 else 1
                read = l2 if rows == 4096 else hbm
                packed = tensor_map(bench, data, read // 128, box_rows)
                blocks = bench.multiprocessors * (2 if size <= 16384 else 1)
                ms = bench.milliseconds(lambda: bench.driver.launch(
                    bench.function("hopper", "tma_read"), (blocks, 1, 1), (1, 1, 1),
                    [packed, ctypes.c_uint(size), int32(box_rows), int32(read // 128), int32(turns)], 4 * size))
                return read * turns / ms / 1e6, {"milliseconds": ms, "blocks": blocks}
            bench.row(f"TMA read bandwidth, boxes of {size} bytes, {where}", "GB/s", bandwidth)


def calibration(ctx):
    bench = Bench(ctx)
    parts = [launches, synchronisation, instruction_rates, memory]
    if bench.capability == 90:
        parts += [wgmma, tma, clock_under_load]
    for part in parts:
        try:
            part(bench)
        except FileNotFoundError as error:
            print(f"{part.__name__}: {error}")
