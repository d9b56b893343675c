"""What is compared: masks, lengths, types, and how each contestant is told of them.

A mask is said three times: in the language of attnc (`Case.spec`), and by bench/gpu/masks.py as a function on whole rows, for
the reference and SDPA, and as FlexAttention's mask_mod.
"""
import dataclasses
import math

TOKENS = {"1k": 1024, "4k": 4096, "16k": 16384}
DTYPES = ("f32", "bf16")
WINDOW = {"1k": 256, "4k": 512, "16k": 1024}
IMAGE = {"1k": (32, 32), "4k": (64, 64), "16k": (128, 128)}
NEIGHBORS = {"1k": (12, 12), "4k": (24, 24), "16k": (24, 24)}
MEAN_DOCUMENT = 512
KINDS = ("dense", "causal", "window", "documents", "neighborhood")
SPARSE = KINDS[2:]  # a causal mask halves the work, these leave a small part of it


@dataclasses.dataclass(frozen=True)
class Case:
    kind: str
    length: str  # of TOKENS
    dtype: str
    head_dim: int
    heads: int

    @property
    def name(self):
        return f"{self.dtype} {self.head_dim} {self.length} {self.kind}"

    @property
    def layout(self):
        return IMAGE[self.length] if self.kind == "neighborhood" else (TOKENS[self.length],)

    @property
    def tokens(self):
        return math.prod(self.layout)

    @property
    def lengths(self):
        return {"tokens": list(self.layout), "kv_tokens": list(self.layout)}

    @property
    def mask(self):
        """As bench/gpu/masks.py knows it."""
        parameters = {"window": {"window": WINDOW[self.length]}, "neighborhood": {"window": list(NEIGHBORS[self.length])},
                      "documents": {"mean_length": MEAN_DOCUMENT}}
        return {"kind": self.kind, **parameters.get(self.kind, {})}

    @property
    def shape(self):
        return 1, self.heads, self.tokens, self.head_dim

    def spec(self):
        masks = {"dense": "mask all", "causal": "mask causal", "window": f"mask causal & window({WINDOW[self.length]})",
                 "documents": "input document : i32[tokens]   mask causal & same(document)",
                 "neighborhood": f"mask neighborhood(window = {list(NEIGHBORS[self.length])})"}
        return (f"kernel {self.kind} {{\n  heads {self.heads}   head_dim {self.head_dim}   dtype {self.dtype}\n"
                f"  tokens {list(self.layout)}\n  {masks[self.kind]}\n}}\n")


def all_cases(heads=4, every=False):
    """All masks and lengths with head_dim 128; 64 at 4k alone, unless `every` is set."""
    return [Case(kind, length, dtype, head_dim, heads)
            for head_dim in (128, 64) for dtype in DTYPES for length in TOKENS for kind in KINDS
            if every or head_dim == 128 or length == "4k"]


def named(name, heads):
    return next(case for case in all_cases(heads, every=True) if case.name == name)
