"""A binding to libattnc_runtime.so (runtime/attnc.h) by ctypes. Standard library only; numpy and torch by duck typing.

    runtime = attnc.Runtime("build/libattnc_runtime.so")
    package = runtime.open("chat.attnpkg")
    device = runtime.device("cuda")                  # or "emulator", "cpu"
    kernel = runtime.load(package, device)
    plan = runtime.plan(kernel, q=q, k=k, v=v, o=o, lse=lse, inputs={"document": labels})
    plan.launch(stream)                              # a CUstream as an int, None on cpu and emulator
    device.synchronize()

A tensor is one of: a numpy array (uint16 with dtype="bf16" given through `tensor`), a torch tensor, or
`tensor(address, shape, dtype, device)` for memory of one's own. Objects close themselves when they are collected, and
keep what they need alive; so do plans with the tensors they were made from. Errors are attnc.Error, with .status and
the library's text.
"""
import ctypes
import json
from ctypes import POINTER, Structure, byref, c_char_p, c_int32, c_int64, c_size_t, c_uint8, c_uint16, c_uint64, c_void_p

CPU, CUDA, CUDA_HOST = 1, 2, 3  # DLDeviceType
# name -> (DLDataTypeCode, bits)
DTYPES = {"f16": (2, 16), "f32": (2, 32), "f64": (2, 64), "bf16": (4, 16), "i8": (0, 8), "i32": (0, 32), "i64": (0, 64),
          "bool": (1, 8)}
NUMPY_NAMES = {"float16": "f16", "float32": "f32", "float64": "f64", "int8": "i8", "int32": "i32", "int64": "i64",
               "bool": "bool", "uint8": "bool"}
STATUS = {0: "ok", 1: "invalid argument", 2: "bad package", 3: "no device", 4: "unsupported", 5: "device error",
          6: "out of memory", 7: "I/O error", 8: "internal error"}


class DLTensor(Structure):
    """DLPack's plain tensor: `strides` in elements, NULL means contiguous."""
    _fields_ = [("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32), ("ndim", c_int32),
                ("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)),
                ("strides", POINTER(c_int64)), ("byte_offset", c_uint64)]


class NamedTensor(Structure):
    _fields_ = [("name", c_char_p), ("tensor", POINTER(DLTensor))]


class Bindings(Structure):
    _fields_ = [("size", c_size_t), ("q", POINTER(DLTensor)), ("k", POINTER(DLTensor)), ("v", POINTER(DLTensor)),
                ("o", POINTER(DLTensor)), ("lse", POINTER(DLTensor)), ("inputs", POINTER(NamedTensor)),
                ("num_inputs", c_size_t), ("tokens", POINTER(c_int64)), ("num_tokens", c_size_t),
                ("kv_tokens", POINTER(c_int64)), ("num_kv_tokens", c_size_t), ("query_offset", POINTER(c_int64))]


class Error(RuntimeError):
    def __init__(self, call, status, text):
        super().__init__(f"{call}: {STATUS.get(status, status)}: {text}")
        self.status = status


def tensor(address, shape, dtype, device=CPU, index=0, strides=None, keep=None):
    """A DLTensor of memory at `address`; `keep` is held as long as it."""
    code, bits = DTYPES[dtype]
    result = DLTensor(address, device, index, len(shape), code, bits, 1, (c_int64 * len(shape))(*shape),
                      (c_int64 * len(shape))(*strides) if strides else None, 0)
    result.keep = keep
    return result


def as_tensor(value):
    """A DLTensor of a numpy array, a torch tensor or a DLTensor."""
    if isinstance(value, DLTensor):
        return value
    if hasattr(value, "data_ptr"):  # torch
        name = str(value.dtype).split(".")[-1]
        dtype = {"bfloat16": "bf16"}.get(name) or NUMPY_NAMES[name]
        device = CUDA if value.is_cuda else CPU
        return tensor(value.data_ptr(), tuple(value.shape), dtype, device, value.device.index or 0, value.stride(),
                      keep=value)
    strides = [step // value.itemsize for step in value.strides]
    return tensor(value.ctypes.data, value.shape, NUMPY_NAMES[str(value.dtype)], strides=strides, keep=value)


class Handle:
    """An object of the library, closed once."""

    def __init__(self, runtime, pointer, kind, keep=()):
        self.runtime, self.pointer, self.kind, self.keep = runtime, pointer, kind, keep

    def json(self):
        return json.loads(getattr(self.runtime.lib, f"attnc_{self.kind}_json")(self.pointer).decode())

    def close(self):
        if self.pointer:
            getattr(self.runtime.lib, f"attnc_{self.kind}_close")(self.pointer)
            self.pointer = None

    def __del__(self):
        try:
            self.close()
        except (AttributeError, TypeError):  # while the interpreter shuts down
            pass


class Device(Handle):
    def synchronize(self):
        self.runtime.check("attnc_device_synchronize", self.pointer)


class Package(Handle):
    def section(self, kind, target=None):
        """The bytes of a section ("ptx", "cubin", "spec", ...); None where there is none."""
        data, size = c_void_p(), c_size_t()
        try:
            self.runtime.check("attnc_package_section", self.pointer, c_char_p(kind.encode()),
                               c_char_p(target.encode()) if target else None, byref(data), byref(size))
        except Error:
            return None
        return ctypes.string_at(data, size.value)


class Plan(Handle):
    def launch(self, stream=None):
        self.runtime.check("attnc_plan_launch", self.pointer, c_void_p(stream))


class Runtime:
    """The library. All its functions may be called from any thread; a plan from one at a time."""

    def __init__(self, path):
        self.lib = ctypes.CDLL(str(path))
        self.lib.attnc_version.restype = c_char_p
        self.lib.attnc_last_error.restype = c_char_p
        for kind in ("package", "device", "kernel", "plan"):
            getattr(self.lib, f"attnc_{kind}_json").restype = c_char_p
            getattr(self.lib, f"attnc_{kind}_json").argtypes = [c_void_p]
            getattr(self.lib, f"attnc_{kind}_close").restype = None
            getattr(self.lib, f"attnc_{kind}_close").argtypes = [c_void_p]

    def check(self, name, *arguments):
        status = getattr(self.lib, name)(*arguments)
        if status != 0:
            raise Error(name, status, (self.lib.attnc_last_error() or b"").decode(errors="replace"))

    def make(self, name, *arguments):
        out = c_void_p()
        self.check(name, *arguments, byref(out))
        return out

    def version(self):
        return self.lib.attnc_version().decode()

    def open(self, path):
        return Package(self, self.make("attnc_package_open", c_char_p(str(path).encode())), "package")

    def read(self, data):
        return Package(self, self.make("attnc_package_read", c_char_p(data), c_size_t(len(data))), "package")

    def device(self, name, options=None):
        text = c_char_p(json.dumps(options).encode()) if options else None
        return Device(self, self.make("attnc_device_open", c_char_p(name.encode()), text), "device")

    def load(self, package, device):
        pointer = self.make("attnc_kernel_load", package.pointer, device.pointer)
        return Handle(self, pointer, "kernel", (package, device))

    def plan(self, kernel, q, k, v, o, lse=None, inputs=None, tokens=None, kv_tokens=None, query_offset=None):
        tensors = {name: as_tensor(value) for name, value in (("q", q), ("k", k), ("v", v), ("o", o))}
        if lse is not None:
            tensors["lse"] = as_tensor(lse)
        named = [(name.encode(), as_tensor(value)) for name, value in (inputs or {}).items()]
        table = (NamedTensor * max(len(named), 1))(*[NamedTensor(name, ctypes.pointer(t)) for name, t in named])
        b = Bindings(size=ctypes.sizeof(Bindings), inputs=table, num_inputs=len(named))
        for name, value in tensors.items():
            setattr(b, name, ctypes.pointer(value))
        for name, value in (("tokens", tokens), ("kv_tokens", kv_tokens)):
            if value is not None:
                setattr(b, name, (c_int64 * len(value))(*value))
                setattr(b, f"num_{name}", len(value))
        if query_offset is not None:
            b.query_offset = ctypes.pointer(c_int64(query_offset))
        pointer = self.make("attnc_plan_make", kernel.pointer, byref(b))
        return Plan(self, pointer, "plan", (kernel, tensors, named))
