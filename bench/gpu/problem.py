"""Inputs of a case, fresh for every run, and where they lie: in host memory or on a GPU.

bf16 and f16 values are kept as their 16 bits (uint16), so that numpy suffices for both.
"""
import functools
import math
import statistics

import numpy as np

import attnc


@functools.lru_cache(maxsize=None)
def normal_table(dtype):
    """65,536 quantiles of the standard normal distribution, rounded: drawing is a look-up."""
    inverse = statistics.NormalDist().inv_cdf
    values = np.array([inverse((i + 0.5) / 65536) for i in range(65536)], dtype=np.float32)
    return to_bits(values, dtype)


def to_bits(values, dtype):
    """f32 values to the bits of f16 or bf16, to nearest even. No NaN among them."""
    if dtype == "f16":
        return values.astype(np.float16).view(np.uint16)
    words = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((words + np.uint32(0x7FFF) + ((words >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)


def from_bits(bits, dtype, to=np.float64):
    if dtype == "f16":
        return bits.view(np.float16).astype(to)
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(to)


def tokens_of(layout):
    return math.prod(layout)


class Problem:
    """q [B,H,Nq,D], k and v [B,Hkv,Nk,D] as bits, run-time inputs, and room for o and lse filled with 0xff: NaN."""

    def __init__(self, case, seed):
        self.case = case
        self.lengths = {"tokens": case["tokens"], "kv_tokens": case["kv_tokens"]}
        nq, nk = tokens_of(case["tokens"]), tokens_of(case["kv_tokens"])
        batch, heads, kv_heads, dim = case["batch"], case["heads"], case["kv_heads"], case["head_dim"]
        self.q_shape, self.kv_shape = (batch, heads, nq, dim), (batch, kv_heads, nk, dim)
        self.rng = np.random.default_rng(seed)
        self.q, self.k, self.v = (self.draw(shape) for shape in (self.q_shape, self.kv_shape, self.kv_shape))
        self.o = np.full(self.q_shape, 0xFFFF, np.uint16)
        self.lse = np.full(self.q_shape[:3], np.nan, np.float32)
        self.inputs = {"document": self.draw_documents(nq)} if case["mask"]["kind"] == "documents" else {}

    def draw(self, shape):
        table = normal_table(self.case["dtype"])
        return table[self.rng.integers(0, 65536, size=shape, dtype=np.uint16)]

    def draw_documents(self, count):
        """Ascending labels; lengths between 1 and twice the mean."""
        labels, label = np.zeros(count, np.int32), 0
        at = 0
        while at < count:
            length = int(self.rng.integers(1, 2 * self.case["mask"]["mean_length"]))
            labels[at:at + length] = label
            at, label = at + length, label + 1
        return labels


class HostPlaces:
    """The problem's own arrays, given to the library as they are."""

    def __init__(self, problem):
        self.problem = problem
        dtype = problem.case["dtype"]
        self.tensors = {name: attnc.tensor(array.ctypes.data, array.shape, dtype, keep=array)
                        for name, array in (("q", problem.q), ("k", problem.k), ("v", problem.v), ("o", problem.o))}
        self.tensors["lse"] = attnc.as_tensor(problem.lse)
        self.inputs = {name: attnc.as_tensor(array) for name, array in problem.inputs.items()}

    def poison(self):
        self.problem.o.fill(0xFFFF)
        self.problem.lse.fill(np.nan)

    def fetch(self):
        pass

    def close(self):
        pass


class CudaPlaces:
    """Copies of the problem's arrays on the GPU."""

    def __init__(self, problem, driver):
        self.problem, self.driver, self.addresses = problem, driver, []
        dtype = problem.case["dtype"]
        self.tensors = {name: self.place(getattr(problem, name), dtype) for name in ("q", "k", "v", "o")}
        self.tensors["lse"] = self.place(problem.lse, "f32")
        self.inputs = {name: self.place(array, "i32") for name, array in problem.inputs.items()}

    def place(self, array, dtype):
        address = self.driver.allocate(array.nbytes)
        self.addresses.append(address)
        self.driver.upload(address, array)
        return attnc.tensor(address, array.shape, dtype, attnc.CUDA)

    def poison(self):
        for name, array in (("o", self.problem.o), ("lse", self.problem.lse)):
            self.driver.fill(self.tensors[name].data, 0xFF, array.nbytes)
        self.driver.synchronize()

    def fetch(self):
        for name, array in (("o", self.problem.o), ("lse", self.problem.lse)):
            self.driver.download_into(self.tensors[name].data, array)

    def close(self):
        for address in self.addresses:
            self.driver.free(address)
        self.addresses = []
