//===- attnc.h - run compiled attention kernels -----------------*- C -*-===//
//
// The C interface of libattnc_runtime: opens packages that `attnc compile --emit=package` wrote and
// runs their kernels on a processor, on the emulator or on a CUDA device. No compiler, no CUDA
// toolkit.
//
//     attnc_package *package;  attnc_device *device;  attnc_kernel *kernel;  attnc_plan *plan;
//     attnc_package_open("chat.attnpkg", &package);
//     attnc_device_open("cuda", NULL, &device);
//     attnc_kernel_load(package, device, &kernel);
//     attnc_bindings b = {sizeof b, &q, &k, &v, &o};      // DLTensors, the rest is zero
//     attnc_plan_make(kernel, &b, &plan);
//     attnc_plan_launch(plan, stream);                    // as often as you like
//
// Errors. Every call that can fail returns an attnc_status. On anything but ATTNC_OK nothing was
// made, an output pointer holds NULL, and attnc_last_error() of the same thread says what is wrong.
// No exception crosses this interface.
//
// Ownership. What a call makes belongs to the caller, who closes it with the close function of its
// type; closing NULL does nothing. A kernel keeps its package and its device, a plan its kernel, so
// that handles may be closed in any order. Strings belong to the object that was asked and live as
// long as it does, unless said otherwise.
//
// Threads. All functions may be called from any thread at once, also on the same package, device
// and kernel. A plan is used by one thread at a time.
//
// docs/packages.md has complete examples in C and Python.
//
//===----------------------------------------------------------------------===//
#pragma once

#include <dlpack/dlpack.h>

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define ATTNC_API
#else
#define ATTNC_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum attnc_status {
  ATTNC_OK = 0,
  ATTNC_INVALID_ARGUMENT = 1, ///< NULL, an unknown name, a tensor that does not fit
  ATTNC_BAD_PACKAGE = 2,      ///< damaged, foreign, or of a newer format
  ATTNC_NO_DEVICE = 3,        ///< no driver, no such device
  ATTNC_UNSUPPORTED = 4,      ///< the package has no code that this device can run
  ATTNC_DEVICE_ERROR = 5,  ///< what the driver or the emulator reported; its words are in the text
  ATTNC_OUT_OF_MEMORY = 6, ///< of the host or of the device
  ATTNC_IO_ERROR = 7,      ///< a file cannot be read
  ATTNC_INTERNAL_ERROR = 8 ///< a mistake of this library: please report it
} attnc_status;

typedef struct attnc_package attnc_package;
typedef struct attnc_device attnc_device;
typedef struct attnc_kernel attnc_kernel;
typedef struct attnc_plan attnc_plan;

/// "0.1.0". Never fails.
ATTNC_API const char *attnc_version(void);

/// What was wrong in the last call of this thread that failed: "message\nnote: ...\nnote: ...".
/// Lives until the next call of this thread that fails; "" where none has.
ATTNC_API const char *attnc_last_error(void);

//===----------------------------------------------------------------------===//
// Packages
//===----------------------------------------------------------------------===//

/// Reads a file and checks every byte of it.
ATTNC_API attnc_status attnc_package_open(const char *path, attnc_package **out);

/// The same from memory; the bytes are copied.
ATTNC_API attnc_status attnc_package_read(const void *bytes, size_t size, attnc_package **out);

ATTNC_API void attnc_package_close(attnc_package *package);

/// A JSON object: "format" (version), "compiler", "kernel" (name), "spec" (canonical text, which
/// the compiler reads again), "dtype", "batch", "heads", "kv_heads", "head_dim", "value_dim",
/// "tokens" and "kv_tokens" (-1 where bound at run time), "inputs" [{"name", "dtype", "shape"}],
/// "query_offset" (number or null), "masks" [{"heads": [..], "formula": text}], "targets" ["cpu",
/// "sm_80"], "sections" [{"kind", "target", "unit", "size", "checksum"}], ...
ATTNC_API const char *attnc_package_json(const attnc_package *package);

/// The bytes of one section, as `attnc inspect` lists them: kind "info", "spec", "ptx", "cubin" or
/// "object", and its target ("sm_80", "avx2"; NULL where there is one section of that kind). They
/// live as long as the package. ATTNC_INVALID_ARGUMENT where there is no such section; the text
/// lists those there are.
ATTNC_API attnc_status attnc_package_section(const attnc_package *package, const char *kind,
                                             const char *target, const void **bytes, size_t *size);

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

/// `name` is
///   "cpu"       this machine's processor
///   "emulator"  executes the package's PTX on the processor and reports what a sanitizer would
///   "cuda"      the device of the calling thread's current CUDA context, else device 0
///   "cuda:N"    device N
/// A CUDA device is used through the calling thread's current context where that belongs to it,
/// else through its primary context, which CUDA's runtime and PyTorch use too. No call leaves the
/// current context changed.
///
/// `options` is NULL or a JSON object. An option that the device does not know is an error.
///   cpu       "threads": 0 is one for each processor (default)
///             "isa": "baseline", "avx2", "avx512", "avx512bf16" or "amx": the highest level to be
///             used; default: the one whose code is fastest here
///   emulator  "mode": "late" (default), "early" or "random": when asynchronous copies become
///             visible
///             "seed": of the random mode and of the order in which warps run, default 0
///             "checks": report races, uninitialised and bad memory, default true
///             "profile": count instructions, bank conflicts, sectors, default false
///             "threads": 0 is one for each processor (default)
///             "concurrent_blocks": thread blocks that a device would run at once; launches with
///             fewer split their keys. Default 0: none does
///   cuda      "library": path of the driver library, default "libcuda.so.1"
///             "prefer": "cubin" (default) or "ptx", which the driver then compiles
ATTNC_API attnc_status attnc_device_open(const char *name, const char *options, attnc_device **out);

ATTNC_API void attnc_device_close(attnc_device *device);

/// A JSON object: "name"; cpu: "isa", "threads"; emulator: its options; cuda: "index", "model",
/// "driver" (version), "compute_capability" [major, minor], "multiprocessors", "memory_bytes",
/// "max_shared_bytes" (a block), "clock_khz", "memory_clock_khz", "l2_bytes".
ATTNC_API const char *attnc_device_json(const attnc_device *device);

/// Waits until all launches on the device have finished. An error of an earlier asynchronous launch
/// is reported here at the latest.
ATTNC_API attnc_status attnc_device_synchronize(attnc_device *device);

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// Takes from the package the code that fits the device best: cpu, the fastest level that the
/// machine has; cuda, a cubin that the device runs (same major architecture, minor not newer),
/// else the PTX, which the driver compiles.
ATTNC_API attnc_status attnc_kernel_load(const attnc_package *package, attnc_device *device,
                                         attnc_kernel **out);

ATTNC_API void attnc_kernel_close(attnc_kernel *kernel);

/// A JSON object: "kernel", "device", "from" ("cubin sm_80", "ptx sm_80", "object avx2"),
/// "load_seconds", "threads_per_block", "shared_bytes" (dynamic, a block); cuda: "registers" (a
/// thread), "local_bytes" (a thread), "static_shared_bytes", "max_threads_per_block", and "log" (of
/// the driver's compiler, where it said something).
ATTNC_API const char *attnc_kernel_json(const attnc_kernel *kernel);

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// A run-time input of the spec and the tensor it is bound to.
typedef struct attnc_named_tensor {
  const char *name;
  const DLTensor *tensor;
} attnc_named_tensor;

/// What a kernel runs on. The structure grows at its end: `size` is sizeof(attnc_bindings) of the
/// caller, who sets to zero what is not used. The DLTensors, names and arrays are read during the
/// call alone; the memory that the tensors point to must stay while the plan is used.
///
/// Tensors: strides are in elements, NULL means contiguous; byte_offset counts. Types have one
/// lane: kDLFloat 16, 32, 64, kDLBfloat 16, kDLInt 8 to 64, kDLUInt 8; a bool input is kDLUInt 8 or
/// the newer kDLBool (6). cpu, emulator: on kDLCPU, kDLCUDAHost or kDLCUDAManaged. cuda: on kDLCUDA
/// of the device's index, or kDLCUDAManaged. No output may overlap another tensor. The last
/// dimension of q, k, v and o is contiguous; a GPU kernel wants their rows on 16 bytes.
typedef struct attnc_bindings {
  size_t size;
  const DLTensor *q;   ///< [batch, heads, queries, head_dim], dtype of the kernel
  const DLTensor *k;   ///< [batch, kv_heads, keys, head_dim]
  const DLTensor *v;   ///< [batch, kv_heads, keys, value_dim]
  const DLTensor *o;   ///< [batch, heads, queries, value_dim], written
  const DLTensor *lse; ///< [batch, heads, queries] f32, written: natural logarithm of the sum of
                       ///< exponentials, -inf where a query sees no key. May be NULL.
  const attnc_named_tensor *inputs; ///< in any order, each run-time input once
  size_t num_inputs;
  const int64_t *tokens;    ///< token layout, every ? bound; NULL: the lengths of q and k say it
  size_t num_tokens;        ///< its dimensions
  const int64_t *kv_tokens; ///< of the keys; NULL: likewise
  size_t num_kv_tokens;     ///< its dimensions
  /// Position of the first query; NULL: what the spec says, else keys - queries.
  const int64_t *query_offset;
  int64_t splits; ///< parts into which the keys of a query tile are cut; 0: chosen
} attnc_bindings;

/// A launch, checked and prepared: makes the tile maps and the order of the query tiles on the host
/// and copies these tables to the device. Run-time inputs are read here, those on a device through
/// a copy, which waits for all work of the device; a plan made of inputs that have changed since
/// must be made again. q, k, v may change between launches; they and o are not touched here.
/// Launches of one plan on several streams at once are not allowed: make a plan for each.
ATTNC_API attnc_status attnc_plan_make(attnc_kernel *kernel, const attnc_bindings *bindings,
                                       attnc_plan **out);

/// Waits for the plan's launches, then frees its tables.
ATTNC_API void attnc_plan_close(attnc_plan *plan);

/// A JSON object: "visited_tiles", "full_tiles", "all_tiles" (key tiles over all query tiles, heads
/// and batch entries), "visible_pairs", "blind_heads", "grid" [x, y, z] and "block" (threads; gpu),
/// "tickets" (cpu), "splits" (parts into which the keys of a query tile are cut), "shared_bytes",
/// "workspace_bytes", "table_bytes", "plan_seconds"; after a launch on cpu or emulator
/// "run_seconds" of the last one, and "profile" of an emulator that was opened with it. The string
/// lives until the next call with this plan.
ATTNC_API const char *attnc_plan_json(attnc_plan *plan);

/// cuda: enqueues the kernel on `stream`, a CUstream of the context that the device was opened with
/// or NULL for its default stream, and returns. cpu and emulator: runs to the end; `stream` must be
/// NULL. What the emulator finds wrong is ATTNC_DEVICE_ERROR with its report.
ATTNC_API attnc_status attnc_plan_launch(attnc_plan *plan, void *stream);

#ifdef __cplusplus
}
#endif
