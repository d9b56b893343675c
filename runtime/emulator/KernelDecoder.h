//===- KernelDecoder.h - places of a kernel's registers and variables -*- C++ -*-===//
#pragma once

#include "runtime/emulator/Decode.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace attn::emulator {

class KernelDecoder {
public:
  KernelDecoder(const Source &source, const ModuleSyntax &module, const Kernel &kernel,
                std::span<const uint64_t> addresses);

  Expected<Program> run();

  // For InstDecoder.
  struct Register {
    Place place;
    Type type;
  };
  /// A variable's address within its space (a generic one if global or constant).
  struct Address {
    Space space;
    uint64_t value;
  };
  const Symbol *find(int scope, const std::string &name) const;
  const Register *findRegister(int scope, const std::string &name) const;
  /// The register of a special register, made when first used.
  std::optional<Register> findSpecial(const std::string &name);
  std::optional<Address> findVariable(int scope, const std::string &name) const;
  /// 32 equal lanes of `bytes` bytes (up to 4: one word each).
  Place constant(uint64_t bits, unsigned bytes);
  Place constantPredicate(bool value);
  void noteSharedStore(uint32_t bytes) {
    program.sharedCellBytes = std::min(program.sharedCellBytes, bytes);
  }

  Program program;

private:
  void placeRegisters();
  Status placeVariables();
  Status decodeTargets();
  Expected<Inst> decodeStatement(const Statement &statement);
  Place newRegister(Type type);

  const Source &source;
  const ModuleSyntax &module;
  const Kernel &kernel;
  std::span<const uint64_t> addresses;
  std::vector<Register> registers;
  std::vector<Address> variables;                 ///< of the kernel's body
  std::unordered_map<std::string, Address> outer; ///< parameters and the module's variables
  std::unordered_map<std::string, Register> specials;
  std::map<std::pair<uint64_t, unsigned>, Place> constants;
};

} // namespace attn::emulator
