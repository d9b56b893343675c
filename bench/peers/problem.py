"""The tensors of a case, the same for every contestant, and the reference that outputs are held against."""
import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "gpu"))

import masks  # noqa: E402

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
REFERENCE_ROWS = 1024  # of a sequence that is longer than ALL_ROWS: the first and last 128, and others at random
ALL_ROWS = 4096
# What an element x may differ by: relative * |x| + root_mean_square * (that of its row). The second term is what rounding
# the probabilities, or the order of a sum, does to all elements of a row.
ALLOWED = {"f32": (1e-5, 1e-4), "bf16": (2.0**-8, 2.0**-5)}


def documents(case, generator):
    """Ascending labels; lengths between 1 and twice the mean."""
    lengths = torch.randint(1, 2 * case.mask["mean_length"], (case.tokens,), generator=generator)
    return torch.repeat_interleave(torch.arange(case.tokens, dtype=torch.int32), lengths)[:case.tokens].contiguous()


class Problem:
    def __init__(self, case, seed):
        self.case, self.generator = case, torch.Generator().manual_seed(seed)
        self.q, self.k, self.v = (torch.randn(case.shape, dtype=DTYPES[case.dtype], generator=self.generator)
                                  for _ in range(3))
        self.inputs = {"document": documents(case, self.generator)} if case.kind == "documents" else {}
        self.inputs["device"] = "cpu"

    def visible(self, rows=None):
        """A bool tensor [rows, keys]; all rows where none are named."""
        keys = torch.arange(self.case.tokens)
        rows = keys if rows is None else rows
        return masks.visible(torch, self.case.mask, self.case.lengths, 0, rows[:, None], keys[None, :], self.inputs)

    def mask_mod(self):
        return masks.flex_mask(torch, self.case.mask, self.case.lengths, self.inputs)

    def checked_rows(self):
        tokens = self.case.tokens
        if tokens <= ALL_ROWS:
            return torch.arange(tokens)
        inner = torch.randperm(tokens - 256, generator=self.generator)[:REFERENCE_ROWS - 256] + 128
        return torch.cat([torch.arange(128), inner.sort().values, torch.arange(tokens - 128, tokens)])


class Reference:
    """SDPA in f64 on the rounded inputs, with the mask written out."""

    def __init__(self, problem):
        self.rows, self.allowed_by = problem.checked_rows(), ALLOWED[problem.case.dtype]
        q, k, v = (tensor.double() for tensor in (problem.q[:, :, self.rows], problem.k, problem.v))
        visible = problem.visible(self.rows)
        self.visible_share = visible.double().mean().item()
        self.output = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=visible)

    def compare(self, output):
        """{"max_error", "of_allowed": the largest error as a part of what is allowed, "rows_checked"}."""
        error = (output[:, :, self.rows].double() - self.output).abs()
        relative, root_mean_square = self.allowed_by
        row_size = self.output.square().mean(-1, keepdim=True).sqrt()
        ratio = error / (relative * self.output.abs() + root_mean_square * row_size)
        # A NaN is as wrong as can be, and max() keeps it.
        return {"max_error": error.max().item(), "of_allowed": ratio.nan_to_num(nan=float("inf")).max().item(),
                "rows_checked": len(self.rows)}
