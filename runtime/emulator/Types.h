//===- Types.h - PTX fundamental types and state spaces ---------*- C++ -*-===//
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace attn::emulator {

/// The type suffixes of PTX ISA 5.2 (and the alternate floating-point formats) that instructions
/// use.
enum class Type : uint8_t {
  Pred,
  B8,
  U8,
  S8,
  B16,
  U16,
  S16,
  F16,
  BF16,
  B32,
  U32,
  S32,
  F32,
  TF32,
  F16x2,
  BF16x2,
  B64,
  U64,
  S64,
  F64,
};

/// nullopt if `suffix` (without the dot) names no type.
std::optional<Type> parseType(std::string_view suffix);
std::string_view typeName(Type type);

/// Size in bytes; a predicate has none and counts as 0.
unsigned byteSize(Type type);
bool isSigned(Type type);   ///< s8 .. s64
bool isUnsigned(Type type); ///< u8 .. u64
bool isBits(Type type);     ///< b8 .. b64
bool isFloat(Type type);    ///< every floating-point format, packed ones too
inline bool isInteger(Type type) { return isSigned(type) || isUnsigned(type); }

enum class Space : uint8_t { Generic, Global, Shared, Local, Param, Const };

/// The generic address space: windows that no buffer overlaps. A generic address of shared, local
/// or parameter memory is the window's base plus the address in that space (PTX ISA 5.1, 6.4.1.1).
constexpr uint64_t kModuleBase = uint64_t(0x10) << 40; ///< .global and .const variables
constexpr uint64_t kGlobalBase = uint64_t(0x20) << 40; ///< buffers of a Memory
constexpr uint64_t kSharedWindow = uint64_t(0x70) << 40;
constexpr uint64_t kLocalWindow = uint64_t(0x71) << 40;
constexpr uint64_t kParamWindow = uint64_t(0x72) << 40;
constexpr uint64_t kWindowSize = uint64_t(1) << 32;

/// The first address of a block's shared memory. Not zero, so that an address whose base was
/// forgotten is out of bounds; on sm_90 the system takes the first KiB as well.
constexpr uint32_t kSharedBase = 1024;
constexpr uint32_t kLocalBase = 1024;
constexpr uint32_t kParamBase = 512;

} // namespace attn::emulator
