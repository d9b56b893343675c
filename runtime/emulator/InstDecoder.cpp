//===- InstDecoder.cpp - modifiers and operands of one instruction --------===//
#include "runtime/emulator/KernelDecoder.h"

#include <algorithm>
#include <bit>

namespace attn::emulator {

InstDecoder::InstDecoder(KernelDecoder &kernel, const Statement &statement)
    : kernel(kernel), statement(statement),
      modifiers(statement.modifiers.begin(), statement.modifiers.end()) {}

void InstDecoder::fail(std::string_view message) {
  if (!error)
    error = message;
}

bool InstDecoder::hasModifier(std::string_view name) const {
  return std::find(modifiers.begin(), modifiers.end(), name) != modifiers.end();
}

bool InstDecoder::take(std::string_view name) {
  auto found = std::find(modifiers.begin(), modifiers.end(), name);
  if (found == modifiers.end())
    return false;
  modifiers.erase(found);
  return true;
}

void InstDecoder::ignore(std::initializer_list<std::string_view> names) {
  for (std::string_view name : names)
    take(name);
}

void InstDecoder::ignorePrefix(std::string_view prefix) {
  std::erase_if(modifiers, [&](std::string_view m) { return m.starts_with(prefix); });
}

Type InstDecoder::takeType(std::initializer_list<Type> allowed) {
  for (auto at = modifiers.begin(); at != modifiers.end(); ++at) {
    std::optional<Type> type = parseType(*at);
    if (!type)
      continue;
    if (allowed.size() != 0 && std::find(allowed.begin(), allowed.end(), *type) == allowed.end())
      fail(fmt::format("type '.{}' of '{}' is not supported", *at, statement.opcode));
    modifiers.erase(at);
    return *type;
  }
  fail("a type is missing");
  return Type::B32;
}

int InstDecoder::takeOneOf(std::initializer_list<std::string_view> names) {
  for (auto at = modifiers.begin(); at != modifiers.end(); ++at) {
    auto found = std::find(names.begin(), names.end(), *at);
    if (found != names.end()) {
      modifiers.erase(at);
      return static_cast<int>(found - names.begin());
    }
  }
  return -1;
}

int InstDecoder::expectOneOf(std::initializer_list<std::string_view> names) {
  int index = takeOneOf(names);
  if (index < 0) {
    fail(fmt::format("'{}' needs one of '.{}'", statement.opcode, fmt::join(names, "', '.")));
    index = 0;
  }
  return index;
}

const Operand *InstDecoder::peekOperand() const {
  return operandsLeft() != 0 ? &statement.operands[nextOperand] : nullptr;
}

const Operand *InstDecoder::nextOf(std::string_view what) {
  if (operandsLeft() != 0)
    return &statement.operands[nextOperand++];
  fail(fmt::format("an operand is missing: {}", what));
  return nullptr;
}

void InstDecoder::push(Place place, bool written) {
  size_t count = size_t(inst.destinations) + inst.sources;
  if (count == kMostPlaces)
    return fail("too many operands");
  inst.places[count] = place;
  ++(written ? inst.destinations : inst.sources);
}

void InstDecoder::pushWrite(const Operand &operand, Type type, bool wider, unsigned *bytes) {
  if (operand.kind == Operand::Kind::Sink)
    return push(kSinkPlace, true);
  const KernelDecoder::Register *found =
      operand.kind == Operand::Kind::Name && !operand.negated && operand.value == 0
          ? kernel.findRegister(statement.scope, operand.name)
          : nullptr;
  if (found == nullptr)
    return fail(fmt::format("'{}' is no register to write", operand.name));
  unsigned size = byteSize(found->type);
  if ((found->type == Type::Pred) != (type == Type::Pred) || size < byteSize(type) ||
      (size > byteSize(type) && !wider))
    return fail(fmt::format("register '{}' is a '.{}', which does not hold a '.{}'", operand.name,
                            typeName(found->type), typeName(type)));
  if (bytes)
    *bytes = size;
  push(found->place, true);
}

/// The bits of an immediate as a value of `type`; nullopt if it is none.
static std::optional<uint64_t> immediateBits(const Operand &operand, Type type) {
  uint64_t bits = static_cast<uint64_t>(operand.value);
  switch (operand.kind) {
  case Operand::Kind::Integer:
    return isFloat(type) ? std::nullopt : std::optional(bits);
  case Operand::Kind::Float32:
    if (type == Type::F64)
      return std::bit_cast<uint64_t>(
          static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits))));
    return byteSize(type) == 4 ? std::optional(bits) : std::nullopt;
  case Operand::Kind::Float64:
    if (type == Type::F32)
      return std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(bits)));
    return byteSize(type) == 8 ? std::optional(bits) : std::nullopt;
  default:
    return std::nullopt;
  }
}

void InstDecoder::pushRead(const Operand &operand, Type type, bool wider, unsigned *bytes) {
  if (operand.kind != Operand::Kind::Name) {
    std::optional<uint64_t> bits = immediateBits(operand, type);
    if (!bits)
      return fail(
          fmt::format("an operand is no register and no value of type '.{}'", typeName(type)));
    if (type == Type::Pred)
      return push(kernel.constantPredicate(*bits != 0), false);
    return push(kernel.constant(*bits, byteSize(type)), false);
  }
  if (auto variable = kernel.findVariable(statement.scope, operand.name)) {
    if (byteSize(type) < 4 || isFloat(type))
      return fail(fmt::format("the address of '{}' is no value of type '.{}'", operand.name,
                              typeName(type)));
    return push(
        kernel.constant(variable->value + static_cast<uint64_t>(operand.value), byteSize(type)),
        false);
  }
  KernelDecoder::Register found;
  if (auto *known = kernel.findRegister(statement.scope, operand.name))
    found = *known;
  else if (auto special = kernel.findSpecial(operand.name))
    found = *special;
  else
    return fail(fmt::format("'{}' is neither a register nor a variable", operand.name));
  unsigned size = byteSize(found.type);
  if ((found.type == Type::Pred) != (type == Type::Pred) || size < byteSize(type) ||
      (size > byteSize(type) && !wider) || operand.negated || operand.value != 0)
    return fail(fmt::format("register '{}' is a '.{}', not a '.{}'", operand.name,
                            typeName(found.type), typeName(type)));
  if (bytes)
    *bytes = size;
  push(found.place, false);
}

void InstDecoder::write(Type type) {
  if (const Operand *operand = nextOf("a register to write"))
    pushWrite(*operand, type, false, nullptr);
}

bool InstDecoder::writeWithPredicate(Type type) {
  const Operand *operand = nextOf("a register to write");
  if (operand == nullptr)
    return false;
  pushWrite(*operand, type, false, nullptr);
  if (operand->second.empty())
    return false;
  Operand predicate;
  predicate.kind = operand->second == "_" ? Operand::Kind::Sink : Operand::Kind::Name;
  predicate.name = operand->second;
  pushWrite(predicate, Type::Pred, false, nullptr);
  return true;
}

unsigned InstDecoder::writeWider(Type type) {
  unsigned bytes = byteSize(type);
  if (const Operand *operand = nextOf("a register to write"))
    pushWrite(*operand, type, true, &bytes);
  return bytes;
}

void InstDecoder::read(Type type) {
  if (const Operand *operand = nextOf(fmt::format("a '.{}'", typeName(type))))
    pushRead(*operand, type, false, nullptr);
}

unsigned InstDecoder::readWider(Type type) {
  unsigned bytes = byteSize(type);
  if (const Operand *operand = nextOf(fmt::format("a '.{}'", typeName(type))))
    pushRead(*operand, type, true, &bytes);
  return bytes;
}

void InstDecoder::readPredicate(uint8_t negatedFlag) {
  const Operand *operand = nextOf("a predicate");
  if (operand == nullptr)
    return;
  if (operand->negated)
    inst.flags |= negatedFlag;
  Operand plain = *operand;
  plain.negated = false;
  pushRead(plain, Type::Pred, false, nullptr);
}

void InstDecoder::writeVector(Type type, size_t count) {
  const Operand *operand = nextOf("a vector to write");
  if (operand == nullptr)
    return;
  if (operand->kind != Operand::Kind::Vector || operand->elements.size() != count)
    return fail(fmt::format("expected a vector of {} registers", count));
  for (const Operand &element : operand->elements)
    pushWrite(element, type, false, nullptr);
}

void InstDecoder::readVector(Type type, size_t count) {
  const Operand *operand = nextOf("a vector");
  if (operand == nullptr)
    return;
  if (operand->kind != Operand::Kind::Vector || operand->elements.size() != count)
    return fail(fmt::format("expected a vector of {} registers", count));
  for (const Operand &element : operand->elements)
    pushRead(element, type, false, nullptr);
}

unsigned InstDecoder::writeWiderVector(Type type, size_t count) {
  if (count == 1)
    return writeWider(type);
  const Operand *operand = nextOf("a vector to write");
  unsigned bytes = 0;
  if (operand == nullptr)
    return bytes;
  if (operand->kind != Operand::Kind::Vector || operand->elements.size() != count)
    fail(fmt::format("expected a vector of {} registers", count));
  for (const Operand &element : operand->elements) {
    unsigned size = bytes;
    pushWrite(element, type, true, &size);
    if (bytes != 0 && size != bytes)
      fail("the registers of a vector have one size");
    bytes = size;
  }
  return bytes != 0 ? bytes : byteSize(type);
}

unsigned InstDecoder::readWiderVector(Type type, size_t count) {
  if (count == 1)
    return readWider(type);
  const Operand *operand = nextOf("a vector");
  if (operand == nullptr)
    return 0;
  if (operand->kind != Operand::Kind::Vector || operand->elements.size() != count)
    fail(fmt::format("expected a vector of {} registers", count));
  unsigned widest = byteSize(type);
  for (const Operand &element : operand->elements) {
    unsigned size = 0;
    pushRead(element, type, true, &size);
    widest = std::max(widest, size);
  }
  return widest;
}

void InstDecoder::pushAddress(const Operand &operand, Space space, int64_t &offset, bool &wide) {
  if (operand.kind != Operand::Kind::Address)
    return fail("expected an address in brackets");
  offset = operand.value;
  wide = true;
  if (operand.name.empty()) {
    offset = 0;
    return push(kernel.constant(static_cast<uint64_t>(operand.value), 8), false);
  }
  if (auto variable = kernel.findVariable(statement.scope, operand.name)) {
    bool sameSpace = variable->space == space ||
                     (space == Space::Generic &&
                      (variable->space == Space::Global || variable->space == Space::Const));
    if (!sameSpace)
      return fail(fmt::format("variable '{}' lies in another state space", operand.name));
    return push(kernel.constant(variable->value, 8), false);
  }
  const KernelDecoder::Register *found = kernel.findRegister(statement.scope, operand.name);
  if (found == nullptr)
    return fail(fmt::format("'{}' is neither a register nor a variable", operand.name));
  unsigned size = byteSize(found->type);
  wide = size == 8;
  if (size < 4 || (!wide && (space == Space::Generic || space == Space::Global)))
    return fail(
        fmt::format("register '{}' is a '.{}', no address", operand.name, typeName(found->type)));
  push(found->place, false);
}

void InstDecoder::readAddress() { readAddress(inst.space, inst.immediate, inst.wideAddress); }

void InstDecoder::readAddress(Space space, int64_t &offset, bool &wide) {
  if (const Operand *operand = nextOf("an address"))
    pushAddress(*operand, space, offset, wide);
}

int64_t InstDecoder::readConstant() {
  const Operand *operand = nextOf("an integer");
  if (operand == nullptr)
    return 0;
  if (operand->kind != Operand::Kind::Integer)
    fail("an operand must be an integer known now");
  return operand->value;
}

void InstDecoder::readOr(Type type, uint64_t value) {
  if (operandsLeft() != 0)
    read(type);
  else
    readFixed(type, value);
}

void InstDecoder::readFixed(Type type, uint64_t bits) {
  push(kernel.constant(bits, byteSize(type)), false);
}

bool InstDecoder::nextIsPredicate() const {
  const Operand *operand = peekOperand();
  if (operand == nullptr || operand->kind != Operand::Kind::Name)
    return false;
  const KernelDecoder::Register *found = kernel.findRegister(statement.scope, operand->name);
  return found != nullptr && found->type == Type::Pred;
}

void InstDecoder::ignoreOperand(Type type) {
  read(type);
  if (inst.sources != 0)
    --inst.sources;
}

uint32_t InstDecoder::readLabel() {
  const Operand *operand = nextOf("a label");
  if (operand == nullptr)
    return 0;
  const Symbol *symbol = kernel.find(statement.scope, operand->name);
  if (symbol && symbol->kind == SymbolKind::Label)
    return symbol->index;
  fail(fmt::format("no label '{}'", operand->name));
  return 0;
}

uint32_t InstDecoder::readTargets() {
  const Operand *operand = nextOf("a list of labels");
  if (operand == nullptr)
    return 0;
  const Symbol *symbol = kernel.find(statement.scope, operand->name);
  if (symbol && symbol->kind == SymbolKind::Targets)
    return symbol->index;
  fail(fmt::format("no '.branchtargets' at '{}'", operand->name));
  return 0;
}

void InstDecoder::noteStore(unsigned bytes) {
  if (inst.space == Space::Shared || inst.space == Space::Generic)
    kernel.noteSharedStore(bytes);
}

std::optional<std::string> InstDecoder::takeClock() {
  const Operand *operand = peekOperand();
  constexpr std::string_view kClocks[] = {"%clock",       "%clock_hi",       "%clock64",
                                          "%globaltimer", "%globaltimer_lo", "%globaltimer_hi"};
  if (operand == nullptr || operand->kind != Operand::Kind::Name ||
      std::find(std::begin(kClocks), std::end(kClocks), operand->name) == std::end(kClocks))
    return std::nullopt;
  ++nextOperand;
  return operand->name;
}

} // namespace attn::emulator
