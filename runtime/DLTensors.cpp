#include "runtime/DLTensors.h"

namespace attn {

/// The code of newer versions of DLPack than our header.
static constexpr uint8_t kDLBoolCode = 6;

static std::optional<DType> dtypeOf(DLDataType type, DType wanted) {
  if (type.lanes != 1)
    return std::nullopt;
  bool isByte = type.bits == 8;
  switch (type.code) {
  case kDLFloat:
    return type.bits == 64   ? std::optional(DType::F64)
           : type.bits == 32 ? std::optional(DType::F32)
           : type.bits == 16 ? std::optional(DType::F16)
                             : std::nullopt;
  case kDLBfloat:
    return type.bits == 16 ? std::optional(DType::BF16) : std::nullopt;
  case kDLInt:
    return type.bits == 64   ? std::optional(DType::I64)
           : type.bits == 32 ? std::optional(DType::I32)
           : type.bits == 16 ? std::optional(DType::I16)
           : isByte          ? std::optional(DType::I8)
                             : std::nullopt;
  case kDLUInt:
    if (!isByte)
      return std::nullopt;
    return wanted == DType::Bool ? DType::Bool : DType::U8;
  case kDLBoolCode:
    return isByte ? std::optional(DType::Bool) : std::nullopt;
  default:
    return std::nullopt;
  }
}

static std::string_view placeName(DLDeviceType type) {
  switch (type) {
  case kDLCPU:
    return "the processor's memory";
  case kDLCUDA:
    return "memory of a CUDA device";
  case kDLCUDAHost:
    return "pinned memory";
  case kDLCUDAManaged:
    return "managed memory";
  default:
    return "memory that no device here knows";
  }
}

Status checkOnHost(std::string_view name, DLDevice place) {
  if (place.device_type == kDLCPU || place.device_type == kDLCUDAHost ||
      place.device_type == kDLCUDAManaged)
    return {};
  return makeError("'{}' lies in {} (DLPack type {}), which this device does not read", name,
                   placeName(place.device_type), int(place.device_type))
      .withNote("copy it to the processor's memory");
}

Expected<TensorView> hostViewOf(const DLTensor &tensor, std::string_view name, DType wanted) {
  if (Status status = checkOnHost(name, tensor.device); !status)
    return status.takeError();
  return viewOf(tensor, name, wanted);
}

Expected<TensorView> viewOf(const DLTensor &tensor, std::string_view name, DType wanted) {
  if (tensor.ndim < 0 || tensor.ndim > kMaxDLRank)
    return makeError("'{}' has {} dimensions, but 0 to {} are possible", name, tensor.ndim,
                     kMaxDLRank);
  if (tensor.ndim > 0 && !tensor.shape)
    return makeError("'{}' has {} dimensions, but its shape is NULL", name, tensor.ndim);
  std::optional<DType> dtype = dtypeOf(tensor.dtype, wanted);
  if (!dtype)
    return makeError("'{}' has elements of code {}, {} bits and {} lanes, which no kernel takes",
                     name, int(tensor.dtype.code), int(tensor.dtype.bits), int(tensor.dtype.lanes));
  TensorView view;
  view.dtype = *dtype;
  view.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  int64_t elements = 1;
  for (int64_t length : view.shape)
    if (length < 0)
      return makeError("'{}' has a length of {}", name, length);
    else if (length > 0 && __builtin_mul_overflow(elements, length, &elements))
      return makeError("'{}' has more than 2^63 elements", name);
  if (tensor.strides)
    view.strides.assign(tensor.strides, tensor.strides + tensor.ndim);
  else
    view.strides = contiguousStrides(view.shape);
  uintptr_t start = reinterpret_cast<uintptr_t>(tensor.data);
  if (__builtin_add_overflow(start, tensor.byte_offset, &start))
    return makeError("'{}' has a byte_offset of {}, beyond all memory", name, tensor.byte_offset);
  if (tensor.data)
    view.data = reinterpret_cast<void *>(start);
  return view;
}

} // namespace attn
