//===- MaskKinds.cpp - the mask kinds of the language ---------------------===//
#include "frontend/MaskArguments.h"
#include "frontend/SpanPlan.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {
namespace {

//===----------------------------------------------------------------------===//
// Row-major order
//===----------------------------------------------------------------------===//

Attribute buildAll(MaskArguments &arguments) { return arguments.make<AllAttr>(); }

Attribute buildCausal(MaskArguments &arguments) {
  FailureOr<bool> topLeft = arguments.boolean("top_left", false);
  FailureOr<int64_t> dim = failure();
  if (succeeded(topLeft))
    dim = arguments.has("dim") ? arguments.number("dim", 0) : FailureOr<int64_t>(-1);
  return failed(dim) ? Attribute() : arguments.make<CausalAttr>(*topLeft, *dim);
}

/// window(w) is |q - k| < w; with a dilation these are steps of it.
Attribute buildWindow(MaskArguments &arguments) {
  bool hasSides = arguments.has("left") || arguments.has("right");
  if (arguments.has("width") && hasSides) {
    arguments.error() << "'window' takes either one width or 'left' and 'right'";
    return {};
  }
  FailureOr<int64_t> left = failure(), right = failure(), dilation = failure();
  if (hasSides) {
    left = arguments.number("left", 0);
    if (succeeded(left))
      right = arguments.number("right", 0);
  } else if (FailureOr<int64_t> width = arguments.number("width", 1); succeeded(width)) {
    left = right = *width - 1;
  }
  if (succeeded(right))
    dilation = arguments.number("dilation", 1, 1);
  return failed(dilation) ? Attribute() : arguments.make<WindowAttr>(*left, *right, *dilation);
}

Attribute buildSink(MaskArguments &arguments) {
  FailureOr<int64_t> count = arguments.number("count", 0);
  return failed(count) ? Attribute() : arguments.make<SinkAttr>(*count);
}

Attribute prefixOfInput(MaskArguments &arguments, StringRef name) {
  FailureOr<FlatSymbolRefAttr> input = arguments.input(name, 32, {"batch"});
  return failed(input) ? Attribute() : arguments.make<PrefixAttr>(int64_t(0), *input);
}

Attribute buildPrefix(MaskArguments &arguments) {
  if (arguments.isWord("count"))
    return prefixOfInput(arguments, "count");
  FailureOr<int64_t> count = arguments.number("count", 0);
  return failed(count) ? Attribute() : arguments.make<PrefixAttr>(*count, FlatSymbolRefAttr());
}

Attribute buildKeyLength(MaskArguments &arguments) { return prefixOfInput(arguments, "input"); }

/// A range of positions, or a token group.
template <class Attr> Attribute buildRange(MaskArguments &arguments) {
  if (arguments.has("group")) {
    if (arguments.has("first") || arguments.has("count")) {
      InFlightDiagnostic diag = arguments.error();
      diag << "'" << arguments.kind.name << "' takes either a group or 'first' and 'count'";
      return arguments.noteUsage(diag), Attribute();
    }
    FailureOr<FlatSymbolRefAttr> group = arguments.group("group");
    return failed(group) ? Attribute() : arguments.make<Attr>(int64_t(0), int64_t(0), *group);
  }
  FailureOr<int64_t> first = arguments.number("first", 0, 0), count = failure();
  if (succeeded(first))
    count = arguments.number("count", 0);
  return failed(count) ? Attribute() : arguments.make<Attr>(*first, *count, FlatSymbolRefAttr());
}

Attribute buildGlobal(MaskArguments &arguments) {
  FailureOr<int64_t> first = arguments.number("first", 0, 0), count = failure();
  if (succeeded(first))
    count = arguments.number("count", 0);
  return failed(count) ? Attribute() : arguments.make<GlobalAttr>(*first, *count);
}

Attribute buildStrided(MaskArguments &arguments) {
  FailureOr<int64_t> stride = arguments.number("stride", 1);
  return failed(stride) ? Attribute() : arguments.make<StridedAttr>(*stride);
}

Attribute buildFixed(MaskArguments &arguments) {
  FailureOr<int64_t> stride = arguments.number("stride", 1), count = failure();
  if (succeeded(stride))
    count = arguments.number("count", 1);
  return failed(count) ? Attribute() : arguments.make<FixedAttr>(*stride, *count);
}

Attribute buildSpans(MaskArguments &arguments) {
  FailureOr<syntax::Word> path = arguments.text("plan");
  FailureOr<int64_t> layer = failure(), newTokens = failure();
  if (succeeded(path))
    layer = arguments.number("layer", 0);
  if (succeeded(layer))
    newTokens = arguments.number("max_new_tokens", 0, 0);
  if (failed(newTokens))
    return {};
  FailureOr<SpanPlan> plan =
      readSpanPlan(path->text, path->loc, *layer, arguments.locOf("layer"), arguments.scope.source);
  if (failed(plan))
    return {};
  MLIRContext *context = arguments.context();
  return arguments.make<SpansAttr>(DenseF64ArrayAttr::get(context, plan->alphas),
                                   DenseF64ArrayAttr::get(context, plan->betas), *newTokens);
}

//===----------------------------------------------------------------------===//
// Layouts of several dimensions
//===----------------------------------------------------------------------===//

Attribute buildBlock(MaskArguments &arguments) {
  if (failed(arguments.require("size")))
    return {};
  FailureOr<SmallVector<int64_t>> size = arguments.numbers("size", 1, 1), offset = failure();
  if (succeeded(size))
    offset = arguments.numbers("offset", 1 - kMaxMagnitude, 0);
  if (failed(offset))
    return {};
  MLIRContext *context = arguments.context();
  return arguments.make<BlockAttr>(DenseI64ArrayAttr::get(context, *size),
                                   DenseI64ArrayAttr::get(context, *offset));
}

Attribute buildNeighborhood(MaskArguments &arguments) {
  if (failed(arguments.require("window")))
    return {};
  FailureOr<SmallVector<int64_t>> window = arguments.numbers("window", 1, 0, /*special=*/-1,
                                                             ", or -1 for the whole dimension"),
                                  stride = failure(), dilation = failure();
  FailureOr<SmallVector<bool>> causal = failure();
  FailureOr<size_t> border = failure();
  if (succeeded(window))
    stride = arguments.numbers("stride", 1, 1);
  if (succeeded(stride))
    dilation = arguments.numbers("dilation", 1, 1);
  if (succeeded(dilation))
    causal = arguments.booleans("causal", false);
  if (succeeded(causal))
    border = arguments.choice("border", {"shift", "clip", "zero"});
  if (failed(border))
    return {};
  constexpr Border kBorders[] = {Border::Shift, Border::Clip, Border::Zero};
  MLIRContext *context = arguments.context();
  return arguments.make<NeighborhoodAttr>(
      DenseI64ArrayAttr::get(context, *window), DenseI64ArrayAttr::get(context, *stride),
      DenseI64ArrayAttr::get(context, *dilation), DenseBoolArrayAttr::get(context, *causal),
      kBorders[*border]);
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

/// One vector over the tokens, or one over the queries and one over the keys.
struct TokenVectors {
  FlatSymbolRefAttr queries, keys;
};
FailureOr<TokenVectors> tokenVectors(MaskArguments &arguments) {
  FailureOr<FlatSymbolRefAttr> queries = arguments.input("input", 32, {"tokens"});
  if (failed(queries))
    return failure();
  if (!arguments.has("key_input"))
    return TokenVectors{*queries, {}};
  FailureOr<FlatSymbolRefAttr> keys = arguments.input("key_input", 32, {"kv_tokens"});
  if (failed(keys))
    return failure();
  return TokenVectors{*queries, *keys};
}

Attribute buildSame(MaskArguments &arguments) {
  FailureOr<TokenVectors> labels = tokenVectors(arguments);
  return failed(labels)
             ? Attribute()
             : arguments.check(SameAttr::get(arguments.context(), labels->queries, labels->keys));
}

Attribute buildClasses(MaskArguments &arguments) {
  FailureOr<TokenVectors> classes = tokenVectors(arguments);
  FailureOr<SmallVector<bool>> allow = failure();
  if (succeeded(classes))
    allow = arguments.squareTable("allow");
  if (failed(allow))
    return {};
  int64_t count = 0;
  while (count * count < int64_t(allow->size()))
    ++count;
  return arguments.make<ClassesAttr>(
      classes->queries, count, DenseBoolArrayAttr::get(arguments.context(), *allow), classes->keys);
}

Attribute buildFrom(MaskArguments &arguments) {
  FailureOr<FlatSymbolRefAttr> input =
      arguments.input("input", 1, {"batch", "heads", "tokens", "kv_tokens"}, /*broadcasts=*/true);
  return failed(input) ? Attribute() : arguments.check(InputAttr::get(arguments.context(), *input));
}

/// Row pointers and key blocks, or bits: the number of query blocks and of key blocks is known
/// where the number of tokens is.
Attribute buildBlocks(MaskArguments &arguments) {
  FailureOr<int64_t> size = arguments.number("size", 1);
  if (failed(size) ||
      failed(BlocksAttr::verify([&] { return arguments.errorAt("size"); }, {}, {}, *size)))
    return {};
  auto ceilOf = [](int64_t length, int64_t step, int64_t more) {
    return ShapedType::isDynamic(length) ? length : (length + step - 1) / step + more;
  };
  int64_t queries = arguments.scope.tokens, keys = arguments.scope.kvTokens;
  if (!arguments.has("keys")) {
    FailureOr<FlatSymbolRefAttr> bits =
        arguments.headInput("rows", {ceilOf(queries, *size, 0), ceilOf(keys, *size * 32, 0)});
    return failed(bits) ? Attribute()
                        : arguments.make<BlocksAttr>(*bits, FlatSymbolRefAttr(), *size);
  }
  FailureOr<FlatSymbolRefAttr> rows = arguments.headInput("rows", {ceilOf(queries, *size, 1)});
  FailureOr<FlatSymbolRefAttr> listed = failure();
  if (succeeded(rows))
    listed = arguments.headInput("keys", {ShapedType::kDynamic});
  return failed(listed) ? Attribute() : arguments.make<BlocksAttr>(*rows, *listed, *size);
}

} // namespace

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

ArrayRef<MaskKind> maskKinds() {
  static const MaskKind kinds[] = {
      {"all", "all", {}, 0, {}, buildAll},
      {"causal",
       "causal, causal(top_left) or causal(dim = 0)",
       {"top_left", "dim"},
       0,
       "top_left",
       buildCausal},
      {"window",
       "window(256), window(left = 255, right = 0) or window(8, dilation = 4)",
       {"width", "left", "right", "dilation"},
       1,
       {},
       buildWindow},
      {"sink", "sink(4)", {"count"}, 1, {}, buildSink},
      {"prefix", "prefix(64) or prefix(an i32[batch] input)", {"count"}, 1, {}, buildPrefix},
      {"key_length", "key_length(an i32[batch] input)", {"input"}, 1, {}, buildKeyLength},
      {"keys",
       "keys(first = 0, count = 8) or keys(a token group)",
       {"group", "first", "count"},
       1,
       {},
       buildRange<KeysAttr>},
      {"queries",
       "queries(first = 0, count = 8) or queries(a token group)",
       {"group", "first", "count"},
       1,
       {},
       buildRange<QueriesAttr>},
      {"global",
       "global(8) or global(first = 0, count = 8)",
       {"count", "first"},
       1,
       {},
       buildGlobal},
      {"strided", "strided(8)", {"stride"}, 1, {}, buildStrided},
      {"fixed", "fixed(8, 1), the last key of every 8", {"stride", "count"}, 2, {}, buildFixed},
      {"spans",
       "spans(\"plan.json\", layer = 0, max_new_tokens = 0)",
       {"plan", "layer", "max_new_tokens"},
       1,
       {},
       buildSpans},
      {"block",
       "block(64), or block(size = [8, 8], offset = [4, 4])",
       {"size", "offset"},
       1,
       {},
       buildBlock},
      {"neighborhood",
       "neighborhood(window = [8, 8], stride = 4, dilation = 1, causal = false, border = shift)",
       {"window", "stride", "dilation", "causal", "border"},
       4,
       {},
       buildNeighborhood},
      {"same",
       "same(an i32[tokens] input), or same(one, an i32[kv_tokens] input for the keys)",
       {"input", "key_input"},
       2,
       {},
       buildSame},
      {"classes",
       "classes(an i32[tokens] input, allow = [[1, 0], [1, 1]])",
       {"input", "key_input", "allow"},
       2,
       {},
       buildClasses},
      {"from", "from(a bool[batch, heads, tokens, kv_tokens] input)", {"input"}, 1, {}, buildFrom},
      {"blocks",
       "blocks(row pointers, key blocks, size = 64) or blocks(bits, size = 64)",
       {"rows", "keys", "size"},
       2,
       {},
       buildBlocks},
  };
  return kinds;
}

} // namespace attn
