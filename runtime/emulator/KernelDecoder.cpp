//===- KernelDecoder.cpp --------------------------------------------------===//
#include "runtime/emulator/KernelDecoder.h"

#include <algorithm>

namespace attn::emulator {

static uint64_t alignTo(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

KernelDecoder::KernelDecoder(const Source &source, const ModuleSyntax &module, const Kernel &kernel,
                             std::span<const uint64_t> addresses)
    : source(source), module(module), kernel(kernel), addresses(addresses) {
  program.name = kernel.name;
  program.maxThreads = kernel.maxThreads;
  program.requiredThreads = kernel.requiredThreads;
}

Place KernelDecoder::newRegister(Type type) {
  Place place{static_cast<int32_t>(program.registerWords), program.poisonWords++};
  // Lanes of 64 bits begin at an even word; so do all others but predicates, of which two make a
  // pair.
  program.registerWords += type == Type::Pred ? 2 : byteSize(type) == 8 ? 2 * kLanes : kLanes;
  return place;
}

void KernelDecoder::placeRegisters() {
  for (Type type : kernel.registers)
    registers.push_back({newRegister(type), type});
}

Status KernelDecoder::placeVariables() {
  uint64_t parameters = 0, shared = 0, local = 0, dynamicAlignment = 16;
  for (const Variable &parameter : kernel.parameters) {
    if (parameter.dynamic)
      return source.errorAt(parameter.line, "a parameter has a length");
    parameters = alignTo(parameters, parameter.alignment);
    program.parameterOffsets.push_back(static_cast<uint32_t>(parameters));
    program.parameterBytes.push_back(parameter.bytes);
    outer[parameter.name] = {Space::Param, kParamBase + parameters};
    parameters += parameter.bytes;
  }
  program.parameterSpaceBytes = static_cast<uint32_t>(parameters);

  auto take = [&](const Variable &variable, uint64_t &end) -> uint64_t {
    end = alignTo(end, variable.alignment);
    uint64_t begin = end;
    end += variable.bytes;
    return begin;
  };
  auto takeShared = [&](const Variable &variable) {
    if (variable.dynamic)
      dynamicAlignment = std::max<uint64_t>(dynamicAlignment, variable.alignment);
    return variable.dynamic ? uint64_t(0) : take(variable, shared);
  };
  for (size_t i = 0; i < module.variables.size(); ++i) {
    const Variable &variable = module.variables[i];
    bool isShared = variable.space == Space::Shared;
    outer[variable.name] = {variable.space,
                            isShared ? kSharedBase + takeShared(variable) : addresses[i]};
  }
  for (const Variable &variable : kernel.variables) {
    if (variable.space == Space::Shared)
      variables.push_back({Space::Shared, kSharedBase + takeShared(variable)});
    else
      variables.push_back({Space::Local, kLocalBase + take(variable, local)});
  }
  // Of local memory a thread has 512 KB at most on any GPU; the launch says how much shared memory there is.
  if (shared > (64 << 20) || local > (512 << 10) || parameters > 32764)
    return source.errorAt(kernel.line, "the variables of the kernel are too large");
  // All arrays without a length begin where the others end.
  shared = alignTo(shared, dynamicAlignment);
  for (const Variable &variable : module.variables)
    if (variable.dynamic)
      outer[variable.name].value = kSharedBase + shared;
  for (size_t i = 0; i < kernel.variables.size(); ++i)
    if (kernel.variables[i].dynamic)
      variables[i].value = kSharedBase + shared;
  program.staticSharedBytes = static_cast<uint32_t>(shared);
  program.localBytes = static_cast<uint32_t>(local);
  return {};
}

const Symbol *KernelDecoder::find(int scope, const std::string &name) const {
  for (; scope >= 0; scope = kernel.scopes[scope].parent) {
    auto found = kernel.scopes[scope].symbols.find(name);
    if (found != kernel.scopes[scope].symbols.end())
      return &found->second;
  }
  return nullptr;
}

const KernelDecoder::Register *KernelDecoder::findRegister(int scope,
                                                           const std::string &name) const {
  const Symbol *symbol = find(scope, name);
  return symbol && symbol->kind == SymbolKind::Register ? &registers[symbol->index] : nullptr;
}

std::optional<KernelDecoder::Address> KernelDecoder::findVariable(int scope,
                                                                  const std::string &name) const {
  if (const Symbol *symbol = find(scope, name))
    return symbol->kind == SymbolKind::Variable ? std::optional(variables[symbol->index])
                                                : std::nullopt;
  auto found = outer.find(name);
  return found != outer.end() ? std::optional(found->second) : std::nullopt;
}

std::optional<KernelDecoder::Register> KernelDecoder::findSpecial(const std::string &name) {
  static const std::unordered_map<std::string_view, Special> kSpecials = {
      {"%tid.x", Special::TidX},
      {"%tid.y", Special::TidY},
      {"%tid.z", Special::TidZ},
      {"%ntid.x", Special::NtidX},
      {"%ntid.y", Special::NtidY},
      {"%ntid.z", Special::NtidZ},
      {"%ctaid.x", Special::CtaidX},
      {"%ctaid.y", Special::CtaidY},
      {"%ctaid.z", Special::CtaidZ},
      {"%nctaid.x", Special::NctaidX},
      {"%nctaid.y", Special::NctaidY},
      {"%nctaid.z", Special::NctaidZ},
      {"%laneid", Special::LaneId},
      {"%warpid", Special::WarpId},
      {"%nwarpid", Special::NWarpId},
      {"%smid", Special::Zero},
      {"%nsmid", Special::One},
      {"%gridid", Special::GridId},
      {"%lanemask_eq", Special::LaneMaskEq},
      {"%lanemask_lt", Special::LaneMaskLt},
      {"%lanemask_le", Special::LaneMaskLe},
      {"%lanemask_gt", Special::LaneMaskGt},
      {"%lanemask_ge", Special::LaneMaskGe},
      {"%dynamic_smem_size", Special::DynamicSmemSize},
      {"%total_smem_size", Special::TotalSmemSize},
      // Each block is a cluster of its own.
      {"%clusterid.x", Special::CtaidX},
      {"%clusterid.y", Special::CtaidY},
      {"%clusterid.z", Special::CtaidZ},
      {"%nclusterid.x", Special::NctaidX},
      {"%nclusterid.y", Special::NctaidY},
      {"%nclusterid.z", Special::NctaidZ},
      {"%cluster_ctaid.x", Special::Zero},
      {"%cluster_ctaid.y", Special::Zero},
      {"%cluster_ctaid.z", Special::Zero},
      {"%cluster_nctaid.x", Special::One},
      {"%cluster_nctaid.y", Special::One},
      {"%cluster_nctaid.z", Special::One},
      {"%cluster_ctarank", Special::Zero},
      {"%cluster_nctarank", Special::One}};
  auto known = kSpecials.find(name);
  if (known == kSpecials.end())
    return std::nullopt;
  auto [entry, isNew] = specials.try_emplace(name);
  if (isNew) {
    Type type = known->second == Special::GridId ? Type::B64 : Type::B32;
    entry->second = {newRegister(type), type};
    entry->second.place.poison = kCleanPoison;
    program.specials.push_back({known->second, entry->second.place.offset, type == Type::B64});
  }
  return entry->second;
}

Place KernelDecoder::constant(uint64_t bits, unsigned bytes) {
  if (bytes < 8)
    bits &= (uint64_t(1) << 8 * bytes) - 1;
  bool wide = bytes == 8;
  auto [entry, isNew] = constants.try_emplace({bits, wide ? 8 : 4});
  if (isNew) {
    entry->second = {~static_cast<int32_t>(program.constants.size()), kCleanPoison};
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      program.constants.push_back(static_cast<uint32_t>(bits));
      if (wide)
        program.constants.push_back(static_cast<uint32_t>(bits >> 32));
    }
  }
  return entry->second;
}

Place KernelDecoder::constantPredicate(bool value) {
  return constant(value ? kAllLanes : 0, 4); // its first word serves
}

Status KernelDecoder::decodeTargets() {
  for (const TargetList &list : kernel.targetLists) {
    std::vector<uint32_t> &targets = program.targetLists.emplace_back();
    for (const std::string &label : list.labels) {
      const Symbol *symbol = find(list.scope, label);
      if (!symbol || symbol->kind != SymbolKind::Label)
        return source.errorAt(list.line, fmt::format("no label '{}'", label));
      targets.push_back(symbol->index);
    }
  }
  return {};
}

static TypeClass classOf(Type type) {
  if (type == Type::Pred)
    return TypeClass::Pred;
  if (type == Type::F32 || type == Type::F64)
    return TypeClass::Float;
  return isFloat(type) ? TypeClass::Half : TypeClass::Integer;
}

/// Rows of all families by opcode.
static const std::unordered_multimap<std::string_view, const OpRow *> &opTable() {
  static const auto table = [] {
    std::unordered_multimap<std::string_view, const OpRow *> rows;
    for (std::span<const OpRow> family :
         {moveOps(), integerOps(), bitOps(), floatOps(), halfOps(), mathOps(), compareOps(),
          convertOps(), memoryOps(), atomicOps(), asyncOps(), mbarrierOps(),
          matrixOps(), mmaOps(), warpOps(), wmmaOps(), controlOps()})
      for (const OpRow &row : family)
        rows.emplace(row.opcode, &row);
    return rows;
  }();
  return table;
}

static const OpRow *findRow(const Statement &statement) {
  std::optional<Type> last;
  for (const std::string &modifier : statement.modifiers)
    if (std::optional<Type> type = parseType(modifier))
      last = type;
  auto [begin, end] = opTable().equal_range(statement.opcode);
  for (auto row = begin; row != end; ++row)
    if (row->second->typeClass == TypeClass::Any ||
        (last && row->second->typeClass == classOf(*last)))
      return row->second;
  return nullptr;
}

Expected<Inst> KernelDecoder::decodeStatement(const Statement &statement) {
  const OpRow *row = findRow(statement);
  if (row == nullptr)
    return source.errorAt(
        statement.line,
        opTable().count(statement.opcode)
            ? fmt::format("instruction '{}' does not exist for this type", statement.opcode)
            : fmt::format("instruction '{}' is not supported", statement.opcode));
  InstDecoder decoder(*this, statement);
  decoder.inst.line = statement.line;
  decoder.inst.instClass = row->instClass;
  decoder.inst.converges = row->instClass == InstClass::Barrier ||
                           row->instClass == InstClass::Warp || row->instClass == InstClass::Mma ||
                           row->instClass == InstClass::LoadMatrix || row->opcode == "stmatrix";
  if (!statement.guard.empty()) {
    const Register *guard = findRegister(statement.scope, statement.guard);
    if (guard == nullptr || guard->type != Type::Pred)
      return source.errorAt(statement.line, fmt::format("'{}' is no predicate", statement.guard));
    decoder.inst.guard = guard->place.offset;
    decoder.inst.guardPoison = guard->place.poison;
    decoder.inst.guardNegated = statement.guardNegated;
  }
  decoder.inst.exec = row->decode(decoder);
  if (!decoder.failed() && !decoder.modifiers.empty())
    decoder.fail(fmt::format("modifier '.{}' of '{}' is not supported", decoder.modifiers.front(),
                             statement.opcode));
  if (!decoder.failed() && decoder.operandsLeft() != 0)
    decoder.fail("too many operands");
  if (decoder.failed())
    return source.errorAt(statement.line, *decoder.error);
  return decoder.inst;
}

Expected<Program> KernelDecoder::run() {
  placeRegisters();
  if (Status status = placeVariables(); !status)
    return status.takeError();
  if (Status status = decodeTargets(); !status)
    return status.takeError();
  for (const Statement &statement : kernel.statements) {
    Expected<Inst> inst = decodeStatement(statement);
    if (!inst)
      return inst.takeError();
    program.code.push_back(*inst);
  }
  // The end of the body returns.
  Statement end;
  end.line = kernel.statements.empty() ? kernel.line : kernel.statements.back().line;
  end.opcode = "ret";
  Expected<Inst> inst = decodeStatement(end);
  if (!inst)
    return inst.takeError();
  program.code.push_back(*inst);
  return std::move(program);
}

Expected<Program> decode(const Source &source, const ModuleSyntax &module, const Kernel &kernel,
                         std::span<const uint64_t> addresses) {
  return KernelDecoder(source, module, kernel, addresses).run();
}

} // namespace attn::emulator
