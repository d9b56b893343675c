#include "dialect/algebra/PredicateParser.h"

#include <algorithm>
#include <cctype>

namespace attn {
namespace {

/// Of parentheses, signs and calls, so that no text exhausts the stack.
constexpr int kMaxNesting = 200;
constexpr size_t kMaxNodes = 4000;
constexpr int64_t kMaxNumber = int64_t(1) << 40;

/// A node, and whether it is a condition.
struct Operand {
  int32_t node = -1;
  bool condition = false;
};

struct Operator {
  std::string_view symbol;
  int level;
  PairOp op;
  enum Form { Plain, Swapped, Negated } form = Plain;
};
/// Longer spellings before their prefixes.
constexpr Operator kOperators[] = {
    {"||", 0, PairOp::Or},
    {"&&", 1, PairOp::And},
    {"<=", 2, PairOp::LessEqual},
    {">=", 2, PairOp::LessEqual, Operator::Swapped},
    {"==", 2, PairOp::Equal},
    {"!=", 2, PairOp::Equal, Operator::Negated},
    {"<", 2, PairOp::Less},
    {">", 2, PairOp::Less, Operator::Swapped},
    {"+", 3, PairOp::Add},
    {"-", 3, PairOp::Sub},
    {"*", 4, PairOp::Mul},
    {"floordiv", 4, PairOp::FloorDiv},
    {"mod", 4, PairOp::Mod},
    {"%", 4, PairOp::Mod},
};

/// The first mistake is kept, and every rule returns a failed operand after it.
class Parser {
public:
  Parser(std::string_view text, const PredicateScope &scope, PredicateError &error)
      : text(text), scope(scope), error(error) {}

  std::optional<ParsedPredicate> parse() {
    if (!expect("(") || !expect("q") || !expect(",") || !expect("k") || !expect(")") ||
        !expect("=>"))
      return std::nullopt;
    size_t start = (skipSpace(), at);
    Operand result = parseSelect();
    if (failed)
      return std::nullopt;
    if (!result.condition) {
      fail(start, "a mask's predicate must be a condition, but this is a number",
           "compare it, for example 'k <= q'");
      return std::nullopt;
    }
    moveToEnd(result.node);
    out.length = at;
    return std::move(out);
  }

private:
  //===--- Text ---===//

  void skipSpace() {
    while (at < text.size()) {
      if (std::isspace(static_cast<unsigned char>(text[at])))
        ++at;
      else if (text.substr(at, 2) == "//" || text[at] == '#')
        at = std::min(text.find('\n', at), text.size());
      else
        return;
    }
  }

  static bool isWordChar(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  }

  std::string_view word() {
    skipSpace();
    size_t end = at;
    if (end < text.size() && !std::isdigit(static_cast<unsigned char>(text[end])))
      while (end < text.size() && isWordChar(text[end]))
        ++end;
    return text.substr(at, end - at);
  }

  bool takeIf(std::string_view token) {
    skipSpace();
    if (text.substr(at, token.size()) != token)
      return false;
    bool isWord = isWordChar(token.front());
    size_t end = at + token.size();
    if (isWord && end < text.size() && isWordChar(text[end]))
      return false;
    at = end;
    return true;
  }

  std::string found() {
    skipSpace();
    if (at >= text.size())
      return "the end";
    std::string_view here = word();
    return "'" + std::string(here.empty() ? text.substr(at, 1) : here) + "'";
  }

  bool expect(std::string_view token) {
    if (failed || takeIf(token))
      return !failed;
    fail(at, "expected '" + std::string(token) + "', found " + found(),
         "a predicate is written '(q, k) => condition'");
    return false;
  }

  Operand fail(size_t offset, std::string message, std::string note = {}) {
    if (!failed)
      error = {offset, std::move(message), std::move(note), std::move(error.unknownName)};
    failed = true;
    return {};
  }

  //===--- Nodes ---===//

  Operand add(PairNode node, size_t offset, bool condition) {
    auto it = std::find(out.expr.begin(), out.expr.end(), node);
    if (it == out.expr.end()) {
      if (out.expr.size() == kMaxNodes)
        return fail(offset, "predicate has more than " + std::to_string(kMaxNodes) +
                                " different parts");
      out.offsets.push_back(offset);
      it = out.expr.insert(out.expr.end(), node);
    }
    return {int32_t(it - out.expr.begin()), condition};
  }

  Operand leaf(PairOp op, int64_t value, size_t offset) {
    return add({op, -1, -1, -1, -1, value}, offset, false);
  }

  Operand symbol(Symbol symbol, size_t offset) {
    auto it = std::find(out.symbols.begin(), out.symbols.end(), symbol);
    if (it == out.symbols.end())
      it = out.symbols.insert(out.symbols.end(), symbol);
    return leaf(PairOp::Symbol, it - out.symbols.begin(), offset);
  }

  Operand make(PairOp op, size_t offset, Operand a, Operand b = Operand(),
               Operand c = Operand()) {
    if (failed)
      return {};
    return add({op, a.node, b.node, c.node}, offset,
               isCondition(op) || (op == PairOp::Select && b.condition));
  }

  /// The result is the last node.
  void moveToEnd(int32_t node) {
    if (size_t(node) + 1 == out.expr.size())
      return;
    out.expr.push_back(out.expr[size_t(node)]);
    out.offsets.push_back(out.offsets[size_t(node)]);
  }

  //===--- Rules ---===//

  Operand parseSelect() {
    if (++depth > kMaxNesting)
      return fail(at, "predicate is nested more than " + std::to_string(kMaxNesting) + " deep");
    Operand condition = parseBinary(0);
    size_t offset = (skipSpace(), at);
    if (!failed && takeIf("?")) {
      if (!condition.condition)
        return fail(offset, "'?' needs a condition such as 'q < k' before it");
      Operand yes = parseSelect();
      if (!expect(":"))
        return {};
      Operand no = parseSelect();
      if (!failed && yes.condition != no.condition)
        return fail(offset, "the two values of '? :' must both be numbers or both be conditions");
      condition = make(PairOp::Select, offset, condition, yes, no);
    }
    --depth;
    return condition;
  }

  static constexpr int kUnaryLevel = 5;

  const Operator *takeOperator(int level) {
    for (const Operator &candidate : kOperators)
      if (candidate.level == level && takeIf(candidate.symbol))
        return &candidate;
    return nullptr;
  }

  Operand parseBinary(int level) {
    if (level == kUnaryLevel)
      return parseUnary();
    Operand left = parseBinary(level + 1);
    while (!failed) {
      size_t offset = (skipSpace(), at);
      if (level == 4 && text.substr(at, 1) == "/")
        return fail(at, "predicates have no operator '/'",
                    "the integer division that rounds down is 'floordiv'");
      if (level == 2 && text.substr(at, 1) == "=" && text.substr(at, 2) != "==")
        return fail(at, "predicates have no operator '='", "equal is '==', less or equal '<='");
      const Operator *found = takeOperator(level);
      if (!found)
        break;
      left = combine(*found, offset, left, parseBinary(level + 1));
    }
    return left;
  }

  Operand combine(const Operator &symbol, size_t offset, Operand left, Operand right) {
    if (failed)
      return {};
    std::string quoted = "'" + std::string(symbol.symbol) + "'";
    if (symbol.level < 2 && (!left.condition || !right.condition))
      return fail(offset, quoted + " needs conditions such as 'q < k' on both sides");
    bool compares = symbol.op == PairOp::Equal && left.condition == right.condition;
    if (symbol.level >= 2 && !compares && (left.condition || right.condition))
      return fail(offset, quoted + " needs numbers on both sides, not conditions");
    bool divides = symbol.op == PairOp::FloorDiv || symbol.op == PairOp::Mod;
    const PairNode &divisor = out.expr[size_t(right.node)];
    if (divides && divisor.op == PairOp::Constant && divisor.value < 1)
      return fail(offset, "the divisor of " + quoted + " is " + std::to_string(divisor.value) +
                              ", but must be at least 1");
    if (symbol.form == Operator::Swapped)
      return make(symbol.op, offset, right, left);
    Operand result = make(symbol.op, offset, left, right);
    return symbol.form == Operator::Negated ? make(PairOp::Not, offset, result) : result;
  }

  Operand parseUnary() {
    size_t offset = (skipSpace(), at);
    bool minus = text.substr(at, 1) == "-";
    bool inverts = text.substr(at, 1) == "!" && text.substr(at, 2) != "!=";
    if (!minus && !inverts)
      return parsePrimary();
    ++at;
    if (++depth > kMaxNesting)
      return fail(at, "predicate is nested more than " + std::to_string(kMaxNesting) + " deep");
    Operand operand = parseUnary();
    --depth;
    if (failed)
      return {};
    if (operand.condition != inverts)
      return fail(offset, minus ? "'-' needs a number, not a condition"
                                : "'!' needs a condition such as 'q < k'");
    if (inverts)
      return make(PairOp::Not, offset, operand);
    const PairNode &node = out.expr[size_t(operand.node)];
    if (node.op == PairOp::Constant)
      return leaf(PairOp::Constant, -node.value, offset);
    return make(PairOp::Sub, offset, leaf(PairOp::Constant, 0, offset), operand);
  }

  Operand parsePrimary() {
    size_t offset = (skipSpace(), at);
    if (takeIf("(")) {
      Operand inside = parseSelect();
      if (!failed && !takeIf(")"))
        return fail(at, "expected ')' or an operator, found " + found());
      return inside;
    }
    if (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])))
      return parseNumber(offset);
    std::string name(word());
    if (name.empty())
      return fail(offset, "expected a number, 'q', 'k', an input or '(', found " + found());
    at += name.size();
    if (name == "min" || name == "max" || name == "abs")
      return parseCall(name, offset);
    if (name == "q" || name == "k")
      return parseCoordinate(name == "q" ? PairOp::Query : PairOp::Key, offset);
    if (name == "h")
      return leaf(PairOp::Head, 0, offset);
    if (name == "b")
      return symbol({SymbolKind::Batch}, offset);
    if (name == "nq" || name == "nk")
      return symbol({name == "nq" ? SymbolKind::NumQueries : SymbolKind::NumKeys}, offset);
    if (name == "true" || name == "false") {
      // 0 == 0, or its opposite.
      Operand zero = leaf(PairOp::Constant, 0, offset);
      Operand yes = make(PairOp::Equal, offset, zero, zero);
      return name == "true" ? yes : make(PairOp::Not, offset, yes);
    }
    return parseLookup(name, offset);
  }

  Operand parseNumber(size_t offset) {
    int64_t value = 0;
    auto isDigit = [&](size_t i) {
      return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i]));
    };
    for (; isDigit(at) || (text.substr(at, 1) == "_" && isDigit(at + 1)); ++at)
      if (isDigit(at) && (value = value * 10 + (text[at] - '0')) > kMaxNumber)
        return fail(offset, "number is larger than 2^40");
    if (at < text.size() && text[at] == '.')
      return fail(offset, "predicates are integer arithmetic, this number is not an integer");
    if (at < text.size() && isWordChar(text[at]))
      return fail(offset, "malformed number, write decimal digits, optionally with '_' between them");
    return leaf(PairOp::Constant, value, offset);
  }

  Operand parseCoordinate(PairOp op, size_t offset) {
    if (text.substr(at, 1) != ".")
      return leaf(op, -1, offset);
    ++at;
    std::string name(word());
    int dim = coordinateOf(name, scope.rank);
    if (dim < 0)
      return fail(at, "unknown coordinate '" + name + "' on a token layout of " +
                          std::to_string(scope.rank) +
                          (scope.rank == 1 ? " dimension" : " dimensions"),
                  "the last dimension is 'x', the ones before it 'y' and 'z', the first of several "
                  "'t'; or 'd0' to 'd" + std::to_string(scope.rank - 1) + "' in order");
    at += name.size();
    return leaf(op, dim, offset);
  }

  Operand parseCall(const std::string &name, size_t offset) {
    if (!takeIf("("))
      return fail(at, "expected '(' after '" + name + "', found " + found());
    std::vector<Operand> arguments = parseList(")", "'" + name + "'");
    size_t wanted = name == "abs" ? 1 : 2;
    if (failed)
      return {};
    if (arguments.size() < wanted || (name == "abs" && arguments.size() > 1))
      return fail(offset, "'" + name + "' takes " + (name == "abs" ? "1 argument" : "2 arguments or more") +
                              ", not " + std::to_string(arguments.size()));
    for (Operand argument : arguments)
      if (argument.condition)
        return fail(offset, "'" + name + "' needs numbers, not conditions");
    if (name == "abs") {
      Operand zero = leaf(PairOp::Constant, 0, offset);
      return make(PairOp::Max, offset, arguments[0], make(PairOp::Sub, offset, zero, arguments[0]));
    }
    Operand result = arguments[0];
    for (size_t i = 1; i < arguments.size(); ++i)
      result = make(name == "min" ? PairOp::Min : PairOp::Max, offset, result, arguments[i]);
    return result;
  }

  std::vector<Operand> parseList(std::string_view close, const std::string &what) {
    std::vector<Operand> list;
    while (!failed && !takeIf(close)) {
      if (!list.empty() && !takeIf(",")) {
        fail(at, "expected ',' or '" + std::string(close) + "' after an argument of " + what +
                     ", found " + found());
        break;
      }
      list.push_back(parseSelect());
    }
    return list;
  }

  Operand parseLookup(const std::string &name, size_t offset) {
    auto it = std::find_if(scope.inputs.begin(), scope.inputs.end(),
                           [&](const auto &input) { return input.name == name; });
    if (it == scope.inputs.end()) {
      if (!failed)
        error.unknownName = name;
      return fail(offset, "unknown name '" + name + "'",
                  "a predicate speaks of q, k, h, b, nq, nk and of inputs, which are declared like "
                  "'input " + name + " : i32[tokens]'");
    }
    if (it->rank < 1 || it->rank > 4)
      return fail(offset, "input '" + name + "' has " + std::to_string(it->rank) +
                              " dimensions, but predicates read inputs of 1 to 4");
    if (!takeIf("["))
      return fail(at, "expected '[' and indices after input '" + name + "', found " + found());
    std::vector<Operand> indices = parseList("]", "'" + name + "'");
    if (failed)
      return {};
    if (indices.size() != size_t(it->rank))
      return fail(offset, "input '" + name + "' has " + std::to_string(it->rank) +
                              (it->rank == 1 ? " dimension, but " : " dimensions, but ") +
                              std::to_string(indices.size()) +
                              (indices.size() == 1 ? " index is given" : " indices are given"));
    for (Operand index : indices)
      if (index.condition)
        return fail(offset, "indices of input '" + name + "' must be numbers, not conditions");
    return lookup(int32_t(it - scope.inputs.begin()), it->isBool, indices, offset);
  }

  Operand lookup(int32_t input, bool isBool, std::vector<Operand> &indices, size_t offset) {
    const PairNode first = out.expr[size_t(indices[0].node)];
    if (indices.size() == 1 && !isBool) {
      if (first.op == PairOp::Head)
        return symbol({SymbolKind::HeadInput, input}, offset);
      if (first.op == PairOp::Symbol &&
          out.symbols[size_t(first.value)].kind == SymbolKind::Batch)
        return symbol({SymbolKind::BatchInput, input}, offset);
    }
    PairNode node{PairOp::Lookup, -1, -1, -1, -1, input};
    int32_t *slots[] = {&node.a, &node.b, &node.c, &node.d};
    for (size_t i = 0; i < indices.size(); ++i) {
      const PairNode index = out.expr[size_t(indices[i].node)];
      bool isQuery = index.op == PairOp::Query && index.value < 0;
      *slots[i] = isQuery ? leaf(PairOp::Row, 0, offset).node : indices[i].node;
    }
    return add(node, offset, isBool);
  }

  std::string_view text;
  const PredicateScope &scope;
  PredicateError &error;
  ParsedPredicate out;
  size_t at = 0;
  int depth = 0;
  bool failed = false;
};

} // namespace

std::optional<ParsedPredicate> parsePredicate(std::string_view text, const PredicateScope &scope,
                                              PredicateError &error) {
  return Parser(text, scope, error).parse();
}

int coordinateOf(std::string_view name, int rank) {
  int dim = -1;
  if (name == "t" && rank > 1)
    dim = 0;
  else if (name == "x" || name == "y" || name == "z")
    dim = rank - 1 - (name[0] - 'x');
  else if (name.size() == 2 && name[0] == 'd' && name[1] >= '0' && name[1] <= '9')
    dim = name[1] - '0';
  return dim < rank ? dim : -1;
}

} // namespace attn
