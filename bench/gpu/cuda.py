"""The CUDA driver through ctypes: as much of it as this folder needs. Standard library only.

Device memory is a plain address (int). Every call's return code is checked; an error says which call failed and what the
driver calls the error. The device's primary context is used, as CUDA's runtime and PyTorch do.
"""
import ctypes
import struct
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_ulonglong, c_void_p

ATTRIBUTES = {  # CUdevice_attribute
    "max_threads_per_block": 1, "max_shared_memory_per_block": 8, "warp_size": 10, "clock_khz": 13,
    "multiprocessors": 16, "memory_clock_khz": 36, "memory_bus_bits": 37, "l2_bytes": 38,
    "max_threads_per_multiprocessor": 39, "capability_major": 75, "capability_minor": 76,
    "max_shared_per_multiprocessor": 81, "registers_per_multiprocessor": 82, "max_shared_memory_optin": 97,
}
FUNCTION_ATTRIBUTES = {  # CUfunction_attribute
    "max_threads_per_block": 0, "static_shared_bytes": 1, "const_bytes": 2, "local_bytes": 3, "registers": 4,
    "ptx_version": 5, "binary_version": 6,
}
MAX_DYNAMIC_SHARED = 8
# After one of these the context is lost, so the process has to be left.
FATAL = {700, 702, 710, 714, 715, 716, 717, 718, 719, 720, 214, 999, 4}


class CudaError(RuntimeError):
    def __init__(self, call, code, text):
        super().__init__(f"{call}: {text} ({code})")
        self.code = code
        self.fatal = code in FATAL


class Driver:
    """libcuda and the primary context of one device, current in this thread."""

    def __init__(self, library="libcuda.so.1", device=0):
        try:
            self.lib = ctypes.CDLL(library)
        except OSError as error:
            raise CudaError("dlopen", -1, f"no CUDA driver: {error}") from None
        self.call("cuInit", c_uint(0))
        handle = c_int()
        self.call("cuDeviceGet", byref(handle), c_int(device))
        self.device = handle
        context = c_void_p()
        self.call("cuDevicePrimaryCtxRetain", byref(context), handle)
        self.call("cuCtxSetCurrent", context)

    def call(self, name, *arguments):
        code = getattr(self.lib, name)(*arguments)
        if code != 0:
            text = c_char_p()
            word = c_char_p()
            self.lib.cuGetErrorName(c_int(code), byref(word))
            self.lib.cuGetErrorString(c_int(code), byref(text))
            said = " ".join(part.value.decode() for part in (word, text) if part.value)
            raise CudaError(name, code, said or "unknown error")

    # --- facts -------------------------------------------------------------------------------------------------------

    def facts(self):
        version, name, memory = c_int(), ctypes.create_string_buffer(256), c_size_t()
        self.call("cuDriverGetVersion", byref(version))
        self.call("cuDeviceGetName", name, c_int(256), self.device)
        self.call("cuDeviceTotalMem_v2", byref(memory), self.device)
        facts = {"name": name.value.decode(), "driver_cuda_version": version.value, "memory_bytes": memory.value}
        for key, number in ATTRIBUTES.items():
            value = c_int()
            try:
                self.call("cuDeviceGetAttribute", byref(value), c_int(number), self.device)
                facts[key] = value.value
            except CudaError:
                facts[key] = None
        return facts

    # --- memory ------------------------------------------------------------------------------------------------------

    def allocate(self, size):
        address = c_ulonglong()
        self.call("cuMemAlloc_v2", byref(address), c_size_t(max(size, 16)))
        return address.value

    def free(self, address):
        self.call("cuMemFree_v2", c_ulonglong(address))

    def upload(self, address, data):
        """`data`: bytes or a contiguous numpy array."""
        if isinstance(data, (bytes, bytearray)):
            self.call("cuMemcpyHtoD_v2", c_ulonglong(address), c_char_p(bytes(data)), c_size_t(len(data)))
        else:
            self.call("cuMemcpyHtoD_v2", c_ulonglong(address), c_void_p(data.ctypes.data), c_size_t(data.nbytes))

    def download(self, address, size):
        buffer = ctypes.create_string_buffer(size)
        self.call("cuMemcpyDtoH_v2", buffer, c_ulonglong(address), c_size_t(size))
        return buffer.raw

    def download_into(self, address, array):
        self.call("cuMemcpyDtoH_v2", c_void_p(array.ctypes.data), c_ulonglong(address), c_size_t(array.nbytes))

    def fill(self, address, byte, size, stream=None):
        """Asynchronous on `stream`; on None, the default stream, ordered before what follows there."""
        self.call("cuMemsetD8Async", c_ulonglong(address), ctypes.c_ubyte(byte), c_size_t(size), c_void_p(stream))

    # --- kernels -----------------------------------------------------------------------------------------------------

    def load(self, image):
        """A module from PTX text or a cubin; (module, log of the driver's compiler)."""
        if isinstance(image, str):
            image = image.encode() + b"\0"
        log = ctypes.create_string_buffer(16384)
        # CU_JIT_ERROR_LOG_BUFFER and its size: options are passed as an array of pointer-sized values.
        options = (c_int * 2)(5, 6)
        values = (c_void_p * 2)(ctypes.cast(log, c_void_p), c_void_p(len(log)))
        module = c_void_p()
        try:
            self.call("cuModuleLoadDataEx", byref(module), c_char_p(image), c_uint(2), options, values)
        except CudaError as error:
            said = log.value.decode(errors="replace").strip()
            raise CudaError("cuModuleLoadDataEx", error.code, f"{error}\n{said}" if said else str(error)) from None
        return module

    def unload(self, module):
        self.call("cuModuleUnload", module)

    def function(self, module, name):
        function = c_void_p()
        self.call("cuModuleGetFunction", byref(function), module, c_char_p(name.encode()))
        return function

    def function_attributes(self, function):
        result = {}
        for key, number in FUNCTION_ATTRIBUTES.items():
            value = c_int()
            self.call("cuFuncGetAttribute", byref(value), c_int(number), function)
            result[key] = value.value
        return result

    def allow_shared(self, function, size):
        """More than 48 KB of dynamic shared memory have to be asked for."""
        if size > 48 * 1024:
            self.call("cuFuncSetAttribute", function, c_int(MAX_DYNAMIC_SHARED), c_int(size))

    def launch(self, function, grid, block, arguments, shared=0, stream=None):
        """`arguments`: ctypes values, ints (64 bits) or bytes (a parameter of that size)."""
        holders = []
        for argument in arguments:
            if isinstance(argument, int):
                argument = c_ulonglong(argument)
            elif isinstance(argument, bytes):
                argument = ctypes.create_string_buffer(argument, len(argument))
            holders.append(argument)
        pointers = (c_void_p * max(len(holders), 1))(*[ctypes.cast(byref(h), c_void_p) for h in holders])
        self.allow_shared(function, shared)
        self.call("cuLaunchKernel", function, *[c_uint(x) for x in grid], *[c_uint(x) for x in block],
                  c_uint(shared), c_void_p(stream), pointers, c_void_p())

    def synchronize(self):
        self.call("cuCtxSynchronize")

    # --- streams, events, graphs -------------------------------------------------------------------------------------

    def stream(self):
        handle = c_void_p()
        self.call("cuStreamCreate", byref(handle), c_uint(1))  # does not wait for the default stream
        return handle.value

    def stream_synchronize(self, stream):
        self.call("cuStreamSynchronize", c_void_p(stream))

    def event(self):
        handle = c_void_p()
        self.call("cuEventCreate", byref(handle), c_uint(0))
        return handle

    def record(self, event, stream=None):
        self.call("cuEventRecord", event, c_void_p(stream))

    def milliseconds(self, begin, end):
        """Waits for `end`."""
        value = c_float()
        self.call("cuEventSynchronize", end)
        self.call("cuEventElapsedTime", byref(value), begin, end)
        return value.value

    def capture(self, stream, enqueue):
        """A graph of what enqueue() puts on the stream."""
        self.call("cuStreamBeginCapture_v2", c_void_p(stream), c_int(2))  # relaxed
        graph = c_void_p()
        try:
            enqueue()
        finally:
            self.call("cuStreamEndCapture", c_void_p(stream), byref(graph))
        executable = c_void_p()
        self.call("cuGraphInstantiateWithFlags", byref(executable), graph, c_ulonglong(0))
        return executable

    def graph_launch(self, executable, stream):
        self.call("cuGraphLaunch", executable, c_void_p(stream))

    # --- tensor maps -------------------------------------------------------------------------------------------------

    def encode_tensor_map(self, address, kind, sizes, strides, box, element_strides, interleave, swizzle, promotion,
                          fill):
        """The 128 bytes of a tensor map. `strides` in bytes, of the dimensions after the first; enumerations as
        numbers of cuda.h."""
        rank = len(sizes)
        room = ctypes.create_string_buffer(128 + 64)
        aligned = (ctypes.addressof(room) + 63) // 64 * 64
        self.call("cuTensorMapEncodeTiled", c_void_p(aligned), c_int(kind), c_uint(rank), c_void_p(address),
                  (c_ulonglong * rank)(*sizes), (c_ulonglong * max(rank - 1, 1))(*strides), (c_uint * rank)(*box),
                  (c_uint * rank)(*element_strides), c_int(interleave), c_int(swizzle), c_int(promotion), c_int(fill))
        return ctypes.string_at(aligned, 128)


def time_launches(driver, launch, stream=None, warmup=3, repeats=20, flush=None, budget_s=2.0):
    """Milliseconds of each of `repeats` calls of launch(), timed with events, at least 5 of them within the budget.
    flush: (address, bytes) overwritten before each call, so that the L2 cache holds nothing of the last one."""
    import time
    for _ in range(warmup):
        launch()
    driver.stream_synchronize(stream) if stream else driver.synchronize()
    times, begun = [], time.monotonic()
    pairs = [(driver.event(), driver.event()) for _ in range(repeats)]
    for begin, end in pairs:
        if flush:
            driver.fill(flush[0], 0, flush[1], stream)
        driver.record(begin, stream)
        launch()
        driver.record(end, stream)
        times.append(driver.milliseconds(begin, end))
        if len(times) >= 5 and time.monotonic() - begun > budget_s:
            break
    for pair in pairs:
        for event in pair:
            driver.call("cuEventDestroy_v2", event)
    return times


def summary(times):
    """Median, smallest and spread of times in milliseconds."""
    ordered = sorted(times)
    return {"median_ms": ordered[len(ordered) // 2], "min_ms": ordered[0], "p90_ms": ordered[len(ordered) * 9 // 10],
            "repeats": len(ordered)}


def u32(value):
    return struct.pack("<I", value)
