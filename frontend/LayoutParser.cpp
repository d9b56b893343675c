//===- LayoutParser.cpp - token layouts, and a look at what is declared ---===//
#include "frontend/Parser.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {
namespace {

constexpr size_t kMaxDimensions = 4, kMaxGroups = 64;

/// layout = lengths | group { "+" group };  group = name lengths;  lengths = "[" length { ","
/// length } "]"
class LayoutParser {
public:
  LayoutParser(TokenStream &tokens, StringRef item) : tokens(tokens), item(item) {}
  FailureOr<syntax::Layout> parse();

private:
  FailureOr<syntax::Group> parseGroup();
  FailureOr<syntax::Integer> parseLength();
  LogicalResult checkGroup(const syntax::Group &group) const;
  InFlightDiagnostic error(llvm::SMLoc loc) const { return tokens.source.error(loc); }

  TokenStream &tokens;
  StringRef item;
  syntax::Layout layout;
};

FailureOr<syntax::Layout> LayoutParser::parse() {
  layout.loc = tokens.peek().loc();
  do {
    FailureOr<syntax::Group> group = parseGroup();
    if (failed(group) || failed(checkGroup(*group)))
      return failure();
    layout.groups.push_back(std::move(*group));
  } while (tokens.takeIf("+"));
  return std::move(layout);
}

FailureOr<syntax::Group> LayoutParser::parseGroup() {
  syntax::Group group;
  llvm::SMLoc loc = tokens.peek().loc();
  bool isNamed = tokens.peek().kind == Token::Identifier && tokens.peekSecond().is("[");
  if (isNamed || !layout.groups.empty()) {
    FailureOr<syntax::Word> name = tokens.expectWord("a token group such as 'text[256]' after '+'");
    if (failed(name))
      return failure();
    group.name = *name;
  }
  if (!layout.groups.empty() && !layout.hasNames())
    return error(loc) << "'+' joins token groups, which all have names: '" << item
                      << " video[30, 48] + text[256]'";
  std::string before = group.name.text.empty() ? item.str() : group.name.text.str();
  if (failed(tokens.expect("[", "and lengths such as '[4096]' or '[?]' after '" + before + "'")))
    return failure();
  do {
    if (group.dims.size() == kMaxDimensions)
      return error(tokens.peek().loc())
             << "'" << before << "' has more than " << kMaxDimensions << " dimensions";
    FailureOr<syntax::Integer> length = parseLength();
    if (failed(length))
      return failure();
    group.dims.push_back(*length);
  } while (tokens.takeIf(","));
  if (failed(tokens.expect("]", "or ',' after a length")))
    return failure();
  return group;
}

FailureOr<syntax::Integer> LayoutParser::parseLength() {
  llvm::SMLoc loc = tokens.peek().loc();
  if (tokens.takeIf("?"))
    return syntax::Integer{ShapedType::kDynamic, loc};
  FailureOr<syntax::Integer> length = tokens.parseInteger("a length or '?'");
  if (failed(length) || failed(checkBetween(tokens.source, item, *length, 1, kMaxTokens)))
    return failure();
  return length;
}

static bool isOpen(const syntax::Integer &length) { return ShapedType::isDynamic(length.value); }

LogicalResult LayoutParser::checkGroup(const syntax::Group &group) const {
  if (group.name.text.empty())
    return success();
  StringRef name = group.name.text;
  if (layout.groups.size() == kMaxGroups)
    return error(group.name.loc) << "'" << item << "' has more than " << kMaxGroups
                                 << " token groups";
  for (const syntax::Group &other : layout.groups)
    if (other.name.text == name) {
      InFlightDiagnostic diag = error(group.name.loc);
      diag << "token group '" << name << "' is declared twice";
      diag.attachNote(tokens.source.at(other.name.loc)) << "first declared here";
      return diag;
    }
  if (!layout.groups.empty() && group.dims.size() > 1)
    return error(group.dims[1].loc) << "token group '" << name << "' has " << group.dims.size()
                                    << " dimensions, but only the first group may have several";
  const auto *inner = llvm::find_if(llvm::drop_begin(group.dims), isOpen);
  if (inner != group.dims.end())
    return error(inner->loc) << "only the first dimension of token group '" << name
                             << "' may be '?'";
  for (const syntax::Group &other : layout.groups)
    if (isOpen(other.dims.front()) && isOpen(group.dims.front()))
      return error(group.dims.front().loc) << "only one token group may have the length '?', and '"
                                           << other.name.text << "' has it";
  return success();
}

//===----------------------------------------------------------------------===//
// Declarations
//===----------------------------------------------------------------------===//

/// Values of a list in brackets, up to what any declaration may have; 0 where no list follows.
int countEntries(TokenStream &tokens) {
  if (!tokens.takeIf("["))
    return 0;
  int entries = 0;
  do {
    if (tokens.peek().kind != Token::Identifier && tokens.peek().kind != Token::Integer &&
        !tokens.peek().is("?"))
      return 0;
    tokens.take();
    ++entries;
  } while (tokens.takeIf(",") && size_t(entries) < kMaxDimensions);
  return entries;
}

/// After the word `input`: name ":" type "[" ...
std::optional<PredicateScope::Input> inputAhead(TokenStream &tokens) {
  if (tokens.peek().kind != Token::Identifier || !tokens.peekSecond().is(":"))
    return std::nullopt;
  PredicateScope::Input input;
  input.name = tokens.take().text.str();
  tokens.take();
  input.isBool = tokens.take().is("bool");
  input.rank = countEntries(tokens);
  return input.rank > 0 ? std::optional(input) : std::nullopt;
}

} // namespace

PredicateScope declarationsAhead(TokenStream tokens) {
  PredicateScope scope;
  bool isLayoutKnown = false;
  for (int depth = 1; depth > 0 && tokens.peek().kind != Token::End;) {
    Token token = tokens.take();
    depth += int(token.is("{")) - int(token.is("}"));
    if (token.is("input")) {
      if (std::optional<PredicateScope::Input> input = inputAhead(tokens))
        scope.inputs.push_back(std::move(*input));
    } else if (token.is("tokens") && !isLayoutKnown) {
      if (tokens.peek().kind == Token::Identifier && tokens.peekSecond().is("["))
        tokens.take();
      int rank = countEntries(tokens);
      isLayoutKnown = rank > 0;
      scope.rank = std::max(rank, 1);
    }
  }
  return scope;
}

FailureOr<syntax::Layout> parseLayout(TokenStream &tokens, StringRef item) {
  return LayoutParser(tokens, item).parse();
}

} // namespace attn
