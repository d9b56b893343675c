//===- Parser.cpp ---------------------------------------------------------===//
#include "runtime/emulator/Parser.h"

#include "runtime/emulator/ParserBase.h"

namespace attn::emulator {

Source::Source(std::string text) : body(std::move(text)) {
  starts.push_back(0);
  for (size_t i = 0; i < body.size(); ++i)
    if (body[i] == '\n')
      starts.push_back(i + 1);
}

std::string_view Source::line(uint32_t number) const {
  if (number == 0 || number > starts.size())
    return {};
  size_t begin = starts[number - 1];
  size_t end = number < starts.size() ? starts[number] : body.size();
  std::string_view text = std::string_view(body).substr(begin, end - begin);
  size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Error Source::errorAt(uint32_t number, std::string_view message) const {
  return makeError("line {}: '{}': {}", number, line(number), message);
}

namespace {

/// Of all kernels of a module; each takes memory in every warp.
constexpr uint64_t kMostRegisters = 1 << 18;

/// Parses the body of a kernel, after its opening brace.
class BodyParser : public ParserBase {
public:
  BodyParser(const Source &source, const std::vector<Token> &tokens, Progress &progress,
             Kernel &kernel)
      : ParserBase(source, tokens, progress), kernel(kernel) {
    kernel.scopes.emplace_back();
  }

  /// Up to and including the closing brace.
  bool run() {
    while (true) {
      if (peek().kind == TokenKind::End)
        return fail("the body of a kernel has no end");
      if (take('}')) {
        if (scope == 0)
          return true;
        scope = kernel.scopes[scope].parent;
      } else if (take('{')) {
        kernel.scopes.push_back({scope, {}});
        scope = static_cast<int>(kernel.scopes.size()) - 1;
      } else if (!parseOne()) {
        return false;
      }
    }
  }

private:
  bool parseOne() {
    if (peek().is('@'))
      return parseInstruction();
    if (peek().kind != TokenKind::Word)
      return fail("expected an instruction, a label or a directive");
    if (peek().text[0] == '.')
      return parseDirective();
    if (peek(1).is(':'))
      return parseLabel();
    return parseInstruction();
  }

  bool declare(std::string_view name, Symbol symbol) {
    if (kernel.scopes[scope].symbols.try_emplace(std::string(name), symbol).second)
      return true;
    return fail(fmt::format("'{}' is declared twice", name));
  }

  bool parseLabel() {
    std::string name(next().text);
    next();
    if (peek().is(".branchtargets"))
      return parseTargets(name);
    return declare(name, {SymbolKind::Label, static_cast<uint32_t>(kernel.statements.size())});
  }

  bool parseTargets(const std::string &name) {
    TargetList list{scope, next().line, {}};
    do {
      if (peek().kind != TokenKind::Word)
        return fail("expected a label");
      list.labels.emplace_back(next().text);
    } while (take(','));
    kernel.targetLists.push_back(std::move(list));
    return declare(name, {SymbolKind::Targets, uint32_t(kernel.targetLists.size() - 1)}) &&
           expect(';');
  }

  bool parseDirective() {
    if (skipDebugging())
      return ok();
    if (take(".reg"))
      return parseRegisters();
    Variable variable;
    if (take(".shared"))
      variable.space = Space::Shared;
    else if (take(".local"))
      variable.space = Space::Local;
    else
      return fail("directive not supported in a kernel");
    if (!parseVariable(variable))
      return false;
    kernel.variables.push_back(variable);
    return declare(variable.name,
                   {SymbolKind::Variable, static_cast<uint32_t>(kernel.variables.size() - 1)});
  }

  bool parseRegisters() {
    std::optional<Type> type;
    if (peek().kind == TokenKind::Word)
      type = parseType(peek().text.substr(1));
    if (!type || byteSize(*type) == 1)
      return fail("no type of a register");
    next();
    do {
      if (peek().kind != TokenKind::Word)
        return fail("expected the name of a register");
      std::string name(next().text);
      if (!take('<')) {
        if (!declareRegister(name, *type))
          return false;
        continue;
      }
      uint64_t count = peek().bits;
      if (peek().kind != TokenKind::Integer)
        return fail("expected the number of registers");
      if (count > kMostRegisters || kernel.registers.size() + count > kMostRegisters)
        return fail(fmt::format("a module may declare {} registers", kMostRegisters));
      next();
      for (uint64_t i = 0; i < count; ++i)
        if (!declareRegister(name + std::to_string(i), *type))
          return false;
      if (!expect('>'))
        return false;
    } while (take(','));
    return expect(';');
  }

  bool declareRegister(const std::string &name, Type type) {
    kernel.registers.push_back(type);
    return declare(name,
                   {SymbolKind::Register, static_cast<uint32_t>(kernel.registers.size() - 1)});
  }

  bool parseInstruction() {
    Statement statement;
    statement.line = peek().line;
    statement.scope = scope;
    if (take('@')) {
      statement.guardNegated = take('!');
      if (peek().kind != TokenKind::Word)
        return fail("expected a predicate");
      statement.guard = next().text;
    }
    if (peek().kind != TokenKind::Word || peek().text[0] == '.' || peek().text[0] == '%')
      return fail("expected an instruction");
    splitOpcode(next().text, statement);
    if (statement.opcode == "call")
      return fail("calls are not supported, kernels must be inlined whole");
    if (!peek().is(';'))
      do {
        statement.operands.emplace_back();
        if (!parseOperand(statement.operands.back()))
          return false;
      } while (take(','));
    kernel.statements.push_back(std::move(statement));
    return expect(';');
  }

  static void splitOpcode(std::string_view text, Statement &statement) {
    size_t dot = text.find('.');
    statement.opcode = text.substr(0, dot);
    while (dot != std::string_view::npos) {
      size_t end = text.find('.', dot + 1);
      statement.modifiers.emplace_back(text.substr(dot + 1, end - dot - 1));
      dot = end;
    }
  }

  bool parseOperand(Operand &operand) {
    if (take('{'))
      return parseVector(operand);
    if (take('['))
      return parseAddress(operand);
    if (take('!'))
      operand.negated = true;
    if (peek().is("_")) {
      next();
      operand.kind = Operand::Kind::Sink;
      if (take('|')) { // _|%p: only the predicate is wanted
        operand.second = peek().text;
        next();
      }
      return true;
    }
    if (peek().kind != TokenKind::Word)
      return parseConstant(operand);
    if (peek().text[0] == '.')
      return fail("expected an operand");
    operand.name = next().text;
    if (take('|')) {
      if (peek().kind != TokenKind::Word)
        return fail("expected a predicate");
      operand.second = next().text;
    }
    return parseOffset(operand);
  }

  bool parseConstant(Operand &operand) {
    bool negative = take('-');
    switch (peek().kind) {
    case TokenKind::Integer:
      operand.kind = Operand::Kind::Integer;
      operand.value = static_cast<int64_t>(negative ? -peek().bits : peek().bits);
      break;
    case TokenKind::Float32:
      operand.kind = Operand::Kind::Float32;
      operand.value = static_cast<int64_t>(peek().bits ^ (negative ? uint64_t(1) << 31 : 0));
      break;
    case TokenKind::Float64:
      operand.kind = Operand::Kind::Float64;
      operand.value = static_cast<int64_t>(peek().bits ^ (negative ? uint64_t(1) << 63 : 0));
      break;
    default:
      return fail("expected an operand");
    }
    next();
    return true;
  }

  /// `+ 8`, `+ -8`, `- 8` after a name, or nothing.
  bool parseOffset(Operand &operand) {
    bool negative = peek().is('-');
    if (!take('+') && !take('-'))
      return true;
    if (take('-'))
      negative = !negative;
    if (peek().kind != TokenKind::Integer)
      return fail("expected an integer offset");
    operand.value = static_cast<int64_t>(negative ? -peek().bits : peek().bits);
    next();
    return true;
  }

  bool parseAddress(Operand &operand) {
    operand.kind = Operand::Kind::Address;
    if (peek().kind == TokenKind::Word) {
      operand.name = next().text;
      return parseOffset(operand) && expect(']');
    }
    if (peek().kind != TokenKind::Integer)
      return fail("expected an address");
    operand.value = static_cast<int64_t>(next().bits);
    return expect(']');
  }

  bool parseVector(Operand &operand) {
    operand.kind = Operand::Kind::Vector;
    do {
      operand.elements.emplace_back();
      if (peek().is('{'))
        return fail("a vector holds no vectors");
      if (!parseOperand(operand.elements.back()))
        return false;
    } while (take(','));
    return expect('}');
  }

  Kernel &kernel;
  int scope = 0;
};

/// Parses what lies outside kernels.
class ModuleParser : public ParserBase {
public:
  ModuleParser(const Source &source, const std::vector<Token> &tokens, Progress &progress)
      : ParserBase(source, tokens, progress) {}

  bool run() {
    if (!peek().is(".version"))
      return fail("expected '.version' first");
    while (peek().kind != TokenKind::End)
      if (!parseOne())
        return false;
    if (module.target.empty())
      return fail("no '.target'");
    return true;
  }

  ModuleSyntax module;

private:
  bool parseOne() {
    if (skipDebugging())
      return ok();
    if (take(".version"))
      return parseVersion();
    if (take(".target"))
      return parseTarget();
    if (take(".address_size")) {
      if (peek().kind != TokenKind::Integer || peek().bits != 64)
        return fail("only an address size of 64 is supported");
      next();
      return true;
    }
    bool external = false;
    while (peek().is(".visible") || peek().is(".weak") || peek().is(".extern") ||
           peek().is(".common"))
      external |= next().text == ".extern";
    if (take(".entry"))
      return parseKernel();
    if (take(".func"))
      return parseFunction();
    return parseModuleVariable(external);
  }

  bool parseVersion() {
    std::string_view text = peek().text;
    size_t dot = text.find('.');
    if (peek().kind != TokenKind::Float64 || dot != 1)
      return fail("expected a version such as '8.7'");
    module.versionMajor = text[0] - '0';
    if (module.versionMajor < 7 || module.versionMajor > 9)
      return fail("PTX versions 7.0 to 9.x are supported");
    next();
    return true;
  }

  bool parseTarget() {
    if (peek().kind != TokenKind::Word)
      return fail("expected a target such as 'sm_80'");
    module.target = next().text;
    while (take(',')) // debug, texture modes
      next();
    return true;
  }

  /// A declaration is read over: calling it is what is not supported.
  bool parseFunction() {
    while (!peek().is(';') && !peek().is('{') && peek().kind != TokenKind::End)
      next();
    if (peek().is('{'))
      return fail("functions are not supported, kernels must be inlined whole");
    return expect(';');
  }

  bool parseModuleVariable(bool external) {
    Variable variable;
    if (take(".global"))
      variable.space = Space::Global;
    else if (take(".const"))
      variable.space = Space::Const;
    else if (take(".shared"))
      variable.space = Space::Shared;
    else
      return fail("directive not supported");
    if (external && variable.space != Space::Shared)
      return fail("variables of other modules are not supported");
    if (!parseVariable(variable))
      return false;
    module.variables.push_back(std::move(variable));
    return true;
  }

  bool parseKernel() {
    Kernel kernel;
    kernel.line = peek().line;
    if (peek().kind != TokenKind::Word)
      return fail("expected the name of a kernel");
    kernel.name = next().text;
    if (take('(') && !take(')')) {
      do {
        if (!parseParameter(kernel))
          return false;
      } while (take(','));
      if (!expect(')'))
        return false;
    }
    if (!parsePerformance(kernel))
      return false;
    if (take(';')) // a declaration
      return true;
    if (!expect('{') || !BodyParser(source, tokens, progress, kernel).run())
      return false;
    registers += kernel.registers.size();
    if (registers > kMostRegisters)
      return fail(fmt::format("a module may declare {} registers", kMostRegisters));
    module.kernels.push_back(std::move(kernel));
    return true;
  }

  bool parseParameter(Kernel &kernel) {
    Variable parameter;
    parameter.space = Space::Param;
    if (!take(".param"))
      return fail("expected '.param'");
    if (!parseDeclarator(parameter))
      return false;
    kernel.parameters.push_back(std::move(parameter));
    return true;
  }

  bool parsePerformance(Kernel &kernel) {
    while (peek().kind == TokenKind::Word) {
      std::array<uint32_t, 3> values{1, 1, 1};
      if (take(".maxntid")) {
        if (!parseNumbers(values))
          return false;
        kernel.maxThreads = values;
      } else if (take(".reqntid")) {
        if (!parseNumbers(values))
          return false;
        kernel.requiredThreads = values;
      } else if (take(".minnctapersm") || take(".maxnreg") || take(".maxnctapersm")) {
        if (!parseNumbers(values))
          return false;
      } else if (!take(".noreturn") && !skipDebugging()) {
        return fail("directive of a kernel not supported");
      }
    }
    return ok();
  }

  bool parseNumbers(std::array<uint32_t, 3> &values) {
    size_t count = 0;
    do {
      if (peek().kind != TokenKind::Integer || count == values.size())
        return fail("expected up to three integers");
      values[count++] = static_cast<uint32_t>(next().bits);
    } while (take(','));
    return true;
  }

  uint64_t registers = 0; ///< of the kernels so far
};

} // namespace

Expected<ModuleSyntax> parse(const Source &source) {
  Expected<std::vector<Token>> tokens = tokenize(source.text());
  if (!tokens)
    return tokens.takeError();
  Progress progress;
  ModuleParser parser(source, *tokens, progress);
  if (!parser.run())
    return *std::move(progress.error);
  return std::move(parser.module);
}

} // namespace attn::emulator
