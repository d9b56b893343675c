//===- Parser.cpp - kernels and their items -------------------------------===//
#include "frontend/Parser.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {
namespace {

constexpr int64_t kMaxBatch = 65535, kMaxHeads = 65535, kMaxHeadDim = 1024;

/// kernel = "kernel" name "{" { item } "}"
class KernelParser {
public:
  explicit KernelParser(TokenStream &tokens) : tokens(tokens) {}
  FailureOr<syntax::Kernel> parse();

private:
  using Rule = LogicalResult (KernelParser::*)();
  struct Item {
    StringRef word;
    Rule parse;
  };
  static const Item kItems[];

  LogicalResult parseItem();

  LogicalResult parseBatch() { return parseCount(kernel.batch, kMaxBatch); }
  LogicalResult parseHeads();
  LogicalResult parseKvHeads() { return parseCount(kernel.kvHeads, kMaxHeads); }
  LogicalResult parseHeadDim() { return parseCount(kernel.headDim, kMaxHeadDim); }
  LogicalResult parseValueDim() { return parseCount(kernel.valueDim, kMaxHeadDim); }
  LogicalResult parseDtype();
  LogicalResult parseTokens() { return parseLayoutItem(kernel.tokens); }
  LogicalResult parseKvTokens() { return parseLayoutItem(kernel.kvTokens); }
  LogicalResult parseScale();
  LogicalResult parseQOffset();
  LogicalResult parseInput();
  LogicalResult parseMaskItem();
  LogicalResult parsePacked();
  LogicalResult parseScoreItem();

  LogicalResult parseCount(std::optional<syntax::Integer> &target, int64_t most);
  LogicalResult parseHeadMask(syntax::Integer first);
  FailureOr<syntax::HeadRange> parseHeadRange(syntax::Integer first);
  LogicalResult parseLayoutItem(std::optional<syntax::Layout> &target);
  FailureOr<syntax::Extent> parseExtent();
  LogicalResult checkBetween(StringRef what, syntax::Integer value, int64_t least, int64_t most) {
    return attn::checkBetween(tokens.source, what, value, least, most);
  }
  LogicalResult checkOnce();

  TokenStream &tokens;
  PredicateScope scope;
  syntax::Kernel kernel;
  syntax::Word item; // the word that started the present item
  SmallVector<syntax::Word> seen;
};

const KernelParser::Item KernelParser::kItems[] = {
    {"batch", &KernelParser::parseBatch},        {"heads", &KernelParser::parseHeads},
    {"kv_heads", &KernelParser::parseKvHeads},   {"head_dim", &KernelParser::parseHeadDim},
    {"value_dim", &KernelParser::parseValueDim}, {"dtype", &KernelParser::parseDtype},
    {"tokens", &KernelParser::parseTokens},      {"kv_tokens", &KernelParser::parseKvTokens},
    {"scale", &KernelParser::parseScale},        {"q_offset", &KernelParser::parseQOffset},
    {"input", &KernelParser::parseInput},        {"mask", &KernelParser::parseMaskItem},
    {"packed", &KernelParser::parsePacked},      {"score", &KernelParser::parseScoreItem},
};

FailureOr<syntax::Kernel> KernelParser::parse() {
  if (!tokens.takeIf("kernel")) {
    InFlightDiagnostic diag = tokens.unexpected("'kernel' and a name, with which a kernel starts");
    suggest(*diag.getUnderlyingDiagnostic(), tokens.peek().text, {"kernel"});
    return diag;
  }
  FailureOr<syntax::Word> name = tokens.expectWord("the kernel's name");
  if (failed(name) || failed(tokens.expect("{", "after the kernel's name")))
    return failure();
  kernel.name = *name;
  scope = declarationsAhead(tokens);
  for (;;) {
    while (tokens.takeIf(",") || tokens.takeIf(";")) {
    }
    if (tokens.takeIf("}"))
      return std::move(kernel);
    if (failed(parseItem()))
      return failure();
  }
}

LogicalResult KernelParser::parseItem() {
  FailureOr<syntax::Word> word = tokens.expectWord("an item of the kernel or '}'");
  if (failed(word))
    return failure();
  item = *word;
  for (const Item &known : kItems)
    if (known.word == item.text)
      return (this->*known.parse)();
  SmallVector<StringRef> words;
  for (const Item &known : kItems)
    words.push_back(known.word);
  InFlightDiagnostic diag = tokens.source.error(item.loc);
  diag << "unknown item '" << item.text << "', expected " << quotedList(words);
  suggest(*diag.getUnderlyingDiagnostic(), item.text, words);
  return diag;
}

LogicalResult KernelParser::checkOnce() {
  const auto *first =
      llvm::find_if(seen, [&](const syntax::Word &word) { return word.text == item.text; });
  if (first == seen.end()) {
    seen.push_back(item);
    return success();
  }
  InFlightDiagnostic diag = tokens.source.error(item.loc);
  diag << "'" << item.text << "' is given twice";
  diag.attachNote(tokens.source.at(first->loc)) << "first given here";
  return diag;
}

LogicalResult KernelParser::parseCount(std::optional<syntax::Integer> &target, int64_t most) {
  if (failed(checkOnce()))
    return failure();
  FailureOr<syntax::Integer> value = tokens.parseInteger("a number after '" + item.text + "'");
  if (failed(value) || failed(checkBetween(item.text, *value, 1, most)))
    return failure();
  target = *value;
  return success();
}

/// `heads 32`, or `heads 0, 3..5 { mask ... }`
LogicalResult KernelParser::parseHeads() {
  FailureOr<syntax::Integer> first =
      tokens.parseInteger("a number or a range such as '0..3' after 'heads'");
  if (failed(first))
    return failure();
  // A comma may stand between items as well.
  bool isList = tokens.peek().is(",") &&
                (tokens.peekSecond().kind == Token::Integer || tokens.peekSecond().is("-"));
  if (isList || tokens.peek().is("..") || tokens.peek().is("{"))
    return parseHeadMask(*first);
  if (failed(checkOnce()) || failed(checkBetween("heads", *first, 1, kMaxHeads)))
    return failure();
  kernel.heads = *first;
  return success();
}

/// first | first ".." last
FailureOr<syntax::HeadRange> KernelParser::parseHeadRange(syntax::Integer first) {
  syntax::HeadRange range{first, first};
  if (tokens.takeIf("..")) {
    FailureOr<syntax::Integer> last = tokens.parseInteger("the last head of the range");
    if (failed(last))
      return failure();
    range.last = *last;
  }
  if (failed(checkBetween("heads", first, 0, kMaxHeads - 1)))
    return failure();
  if (range.last.value < first.value)
    return tokens.source.error(first.loc)
           << "heads " << first.value << ".." << range.last.value
           << " are no range, the first head comes first and the last one is included";
  if (failed(checkBetween("heads", range.last, 0, kMaxHeads - 1)))
    return failure();
  return range;
}

LogicalResult KernelParser::parseHeadMask(syntax::Integer first) {
  syntax::HeadMask heads;
  for (FailureOr<syntax::Integer> head = first;;
       head = tokens.parseInteger("a head or a range of heads after ','")) {
    FailureOr<syntax::HeadRange> range = failure();
    if (succeeded(head))
      range = parseHeadRange(*head);
    if (failed(range))
      return failure();
    heads.ranges.push_back(*range);
    if (!tokens.takeIf(","))
      break;
  }
  if (failed(tokens.expect("{", "and a mask after a range of heads")) ||
      failed(tokens.expect("mask", "after '{', all that a range of heads has")))
    return failure();
  FailureOr<syntax::Mask> mask = parseMask(tokens, scope);
  if (failed(mask))
    return failure();
  heads.mask = std::move(*mask);
  while (tokens.takeIf(",") || tokens.takeIf(";")) {
  }
  if (failed(tokens.expect("}", "after the mask of a range of heads")))
    return failure();
  kernel.headMasks.push_back(std::move(heads));
  return success();
}

LogicalResult KernelParser::parseDtype() {
  if (failed(checkOnce()))
    return failure();
  FailureOr<syntax::Word> type = tokens.expectWord("'f32', 'f16' or 'bf16' after 'dtype'");
  if (failed(type))
    return failure();
  StringRef known[] = {"f32", "f16", "bf16"};
  if (!llvm::is_contained(known, type->text)) {
    InFlightDiagnostic diag = tokens.source.error(type->loc);
    diag << "unknown dtype '" << type->text << "', expected " << quotedList(known);
    suggest(*diag.getUnderlyingDiagnostic(), type->text, known);
    return diag;
  }
  kernel.dtype = *type;
  return success();
}

LogicalResult KernelParser::parseLayoutItem(std::optional<syntax::Layout> &target) {
  if (failed(checkOnce()))
    return failure();
  FailureOr<syntax::Layout> layout = parseLayout(tokens, item.text);
  if (failed(layout))
    return failure();
  target = std::move(*layout);
  return success();
}

LogicalResult KernelParser::parseScale() {
  if (failed(checkOnce()))
    return failure();
  FailureOr<syntax::Real> value = tokens.parseReal("a number after 'scale'");
  if (failed(value))
    return failure();
  kernel.scale = *value;
  return success();
}

LogicalResult KernelParser::parseQOffset() {
  if (failed(checkOnce()))
    return failure();
  FailureOr<syntax::Integer> value = tokens.parseInteger("a number after 'q_offset'");
  if (failed(value) || failed(checkBetween("q_offset", *value, -kMaxTokens, kMaxTokens)))
    return failure();
  kernel.qOffset = *value;
  return success();
}

FailureOr<syntax::Extent> KernelParser::parseExtent() {
  llvm::SMLoc loc = tokens.peek().loc();
  if (tokens.takeIf("?"))
    return syntax::Extent{{}, ShapedType::kDynamic, loc};
  if (tokens.peek().kind != Token::Identifier) {
    FailureOr<syntax::Integer> number =
        tokens.parseInteger("'batch', 'heads', 'tokens', 'kv_tokens', a number or '?'");
    if (failed(number) || failed(checkBetween("extent", *number, 1, kMaxTokens)))
      return failure();
    return syntax::Extent{{}, number->value, loc};
  }
  StringRef word = tokens.take().text;
  StringRef known[] = {"batch", "heads", "tokens", "kv_tokens"};
  if (llvm::is_contained(known, word))
    return syntax::Extent{word, 0, loc};
  InFlightDiagnostic diag = tokens.source.error(loc);
  diag << "unknown dimension '" << word << "', expected " << quotedList(known)
       << ", or a number or '?'";
  suggest(*diag.getUnderlyingDiagnostic(), word, known);
  return diag;
}

LogicalResult KernelParser::parseInput() {
  FailureOr<syntax::Word> name = tokens.expectWord("the input's name");
  if (failed(name) || failed(tokens.expect(":", "and a type after the input's name")))
    return failure();
  FailureOr<syntax::Word> type = tokens.expectWord("the input's type, such as 'i32'");
  if (failed(type))
    return failure();
  StringRef known[] = {"f32", "f16", "bf16", "i32", "bool"};
  if (!llvm::is_contained(known, type->text)) {
    InFlightDiagnostic diag = tokens.source.error(type->loc);
    diag << "unknown input type '" << type->text << "', expected " << quotedList(known);
    suggest(*diag.getUnderlyingDiagnostic(), type->text, known);
    return diag;
  }
  syntax::Input input{*name, *type, {}};
  if (failed(tokens.expect("[", "and the input's shape after its type")))
    return failure();
  do {
    llvm::SMLoc loc = tokens.peek().loc();
    if (input.extents.size() == 4)
      return tokens.source.error(loc) << "input '" << name->text << "' has more than 4 dimensions";
    FailureOr<syntax::Extent> extent = parseExtent();
    if (failed(extent))
      return failure();
    input.extents.push_back(*extent);
  } while (tokens.takeIf(","));
  if (failed(tokens.expect("]", "or ',' after a dimension")))
    return failure();
  kernel.inputs.push_back(std::move(input));
  return success();
}

LogicalResult KernelParser::parseMaskItem() {
  if (failed(checkOnce()))
    return failure();
  FailureOr<syntax::Mask> mask = parseMask(tokens, scope);
  if (failed(mask))
    return failure();
  kernel.mask = std::move(*mask);
  return success();
}

/// `packed cu`, or `packed (cu_q, cu_k)`
LogicalResult KernelParser::parsePacked() {
  if (failed(checkOnce()))
    return failure();
  bool isPair = tokens.takeIf("(");
  FailureOr<syntax::Word> queries =
      tokens.expectWord("an input of cumulative lengths, or two in '( )', after 'packed'");
  FailureOr<syntax::Word> keys = queries;
  if (isPair && succeeded(queries)) {
    if (failed(tokens.expect(",", "and the keys' cumulative lengths")) ||
        failed(keys = tokens.expectWord("the input of the keys' cumulative lengths")) ||
        failed(tokens.expect(")", "after the two inputs of 'packed'")))
      return failure();
  }
  if (failed(queries))
    return failure();
  kernel.packed = syntax::Packed{*queries, *keys, item.loc};
  return success();
}

LogicalResult KernelParser::parseScoreItem() {
  if (failed(checkOnce()))
    return failure();
  FailureOr<syntax::Score> score = parseScore(tokens, item.loc);
  if (failed(score))
    return failure();
  kernel.score = std::move(*score);
  return success();
}

} // namespace

FailureOr<std::vector<syntax::Kernel>> parseKernels(const Source &source) {
  TokenStream tokens(source);
  std::vector<syntax::Kernel> kernels;
  do {
    FailureOr<syntax::Kernel> kernel = KernelParser(tokens).parse();
    if (failed(kernel))
      return failure();
    kernels.push_back(std::move(*kernel));
  } while (tokens.peek().kind != Token::End);
  return kernels;
}

} // namespace attn
