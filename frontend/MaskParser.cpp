//===- MaskParser.cpp - mask expressions ----------------------------------===//
#include "frontend/Parser.h"

using namespace mlir;

namespace attn {
namespace {

/// mask = and { "|" and };  and = not { "&" not };  not = "!" not | "(" mask ")" | kind
class MaskParser {
public:
  explicit MaskParser(TokenStream &tokens) : tokens(tokens) {}
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
  FailureOr<syntax::Mask> parseKind();
  FailureOr<syntax::Argument> parseArgument();
  FailureOr<syntax::Value> parseValue(bool listAllowed);

  /// `mask (q, k) => ...`
  bool isPredicate() const;

  TokenStream &tokens;
  unsigned depth = 0, kinds = 0;
};

FailureOr<syntax::Mask> MaskParser::parseChain(syntax::Mask::Op op, StringRef symbol,
                                               StringRef doubled, Rule parseOperand) {
  FailureOr<syntax::Mask> first = (this->*parseOperand)();
  if (failed(first) || (!tokens.peek().is(symbol) && !tokens.peek().is(doubled)))
    return first;
  syntax::Mask chain{op, {}, {}, {}, first->loc};
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
  if (isPredicate()) {
    InFlightDiagnostic diag = tokens.source.error(loc);
    diag << "a mask is built from mask kinds, not from a predicate on q and k";
    diag.attachNote() << "for example 'causal & (window(256) | sink(4))'";
    return diag;
  }
  if (tokens.peek().is("("))
    return parseParenthesized();
  if (!tokens.takeIf("!"))
    return parseKind();
  FailureOr<syntax::Mask> operand = parseNot();
  if (failed(operand))
    return failure();
  syntax::Mask inverted{syntax::Mask::Not, {}, {}, {}, loc};
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

FailureOr<syntax::Mask> MaskParser::parseKind() {
  FailureOr<syntax::Word> name = tokens.expectWord("a mask, such as 'causal' or 'window(256)'");
  if (failed(name))
    return failure();
  if (++kinds > syntax::kMaxMaskKinds)
    return tokens.source.error(name->loc)
           << "mask has more than " << syntax::kMaxMaskKinds << " mask kinds";
  syntax::Mask mask{syntax::Mask::Kind, *name, {}, {}, name->loc};
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
  FailureOr<syntax::Value> value = parseValue(/*listAllowed=*/true);
  if (failed(value))
    return failure();
  argument.value = std::move(*value);
  return argument;
}

FailureOr<syntax::Value> MaskParser::parseValue(bool listAllowed) {
  const Token &token = tokens.peek();
  syntax::Value value{syntax::Value::Number, 0, {}, {}, token.loc()};
  if (token.kind == Token::Identifier) {
    value.kind = syntax::Value::Name;
    value.word = tokens.take().text;
    return value;
  }
  if (!listAllowed || !token.is("[")) {
    FailureOr<syntax::Integer> number = tokens.parseInteger(
        listAllowed ? "a number, a name or a list in '[ ]'" : "a number or a word");
    if (failed(number))
      return failure();
    value.number = number->value;
    return value;
  }
  value.kind = syntax::Value::List;
  tokens.take();
  do {
    FailureOr<syntax::Value> item = parseValue(/*listAllowed=*/false);
    if (failed(item))
      return failure();
    value.items.push_back(std::move(*item));
  } while (tokens.takeIf(","));
  if (failed(tokens.expect("]", "or ',' in a list")))
    return failure();
  return value;
}

} // namespace

FailureOr<syntax::Mask> parseMask(TokenStream &tokens) { return MaskParser(tokens).parseOr(); }

} // namespace attn
