"""Attention in f64 by numpy or PyTorch, and whether a kernel's output is near enough.

The tolerances are the project's: the largest and the RMS error of O are at most twice those of a dense f32 softmax whose
P and O are rounded to the type, plus one unit in the last place; LSE within 1e-4 (1 + |x|). A row that sees no key has
O = 0 and LSE = -inf exactly.
"""
import math

import numpy as np

import masks
from problem import from_bits, to_bits, tokens_of

FRACTION_BITS = {"f16": 10, "bf16": 7}
SMALLEST_EXPONENT = {"f16": -14, "bf16": -126}


class NumpyMath:
    name = "numpy f64"
    xp = np
    score_limit = 2**25  # (query, key) pairs that are compared; beyond, rows are sampled
    chunk = 2**22

    def load(self, bits, dtype, double):
        return from_bits(bits, dtype, np.float64 if double else np.float32)

    def integers(self, array):
        return np.asarray(array, dtype=np.int64)

    def round(self, x, dtype):
        return from_bits(to_bits(x, dtype), dtype, np.float32)

    def row_max(self, x):
        return x.max(-1, keepdims=True)

    def row_sum(self, x):
        return x.sum(-1, keepdims=True)

    def fetch(self, x):
        return np.asarray(x, dtype=np.float64)


class TorchMath:
    def __init__(self, torch, device):
        self.xp, self.torch, self.device = torch, torch, device
        self.name = f"torch {torch.__version__} f64 on {device}"
        self.score_limit, self.chunk = (2**30, 2**26) if device == "cuda" else (2**26, 2**22)
        torch.backends.cuda.matmul.allow_tf32 = False

    def type_of(self, dtype):
        return {"f16": self.torch.float16, "bf16": self.torch.bfloat16}[dtype]

    def load(self, bits, dtype, double):
        held = self.torch.from_numpy(np.ascontiguousarray(bits).view(np.int16)).to(self.device)
        return held.view(self.type_of(dtype)).to(self.torch.float64 if double else self.torch.float32)

    def integers(self, array):
        return self.torch.as_tensor(np.asarray(array, dtype=np.int64), device=self.device)

    def round(self, x, dtype):
        return x.to(self.type_of(dtype)).to(self.torch.float32)

    def row_max(self, x):
        return x.amax(-1, keepdim=True)

    def row_sum(self, x):
        return x.sum(-1, keepdim=True)

    def fetch(self, x):
        return x.to(self.torch.float64).cpu().numpy()


def best_math(device):
    """PyTorch where it can be imported, on its GPU where it has one; else numpy."""
    try:
        import torch
    except ImportError:
        return NumpyMath()
    return TorchMath(torch, "cuda" if device == "cuda" and torch.cuda.is_available() else "cpu")


def attend(maths, q, k, v, seen, scale, round_to=None):
    """(O, LSE) of rows; `round_to`: the yardstick, whose P and O are rounded to this type."""
    xp = maths.xp
    s = q @ k.T * scale
    s = xp.where(seen, s, s * 0 - math.inf)
    top = maths.row_max(s)
    top = xp.where(top == -math.inf, top * 0 if xp is np else xp.zeros_like(top), top)
    p = xp.exp(s - top)
    total = maths.row_sum(p)
    empty = total == 0
    weights = p / xp.where(empty, xp.ones_like(total), total)
    if round_to:
        return maths.round(maths.round(weights, round_to) @ v, round_to), None
    lse = xp.where(empty, xp.zeros_like(total) - math.inf, top + xp.log(xp.where(empty, xp.ones_like(total), total)))
    return weights @ v, lse[..., 0]


def rows_to_check(problem, maths):
    """Query numbers, all of them or a sorted sample with both ends; the sample is fresh each time."""
    batch, heads, nq, _ = problem.q_shape
    nk = problem.kv_shape[2]
    count = int(max(16, maths.score_limit // (batch * heads * nk)))
    if count >= nq:
        return np.arange(nq)
    drawn = problem.rng.choice(nq, size=count - 2, replace=False)
    return np.unique(np.concatenate([drawn, [0, nq - 1]]))


def reference(problem, maths):
    """{"rows", "o", "lse", "yardstick", "pairs"}: float64 arrays [B][H][rows][D], and the visible pairs in those rows."""
    case = problem.case
    batch, heads, _, dim = problem.q_shape
    nk = problem.kv_shape[2]
    rows = rows_to_check(problem, maths)
    step = max(1, maths.chunk // nk)
    inputs = {name: maths.integers(array) for name, array in problem.inputs.items()}
    keys = maths.integers(np.arange(nk))[None, :]
    o, yardstick = (np.zeros((batch, heads, len(rows), dim)) for _ in range(2))
    lse, pairs = np.zeros((batch, heads, len(rows))), 0
    for b in range(batch):
        for h in range(heads):
            group = h * case["kv_heads"] // heads
            k, v = (maths.load(x[b, group], case["dtype"], True) for x in (problem.k, problem.v))
            k32, v32 = (maths.load(x[b, group], case["dtype"], False) for x in (problem.k, problem.v))
            for at in range(0, len(rows), step):
                part = rows[at:at + step]
                seen = masks.visible(maths.xp, case["mask"], problem.lengths, h, maths.integers(part)[:, None], keys,
                                     inputs)
                pairs += int(seen.sum())
                q = problem.q[b, h, part]
                where = (b, h, slice(at, at + len(part)))
                result, sums = attend(maths, maths.load(q, case["dtype"], True), k, v, seen, dim**-0.5)
                o[where], lse[where] = maths.fetch(result), maths.fetch(sums)
                rounded, _ = attend(maths, maths.load(q, case["dtype"], False), k32, v32, seen, dim**-0.5,
                                    case["dtype"])
                yardstick[where] = maths.fetch(rounded)
    return {"rows": rows, "o": o, "lse": lse, "yardstick": yardstick, "pairs": pairs}


def ulp(dtype, x):
    exponent = np.frexp(np.abs(x))[1] - 1
    return np.exp2(np.maximum(exponent, SMALLEST_EXPONENT[dtype]) - FRACTION_BITS[dtype]).astype(np.float64)


def compare(problem, expected):
    """{"ok", "max_error", "rms_error", ...} of problem.o and problem.lse against reference(); all of o must be
    finite."""
    dtype, rows = problem.case["dtype"], expected["rows"]
    o = from_bits(problem.o[:, :, rows], dtype)
    lse = problem.lse[:, :, rows].astype(np.float64)
    unwritten = int(np.isnan(problem.lse).sum())
    not_finite = int((~np.isfinite(from_bits(problem.o, dtype, np.float32))).sum())
    error = np.abs(o - expected["o"])
    allowed = np.abs(expected["yardstick"] - expected["o"])
    rms = float(np.sqrt((error**2).mean()))
    rms_allowed = 2 * float(np.sqrt((allowed**2).mean())) + float(ulp(dtype, np.sqrt((expected["o"]**2).mean())))
    bound = 2 * allowed.max() + ulp(dtype, expected["o"])
    blind = expected["lse"] == -math.inf
    with np.errstate(invalid="ignore"):
        lse_ratio = np.where(blind, np.where(lse == -math.inf, 0.0, np.inf),
                             np.abs(lse - expected["lse"]) / (1e-4 * (1 + np.abs(expected["lse"]))))
    blind_right = bool((o[blind] == 0).all())
    ratio = error / bound
    worst = np.unravel_index(int(np.nanargmax(np.where(np.isnan(ratio), np.inf, ratio))), ratio.shape)
    ok = (not_finite == 0 and unwritten == 0 and bool((ratio <= 1).all()) and rms <= rms_allowed
          and bool((lse_ratio <= 1).all()) and blind_right)
    return {"ok": bool(ok), "max_error": float(error.max()), "rms_error": rms, "max_allowed": float(bound.max()),
            "rms_allowed": rms_allowed, "worst_of_allowed": float(ratio.max()),
            "worst_at": [int(worst[0]), int(worst[1]), int(rows[worst[2]]), int(worst[3])],
            "lse_of_allowed": float(lse_ratio.max()), "not_finite": not_finite, "lse_unwritten": unwritten,
            "rows_checked": len(rows), "rows": tokens_of(problem.case["tokens"]), "blind_rows": int(blind.sum()),
            "visible_pairs": expected["pairs"] if len(rows) == problem.q_shape[2] else None}
