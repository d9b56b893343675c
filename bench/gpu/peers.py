"""What others need for the same masks: PyTorch's scaled_dot_product_attention and compiled FlexAttention.

On a GPU times are medians by events, with the L2 cache emptied in between; a rehearsal runs the same calls on the
processor, on small shapes, and its times mean nothing.
"""
import statistics
import time

import masks
import packages
from problem import tokens_of

BACKENDS = {"flash": "FLASH_ATTENTION", "cuDNN": "CUDNN_ATTENTION", "efficient": "EFFICIENT_ATTENTION"}
REPEATS = 20


class Bench:
    def __init__(self, ctx):
        import torch
        self.torch, self.ctx = torch, ctx
        self.device = "cuda" if ctx.device == "cuda" and torch.cuda.is_available() else "cpu"
        if ctx.device == "cuda" and self.device == "cpu":
            raise SystemExit("error: PyTorch sees no GPU")
        self.flush = torch.empty(packages.FLUSH_BYTES, dtype=torch.int8, device=self.device) if self.device == "cuda" else None

    def tensors(self, case):
        dtype = {"f16": self.torch.float16, "bf16": self.torch.bfloat16}[case["dtype"]]

        def draw(heads, tokens):
            return self.torch.randn(case["batch"], heads, tokens, case["head_dim"], dtype=dtype, device=self.device)
        nq, nk = tokens_of(case["tokens"]), tokens_of(case["kv_tokens"])
        return draw(case["heads"], nq), draw(case["kv_heads"], nk), draw(case["kv_heads"], nk)

    def synchronize(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def time(self, call):
        """{"median_ms", "min_ms", "repeats"} of call(), after a warm-up."""
        for _ in range(3):
            call()
        self.synchronize()
        times, begun = [], time.monotonic()
        for _ in range(REPEATS if self.device == "cuda" else 5):
            times.append(self.once(call))
            if len(times) >= 5 and time.monotonic() - begun > 3:
                break
        return {"median_ms": statistics.median(times), "min_ms": min(times), "repeats": len(times)}

    def once(self, call):
        if self.device == "cpu":
            begun = time.perf_counter()
            call()
            return 1e3 * (time.perf_counter() - begun)
        self.flush.zero_()
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)

    def memory(self):
        return self.torch.cuda.max_memory_allocated() if self.device == "cuda" else None

    def reset_memory(self):
        if self.device == "cuda":
            self.torch.cuda.empty_cache()
            self.torch.cuda.reset_peak_memory_stats()
            return self.torch.cuda.memory_allocated()
        return None

    def each(self, peer, work):
        """work(case) -> [(row name, function)] for the cases that are compared with this peer."""
        for case in packages.cases_of(self.ctx):
            if peer not in case.get("peers", ()):
                continue
            for name, measure in work(case):
                if self.ctx.expired():
                    return
                if self.ctx.results.begin("peers", name, case=case["name"], peer=peer, on=self.device):
                    self.row(name, measure)

    def row(self, name, measure):
        try:
            fields = measure()
            self.ctx.results.end("peers", name, "measured", **fields)
        except Exception as error:  # whatever a peer throws is its row's answer
            text = f"{type(error).__name__}: {error}"
            self.ctx.results.end("peers", name, "failed", reason=text[:600])
            if "CUDA error" in text or "illegal memory" in text:
                raise SystemExit(3)


def is_causal(case):
    return case["mask"]["kind"] == "causal" and case["tokens"] == case["kv_tokens"]


def dense_flops(case):
    nq, nk = tokens_of(case["tokens"]), tokens_of(case["kv_tokens"])
    pairs = nq * (nq + 1) / 2 if is_causal(case) else nq * nk
    return 4.0 * pairs * case["head_dim"] * case["heads"] * case["batch"]


def sdpa(ctx):
    """Dense and causal attention by each backend; for other masks, dense attention over as many tokens."""
    bench = Bench(ctx)
    torch = bench.torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def work(case):
        for label, backend in BACKENDS.items():
            def measure(backend=backend):
                q, k, v = bench.tensors(case)
                grouped = {"enable_gqa": True} if case["heads"] != case["kv_heads"] else {}

                def call():
                    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=is_causal(case), **grouped)
                with sdpa_kernel(getattr(SDPBackend, backend)):
                    fields = bench.time(call)
                flops = dense_flops(case)
                return fields | {"mask": "causal" if is_causal(case) else "dense", "tflops": flops / fields["median_ms"] / 1e9}
            yield f"{case['name']} | sdpa {label}", measure

    bench.each("sdpa", work)


def flex_inputs(torch, case, device):
    inputs = {"device": device}
    if case["mask"]["kind"] == "documents":
        lengths = torch.randint(1, 2 * case["mask"]["mean_length"], (tokens_of(case["tokens"]),))
        labels = torch.repeat_interleave(torch.arange(len(lengths)), lengths)[:tokens_of(case["tokens"])]
        inputs["document"] = labels.to(device=device, dtype=torch.int32)
    return inputs


def flex(ctx):
    """FlexAttention, compiled: the time of the kernel, of its compilation, and time and memory of its block mask."""
    bench = Bench(ctx)
    torch = bench.torch
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def work(case):
        def measure():
            q, k, v = bench.tensors(case)
            nq, nk = q.shape[2], k.shape[2]
            mask = masks.flex_mask(torch, case["mask"], {"tokens": case["tokens"], "kv_tokens": case["kv_tokens"]},
                                   flex_inputs(torch, case, bench.device))
            fields, block_mask = {}, None
            if mask is not None:
                before = bench.reset_memory()
                begun = time.perf_counter()
                heads = case["heads"] if masks.depends_on_head(case["mask"]) else None
                block_mask = create_block_mask(mask, None, heads, nq, nk, device=bench.device)
                bench.synchronize()
                fields["block_mask_seconds"] = time.perf_counter() - begun
                after = bench.memory()
                fields["block_mask_peak_bytes"] = None if after is None else after - before
                fields["block_mask_sparsity_percent"] = float(block_mask.sparsity())
            grouped = {"enable_gqa": True} if case["heads"] != case["kv_heads"] else {}
            # Afresh for each case: after a few recompilations of one function PyTorch falls back to slow code.
            torch.compiler.reset()
            compiled = torch.compile(flex_attention, dynamic=False)

            def call():
                return compiled(q, k, v, block_mask=block_mask, **grouped)
            begun = time.perf_counter()
            call()
            bench.synchronize()
            fields["compile_seconds"] = time.perf_counter() - begun
            return fields | bench.time(call)
        yield f"{case['name']} | flex", measure

    bench.each("flex", work)
