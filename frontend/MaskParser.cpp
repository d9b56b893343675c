//===- MaskParser.cpp - mask expressions ----------------------------------===//
#include "frontend/Parser.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace attn {
namespace {

/// mask = and { "|" and };  and = not { "&" not };  not = "!" not | "(" mask ")" | predicate | kind
class MaskParser {
public:
  MaskParser(TokenStream &tokens, const PredicateScope &scope) : tokens(tokens), scope(scope) {}
  FailureOr<syntax::Mask> parseOr() {
    return parseChain(syntax::Mask::Or, "|", "||", &MaskParser::parseAnd);
  }

private:
  using Rule = FailureOr<syntax::Mask> (MaskParser::*)();

  FailureOr<syntax::Mask> parseAnd() {
    return parseChain(syntax::Mask::And, "&", "&&", &MaskParser::parseNot);
  }
  FailureOr<syntax::Mask> parseChain(syntax::Mask::Op op, StringRef symbol, StringRef doubled,
                                     Rule parseOperand);
  FailureOr<syntax::Mask> parseNot();
  FailureOr<syntax::Mask> parseParenthesized();
  FailureOr<syntax::Mask> parsePredicateMask();
  FailureOr<syntax::Mask> parseKind();
  FailureOr<syntax::Argument> parseArgument();
  FailureOr<syntax::Value> parseValue(unsigned listsAllowed);
  LogicalResult countKind(llvm::SMLoc loc);

  /// `(q, k) => ...`
  bool isPredicate() const;

  TokenStream &tokens;
  const PredicateScope &scope;
  unsigned depth = 0, kinds = 0;
};

FailureOr<syntax::Mask> MaskParser::parseChain(syntax::Mask::Op op, StringRef symbol,
                                               StringRef doubled, Rule parseOperand) {
  FailureOr<syntax::Mask> first = (this->*parseOperand)();
  if (failed(first) || (!tokens.peek().is(symbol) && !tokens.peek().is(doubled)))
    return first;
  syntax::Mask chain;
  chain.op = op;
  chain.loc = first->loc;
  chain.operands.push_back(std::move(*first));
  while (tokens.takeIf(symbol)) {
    FailureOr<syntax::Mask> operand = (this->*parseOperand)();
    if (failed(operand))
      return failure();
    chain.operands.push_back(std::move(*operand));
  }
  if (!tokens.peek().is(doubled))
    return chain;
  InFlightDiagnostic diag = tokens.source.error(tokens.peek().loc());
  diag << "masks have no operator '" << doubled << "'";
  diag.attachNote() << "did you mean '" << symbol << "'?";
  return diag;
}

bool MaskParser::isPredicate() const {
  return tokens.peek().is("(") && tokens.peekSecond().kind == Token::Identifier &&
         (tokens.peekSecond().is("q") || tokens.peekSecond().is("k"));
}

FailureOr<syntax::Mask> MaskParser::parseNot() {
  Nesting nesting(depth);
  llvm::SMLoc loc = tokens.peek().loc();
  if (failed(nesting.check(tokens.source, loc)))
    return failure();
  if (isPredicate())
    return parsePredicateMask();
  if (tokens.peek().is("("))
    return parseParenthesized();
  if (!tokens.takeIf("!"))
    return parseKind();
  FailureOr<syntax::Mask> operand = parseNot();
  if (failed(operand))
    return failure();
  syntax::Mask inverted;
  inverted.op = syntax::Mask::Not;
  inverted.loc = loc;
  inverted.operands.push_back(std::move(*operand));
  return inverted;
}

FailureOr<syntax::Mask> MaskParser::parseParenthesized() {
  tokens.take();
  FailureOr<syntax::Mask> mask = parseOr();
  if (failed(mask) || failed(tokens.expect(")", "or an operator, '&' or '|', after a mask")))
    return failure();
  return mask;
}

LogicalResult MaskParser::countKind(llvm::SMLoc loc) {
  if (++kinds <= syntax::kMaxMaskKinds)
    return success();
  return tokens.source.error(loc) << "mask has more than " << syntax::kMaxMaskKinds
                                  << " mask kinds";
}

/// The words of `text` with a space between them, comments left out.
static std::string onOneLine(StringRef text) {
  std::string line;
  while (!(text = text.ltrim()).empty()) {
    if (text.starts_with("//") || text.starts_with("#")) {
      text = text.drop_until([](char c) { return c == '\n'; });
      continue;
    }
    size_t length = std::min({text.find_if(llvm::isSpace), text.find("//"), text.find('#')});
    line += (line.empty() ? "" : " ") + text.take_front(length).str();
    text = text.drop_front(std::min(length, text.size()));
  }
  return line;
}

/// Names of the inputs that the predicate reads.
static void collectInputs(const ParsedPredicate &predicate, const PredicateScope &scope,
                          std::vector<std::string> &names) {
  auto read = [&](int64_t input) { names.push_back(scope.inputs[input].name); };
  for (const PairNode &node : predicate.expr)
    if (node.op == PairOp::Lookup)
      read(node.value);
  for (const Symbol &symbol : predicate.symbols)
    if (symbol.kind == SymbolKind::BatchInput || symbol.kind == SymbolKind::HeadInput)
      read(symbol.index);
}

FailureOr<syntax::Mask> MaskParser::parsePredicateMask() {
  StringRef text = tokens.textAhead();
  syntax::Mask mask;
  mask.op = syntax::Mask::Predicate;
  mask.loc = tokens.peek().loc();
  if (failed(countKind(mask.loc)))
    return failure();
  PredicateError error;
  std::optional<ParsedPredicate> parsed = parsePredicate(text, scope, error);
  if (!parsed) {
    llvm::SMLoc loc = llvm::SMLoc::getFromPointer(text.data() + error.offset);
    InFlightDiagnostic diag = tokens.source.error(loc);
    diag << error.message;
    if (!error.unknownName.empty()) {
      SmallVector<StringRef> names;
      for (const PredicateScope::Input &input : scope.inputs)
        names.push_back(input.name);
      suggest(*diag.getUnderlyingDiagnostic(), error.unknownName, names);
    }
    if (!error.note.empty())
      diag.attachNote() << error.note;
    return diag;
  }
  mask.predicate = onOneLine(text.take_front(parsed->length));
  collectInputs(*parsed, scope, mask.inputs);
  tokens.jumpTo(text.data() + parsed->length);
  return mask;
}

FailureOr<syntax::Mask> MaskParser::parseKind() {
  FailureOr<syntax::Word> name = tokens.expectWord("a mask, such as 'causal' or 'window(256)'");
  if (failed(name) || failed(countKind(name->loc)))
    return failure();
  syntax::Mask mask;
  mask.kind = *name;
  mask.loc = name->loc;
  if (!tokens.takeIf("("))
    return mask;
  while (!tokens.takeIf(")")) {
    if (!mask.arguments.empty() &&
        failed(tokens.expect(",", "or ')' after an argument of '" + name->text + "'")))
      return failure();
    FailureOr<syntax::Argument> argument = parseArgument();
    if (failed(argument))
      return failure();
    mask.arguments.push_back(std::move(*argument));
  }
  return mask;
}

FailureOr<syntax::Argument> MaskParser::parseArgument() {
  syntax::Argument argument{std::nullopt, {}, tokens.peek().loc()};
  if (tokens.peek().kind == Token::Identifier && tokens.peekSecond().is("=")) {
    Token name = tokens.take();
    argument.name = syntax::Word{name.text, name.loc()};
    tokens.take();
  }
  FailureOr<syntax::Value> value = parseValue(/*listsAllowed=*/2);
  if (failed(value))
    return failure();
  argument.value = std::move(*value);
  return argument;
}

FailureOr<syntax::Value> MaskParser::parseValue(unsigned listsAllowed) {
  const Token &token = tokens.peek();
  syntax::Value value{syntax::Value::Number, 0, {}, {}, token.loc()};
  if (token.kind == Token::Identifier) {
    value.kind = syntax::Value::Name;
    value.word = tokens.take().text;
    return value;
  }
  if (token.kind == Token::String) {
    value.kind = syntax::Value::String;
    value.word = tokens.take().text.drop_front().drop_back();
    return value;
  }
  if (listsAllowed == 0 || !token.is("[")) {
    FailureOr<syntax::Integer> number = tokens.parseInteger(
        listsAllowed > 0 ? "a number, a name or a list in '[ ]'" : "a number or a word");
    if (failed(number))
      return failure();
    value.number = number->value;
    return value;
  }
  value.kind = syntax::Value::List;
  tokens.take();
  do {
    FailureOr<syntax::Value> item = parseValue(listsAllowed - 1);
    if (failed(item))
      return failure();
    value.items.push_back(std::move(*item));
  } while (tokens.takeIf(","));
  if (failed(tokens.expect("]", "or ',' in a list")))
    return failure();
  return value;
}

} // namespace

FailureOr<syntax::Mask> parseMask(TokenStream &tokens, const PredicateScope &scope) {
  return MaskParser(tokens, scope).parseOr();
}

} // namespace attn
