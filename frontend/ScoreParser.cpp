//===- ScoreParser.cpp - score expressions --------------------------------===//
#include "frontend/Parser.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {
namespace {

// Loosest first. `a ? b : c` binds looser than all of them.
const SmallVector<StringRef> kBinaryLevels[] = {
    {"||"}, {"&&"}, {"<", "<=", ">", ">=", "==", "!="}, {"+", "-"}, {"*", "/", "floordiv", "mod", "%"}};

/// Writes nodes in postfix order; a rule returns the index of its last node.
class ScoreParser {
public:
  ScoreParser(TokenStream &tokens, syntax::Score &score) : tokens(tokens), score(score) {}
  FailureOr<unsigned> parseSelect();

private:
  FailureOr<unsigned> parseBinary(unsigned level);
  FailureOr<unsigned> parseUnary();
  FailureOr<unsigned> parsePrimary();
  FailureOr<unsigned> parseNumber();
  FailureOr<unsigned> parseCall(const Token &name) {
    return parseList(syntax::ScoreNode::Call, name, ")", "an argument");
  }
  FailureOr<unsigned> parseIndex(const Token &name) {
    return parseList(syntax::ScoreNode::Index, name, "]", "an index");
  }
  FailureOr<unsigned> parseList(syntax::ScoreNode::Op op, const Token &name, StringRef close,
                                StringRef what);

  unsigned add(syntax::ScoreNode::Op op, const Token &token, ArrayRef<unsigned> operands) {
    syntax::ScoreNode node{op, {token.text, token.loc()}, 0, 0, {}};
    node.operands.assign(operands.begin(), operands.end());
    score.nodes.push_back(std::move(node));
    return score.nodes.size() - 1;
  }

  TokenStream &tokens;
  syntax::Score &score;
  unsigned depth = 0;
};

FailureOr<unsigned> ScoreParser::parseSelect() {
  Nesting nesting(depth);
  if (failed(nesting.check(tokens.source, tokens.peek().loc())))
    return failure();
  FailureOr<unsigned> condition = parseBinary(0);
  if (failed(condition) || !tokens.peek().is("?"))
    return condition;
  Token question = tokens.take();
  FailureOr<unsigned> yes = parseSelect();
  if (failed(yes) || failed(tokens.expect(":", "and the other value of '? :'")))
    return failure();
  FailureOr<unsigned> no = parseSelect();
  if (failed(no))
    return failure();
  return add(syntax::ScoreNode::Select, question, {*condition, *yes, *no});
}

FailureOr<unsigned> ScoreParser::parseBinary(unsigned level) {
  if (level == std::size(kBinaryLevels))
    return parseUnary();
  FailureOr<unsigned> left = parseBinary(level + 1);
  auto atOperator = [&] {
    return llvm::any_of(kBinaryLevels[level],
                        [&](StringRef spelling) { return tokens.peek().is(spelling); });
  };
  while (succeeded(left) && atOperator()) {
    Token token = tokens.take();
    FailureOr<unsigned> right = parseBinary(level + 1);
    if (failed(right))
      return failure();
    left = add(syntax::ScoreNode::Binary, token, {*left, *right});
  }
  return left;
}

FailureOr<unsigned> ScoreParser::parseUnary() {
  if (!tokens.peek().is("-") && !tokens.peek().is("!"))
    return parsePrimary();
  Nesting nesting(depth);
  Token token = tokens.take();
  if (failed(nesting.check(tokens.source, token.loc())))
    return failure();
  FailureOr<unsigned> operand = parseUnary();
  if (failed(operand))
    return failure();
  return add(syntax::ScoreNode::Unary, token, {*operand});
}

FailureOr<unsigned> ScoreParser::parsePrimary() {
  if (tokens.takeIf("(")) {
    FailureOr<unsigned> inner = parseSelect();
    if (failed(inner) || failed(tokens.expect(")", "or an operator")))
      return failure();
    return inner;
  }
  Token::Kind kind = tokens.peek().kind;
  if (kind == Token::Integer || kind == Token::Real)
    return parseNumber();
  if (kind != Token::Identifier)
    return tokens.unexpected("a number, a parameter, a function or '('");
  Token name = tokens.take();
  if (tokens.peek().is("("))
    return parseCall(name);
  if (tokens.peek().is("["))
    return parseIndex(name);
  return add(syntax::ScoreNode::Name, name, {});
}

FailureOr<unsigned> ScoreParser::parseNumber() {
  Token token = tokens.take();
  if (token.kind == Token::Real) {
    FailureOr<double> value = tokens.realOf(token);
    if (failed(value))
      return failure();
    unsigned node = add(syntax::ScoreNode::Real, token, {});
    score.nodes[node].real = *value;
    return node;
  }
  FailureOr<int64_t> value = tokens.integerOf(token, /*negative=*/false);
  if (failed(value))
    return failure();
  unsigned node = add(syntax::ScoreNode::Integer, token, {});
  score.nodes[node].integer = *value;
  return node;
}

/// The expressions after the opening bracket, up to `close`.
FailureOr<unsigned> ScoreParser::parseList(syntax::ScoreNode::Op op, const Token &name,
                                           StringRef close, StringRef what) {
  tokens.take();
  SmallVector<unsigned> arguments;
  while (!tokens.takeIf(close)) {
    if (!arguments.empty() && failed(tokens.expect(",", "or '" + close + "' after " + what)))
      return failure();
    FailureOr<unsigned> argument = parseSelect();
    if (failed(argument))
      return failure();
    arguments.push_back(*argument);
  }
  return add(op, name, arguments);
}

/// `(s, q, k)`: any of s, b, h, q and k in any order, s among them.
LogicalResult parseParameters(TokenStream &tokens, syntax::Score &score) {
  StringRef known[] = {"s", "b", "h", "q", "k"};
  if (failed(tokens.expect("(", "and parameters such as '(s, q, k)' after 'score'")))
    return failure();
  do {
    FailureOr<syntax::Word> name = tokens.expectWord("a parameter, " + quotedList(known));
    if (failed(name))
      return failure();
    if (!llvm::is_contained(known, name->text)) {
      InFlightDiagnostic diag = tokens.source.error(name->loc);
      diag << "unknown parameter '" << name->text << "', expected " << quotedList(known);
      diag.attachNote()
          << "they are the score, the batch entry, the head, the query's position and "
             "the key's position";
      return diag;
    }
    auto sameName = [&](const syntax::Word &other) { return other.text == name->text; };
    if (llvm::any_of(score.parameters, sameName))
      return tokens.source.error(name->loc) << "parameter '" << name->text << "' is given twice";
    score.parameters.push_back(*name);
  } while (tokens.takeIf(","));
  if (failed(tokens.expect(")", "or ',' after a parameter")))
    return failure();
  if (llvm::none_of(score.parameters, [](const syntax::Word &name) { return name.text == "s"; }))
    return tokens.source.error(score.parameters.front().loc)
           << "the parameters of a score must include 's', the score itself";
  return success();
}

} // namespace

FailureOr<syntax::Score> parseScore(TokenStream &tokens, llvm::SMLoc loc) {
  syntax::Score score;
  score.loc = loc;
  if (failed(parseParameters(tokens, score)) ||
      failed(tokens.expect("=>", "and an expression after the parameters")) ||
      failed(ScoreParser(tokens, score).parseSelect()))
    return failure();
  return score;
}

} // namespace attn
