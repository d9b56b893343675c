//===- Parser.cpp - kernels and their items -------------------------------===//
#include "frontend/Parser.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {
namespace {

// Far beyond any model, and small enough that products with a token count stay in 64 bits.
constexpr int64_t kMaxBatch = 65535, kMaxHeads = 65535, kMaxHeadDim = 1024;
constexpr int64_t kMaxTokens = int64_t(1) << 40;

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
  LogicalResult parseTokens() { return parseLayout(kernel.tokens); }
  LogicalResult parseKvTokens() { return parseLayout(kernel.kvTokens); }
  LogicalResult parseScale();
  LogicalResult parseQOffset();
  LogicalResult parseInput();
  LogicalResult parseMaskItem();
  LogicalResult parseScoreItem();

  LogicalResult parseCount(std::optional<syntax::Integer> &target, int64_t most);
  LogicalResult parseHeadRange(syntax::Integer first);
  LogicalResult parseLayout(std::optional<syntax::Layout> &target);
  FailureOr<int64_t> parseLength();
  FailureOr<syntax::Extent> parseExtent();
  LogicalResult checkBetween(StringRef what, syntax::Integer value, int64_t least, int64_t most);
  LogicalResult checkOnce();

  TokenStream &tokens;
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
    {"score", &KernelParser::parseScoreItem},
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

LogicalResult KernelParser::checkBetween(StringRef what, syntax::Integer value, int64_t least,
                                         int64_t most) {
  if (least <= value.value && value.value <= most)
    return success();
  return tokens.source.error(value.loc) << "'" << what << "' is " << value.value
                                        << ", but must be between " << least << " and " << most;
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

/// `heads 32`, or `heads 0..3 { mask ... }`
LogicalResult KernelParser::parseHeads() {
  FailureOr<syntax::Integer> first =
      tokens.parseInteger("a number or a range such as '0..3' after 'heads'");
  if (failed(first))
    return failure();
  if (tokens.takeIf(".."))
    return parseHeadRange(*first);
  if (failed(checkOnce()) || failed(checkBetween("heads", *first, 1, kMaxHeads)))
    return failure();
  kernel.heads = *first;
  return success();
}

LogicalResult KernelParser::parseHeadRange(syntax::Integer first) {
  FailureOr<syntax::Integer> last = tokens.parseInteger("the last head of the range");
  if (failed(last) || failed(checkBetween("heads", first, 0, kMaxHeads - 1)))
    return failure();
  if (last->value < first.value)
    return tokens.source.error(first.loc)
           << "heads " << first.value << ".." << last->value
           << " are no range, the first head comes first and the last one is included";
  if (failed(checkBetween("heads", *last, 0, kMaxHeads - 1)) ||
      failed(tokens.expect("{", "and a mask after a range of heads")) ||
      failed(tokens.expect("mask", "after '{', all that a range of heads has")))
    return failure();
  FailureOr<syntax::Mask> mask = parseMask(tokens);
  if (failed(mask))
    return failure();
  while (tokens.takeIf(",") || tokens.takeIf(";")) {
  }
  if (failed(tokens.expect("}", "after the mask of a range of heads")))
    return failure();
  kernel.headRanges.push_back({first, *last, std::move(*mask), first.loc});
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

FailureOr<int64_t> KernelParser::parseLength() {
  if (tokens.takeIf("?"))
    return ShapedType::kDynamic;
  FailureOr<syntax::Integer> length = tokens.parseInteger("a length or '?'");
  if (failed(length) || failed(checkBetween(item.text, *length, 1, kMaxTokens)))
    return failure();
  return length->value;
}

LogicalResult KernelParser::parseLayout(std::optional<syntax::Layout> &target) {
  if (failed(checkOnce()))
    return failure();
  syntax::Layout layout{{}, tokens.peek().loc()};
  if (failed(tokens.expect("[", "and lengths such as '[4096]' or '[?]' after '" + item.text + "'")))
    return failure();
  do {
    llvm::SMLoc loc = tokens.peek().loc();
    if (layout.dims.size() == 3)
      return tokens.source.error(loc) << "'" << item.text << "' has more than 3 dimensions";
    FailureOr<int64_t> length = parseLength();
    if (failed(length))
      return failure();
    layout.dims.push_back(*length);
  } while (tokens.takeIf(","));
  if (failed(tokens.expect("]", "or ',' after a length")))
    return failure();
  target = std::move(layout);
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
  if (tokens.peek().kind != Token::Identifier) {
    FailureOr<syntax::Integer> number =
        tokens.parseInteger("'batch', 'heads', 'tokens', 'kv_tokens' or a number");
    if (failed(number) || failed(checkBetween("extent", *number, 1, kMaxTokens)))
      return failure();
    return syntax::Extent{{}, number->value, loc};
  }
  StringRef word = tokens.take().text;
  StringRef known[] = {"batch", "heads", "tokens", "kv_tokens"};
  if (llvm::is_contained(known, word))
    return syntax::Extent{word, 0, loc};
  InFlightDiagnostic diag = tokens.source.error(loc);
  diag << "unknown dimension '" << word << "', expected " << quotedList(known) << ", or a number";
  suggest(*diag.getUnderlyingDiagnostic(), word, known);
  return diag;
}

LogicalResult KernelParser::parseInput() {
  FailureOr<syntax::Word> name = tokens.expectWord("the input's name");
  if (failed(name) || failed(tokens.expect(":", "and a type after the input's name")))
    return failure();
  FailureOr<syntax::Word> type = tokens.expectWord("'i32' or 'bool'");
  if (failed(type))
    return failure();
  StringRef known[] = {"i32", "bool"};
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
  FailureOr<syntax::Mask> mask = parseMask(tokens);
  if (failed(mask))
    return failure();
  kernel.mask = std::move(*mask);
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
