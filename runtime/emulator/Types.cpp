//===- Types.cpp ----------------------------------------------------------===//
#include "runtime/emulator/Types.h"

#include <array>

namespace attn::emulator {
namespace {

enum class Kind : uint8_t { Pred, Bits, Unsigned, Signed, Float };

struct TypeRow {
  std::string_view name;
  uint8_t bytes;
  Kind kind;
};

/// In the order of Type.
constexpr std::array<TypeRow, 20> kTypes = {{
    {"pred", 0, Kind::Pred},    {"b8", 1, Kind::Bits},      {"u8", 1, Kind::Unsigned},
    {"s8", 1, Kind::Signed},    {"b16", 2, Kind::Bits},     {"u16", 2, Kind::Unsigned},
    {"s16", 2, Kind::Signed},   {"f16", 2, Kind::Float},    {"bf16", 2, Kind::Float},
    {"b32", 4, Kind::Bits},     {"u32", 4, Kind::Unsigned}, {"s32", 4, Kind::Signed},
    {"f32", 4, Kind::Float},    {"tf32", 4, Kind::Float},   {"f16x2", 4, Kind::Float},
    {"bf16x2", 4, Kind::Float}, {"b64", 8, Kind::Bits},     {"u64", 8, Kind::Unsigned},
    {"s64", 8, Kind::Signed},   {"f64", 8, Kind::Float},
}};

const TypeRow &row(Type type) { return kTypes[static_cast<size_t>(type)]; }

} // namespace

std::optional<Type> parseType(std::string_view suffix) {
  for (size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == suffix)
      return static_cast<Type>(i);
  return std::nullopt;
}

std::string_view typeName(Type type) { return row(type).name; }
unsigned byteSize(Type type) { return row(type).bytes; }
bool isSigned(Type type) { return row(type).kind == Kind::Signed; }
bool isUnsigned(Type type) { return row(type).kind == Kind::Unsigned; }
bool isBits(Type type) { return row(type).kind == Kind::Bits; }
bool isFloat(Type type) { return row(type).kind == Kind::Float; }

} // namespace attn::emulator
