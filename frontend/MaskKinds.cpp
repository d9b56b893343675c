//===- MaskKinds.cpp - the mask kinds of the language ---------------------===//
#include "dialect/MaskFormulas.h"
#include "frontend/Builders.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace attn {
namespace {

class Arguments;

/// One row for each name that a mask may have.
struct MaskKind {
  StringRef name;
  StringRef usage;
  /// Names of the arguments; the first `positional` of them may come without their name.
  SmallVector<StringRef> parameters;
  unsigned positional;
  /// A boolean argument that may be written as its bare name.
  StringRef flag;
  Attribute (*build)(Arguments &);
};

/// The arguments of one mask, matched with the parameters of its kind.
class Arguments {
public:
  Arguments(const syntax::Mask &mask, const MaskKind &kind, const MaskScope &scope)
      : mask(mask), kind(kind), scope(scope), values(kind.parameters.size()) {}

  LogicalResult match();
  bool has(StringRef name) const { return valueOf(name); }
  bool isWord(StringRef name) const {
    return has(name) && valueOf(name)->kind == syntax::Value::Name;
  }
  LogicalResult require(StringRef name) const;

  /// A required number, `least` or more.
  FailureOr<int64_t> number(StringRef name, int64_t least) const;
  FailureOr<bool> boolean(StringRef name, bool fallback) const;
  /// One number for each dimension; a single one stands for all dimensions.
  FailureOr<SmallVector<int64_t>> numbers(StringRef name, int64_t least, int64_t fallback) const;
  FailureOr<SmallVector<bool>> booleans(StringRef name, bool fallback) const;
  /// A required input of element type i32 or i1 with the extents that `dims` names.
  FailureOr<FlatSymbolRefAttr> input(StringRef name, unsigned bits, ArrayRef<StringRef> dims,
                                     bool broadcasts = false) const;

  /// The error that the dialect's checks write into: at the mask.
  InFlightDiagnostic error() const { return scope.source.error(mask.loc); }
  MLIRContext *context() const { return scope.source.getContext(); }
  /// `attr`, when it fits the layouts and inputs.
  Attribute check(Attribute attr) const {
    if (!attr ||
        failed(cast<MaskAttrInterface>(attr).verifyOn([&] { return error(); }, scope.layouts)))
      return {};
    return attr;
  }

  const syntax::Mask &mask;
  const MaskKind &kind;
  const MaskScope &scope;

private:
  const syntax::Value *valueOf(StringRef name) const;
  LogicalResult set(StringRef name, const syntax::Argument &argument);
  LogicalResult unknownName(const syntax::Word &name) const;
  FailureOr<int64_t> toNumber(StringRef name, const syntax::Value &value, int64_t least) const;
  FailureOr<bool> toBoolean(StringRef name, const syntax::Value &value) const;
  template <class T, class Convert>
  FailureOr<SmallVector<T>> perDimension(StringRef name, T fallback, Convert convert) const;
  FailureOr<RankedTensorType> declaredType(const syntax::Value &value, StringRef shape) const;

  SmallVector<const syntax::Argument *> values; // one for each parameter of the kind
};

//===----------------------------------------------------------------------===//
// Kinds
//===----------------------------------------------------------------------===//

Attribute buildAll(Arguments &arguments) {
  return arguments.check(AllAttr::get(arguments.context()));
}

Attribute buildCausal(Arguments &arguments) {
  FailureOr<bool> topLeft = arguments.boolean("top_left", false);
  return failed(topLeft) ? Attribute()
                         : arguments.check(CausalAttr::get(arguments.context(), *topLeft));
}

/// window(w) is |q - k| < w.
Attribute buildWindow(Arguments &arguments) {
  if (arguments.has("width") && (arguments.has("left") || arguments.has("right"))) {
    arguments.scope.source.error(arguments.mask.loc)
        << "'window' takes either one width or 'left' and 'right'";
    return {};
  }
  if (!arguments.has("left") && !arguments.has("right")) {
    FailureOr<int64_t> width = arguments.number("width", 1);
    return failed(width)
               ? Attribute()
               : arguments.check(WindowAttr::get(arguments.context(), *width - 1, *width - 1));
  }
  FailureOr<int64_t> left = arguments.number("left", 0), right = failure();
  if (succeeded(left))
    right = arguments.number("right", 0);
  return failed(right) ? Attribute()
                       : arguments.check(WindowAttr::get(arguments.context(), *left, *right));
}

Attribute buildSink(Arguments &arguments) {
  FailureOr<int64_t> count = arguments.number("count", 0);
  return failed(count) ? Attribute() : arguments.check(SinkAttr::get(arguments.context(), *count));
}

Attribute buildPrefix(Arguments &arguments) {
  if (arguments.isWord("count")) {
    FailureOr<FlatSymbolRefAttr> input = arguments.input("count", 32, {"batch"});
    return failed(input) ? Attribute()
                         : arguments.check(PrefixAttr::get(arguments.context(), 0, *input));
  }
  FailureOr<int64_t> count = arguments.number("count", 0);
  return failed(count)
             ? Attribute()
             : arguments.check(PrefixAttr::get(arguments.context(), *count, FlatSymbolRefAttr()));
}

Attribute buildKeyLength(Arguments &arguments) {
  FailureOr<FlatSymbolRefAttr> input = arguments.input("input", 32, {"batch"});
  return failed(input) ? Attribute()
                       : arguments.check(PrefixAttr::get(arguments.context(), 0, *input));
}

Attribute buildSame(Arguments &arguments) {
  const MaskScope &scope = arguments.scope;
  if (scope.tokens != scope.kvTokens) {
    scope.source.error(arguments.mask.loc)
        << "'same' compares labels of one token layout, but 'tokens' and 'kv_tokens' differ";
    return {};
  }
  FailureOr<FlatSymbolRefAttr> input = arguments.input("input", 32, {"tokens"});
  return failed(input) ? Attribute() : arguments.check(SameAttr::get(arguments.context(), *input));
}

Attribute buildFrom(Arguments &arguments) {
  FailureOr<FlatSymbolRefAttr> input =
      arguments.input("input", 1, {"batch", "heads", "tokens", "kv_tokens"}, /*broadcasts=*/true);
  return failed(input) ? Attribute() : arguments.check(InputAttr::get(arguments.context(), *input));
}

Attribute buildNeighborhood(Arguments &arguments) {
  if (failed(arguments.require("window")))
    return {};
  FailureOr<SmallVector<int64_t>> window = arguments.numbers("window", 1, 0), stride = failure(),
                                  dilation = failure();
  FailureOr<SmallVector<bool>> causal = failure();
  if (succeeded(window))
    stride = arguments.numbers("stride", 1, 1);
  if (succeeded(stride))
    dilation = arguments.numbers("dilation", 1, 1);
  if (succeeded(dilation))
    causal = arguments.booleans("causal", false);
  if (failed(causal))
    return {};
  MLIRContext *context = arguments.context();
  return arguments.check(NeighborhoodAttr::getChecked(
      [&] { return arguments.error(); }, context, DenseI64ArrayAttr::get(context, *window),
      DenseI64ArrayAttr::get(context, *stride), DenseI64ArrayAttr::get(context, *dilation),
      DenseBoolArrayAttr::get(context, *causal)));
}

ArrayRef<MaskKind> maskKinds() {
  static const MaskKind kinds[] = {
      {"all", "all", {}, 0, {}, buildAll},
      {"causal", "causal or causal(top_left)", {"top_left"}, 0, "top_left", buildCausal},
      {"window",
       "window(256) or window(left = 255, right = 0)",
       {"width", "left", "right"},
       1,
       {},
       buildWindow},
      {"sink", "sink(4)", {"count"}, 1, {}, buildSink},
      {"prefix", "prefix(64) or prefix(an i32[batch] input)", {"count"}, 1, {}, buildPrefix},
      {"key_length", "key_length(an i32[batch] input)", {"input"}, 1, {}, buildKeyLength},
      {"same", "same(an i32[tokens] input)", {"input"}, 1, {}, buildSame},
      {"from", "from(a bool[batch, heads, tokens, kv_tokens] input)", {"input"}, 1, {}, buildFrom},
      {"neighborhood",
       "neighborhood(window = [8, 8], stride = 4, dilation = 1, causal = false)",
       {"window", "stride", "dilation", "causal"},
       4,
       {},
       buildNeighborhood},
  };
  return kinds;
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

const syntax::Value *Arguments::valueOf(StringRef name) const {
  const auto *parameter = llvm::find(kind.parameters, name);
  assert(parameter != kind.parameters.end() && "a kind asks for its own parameters only");
  const syntax::Argument *argument = values[parameter - kind.parameters.begin()];
  return argument ? &argument->value : nullptr;
}

LogicalResult Arguments::match() {
  unsigned position = 0;
  for (const syntax::Argument &argument : mask.arguments) {
    if (argument.name) {
      if (failed(set(argument.name->text, argument)))
        return failure();
      continue;
    }
    if (!kind.flag.empty() && argument.value.kind == syntax::Value::Name) {
      if (failed(set(argument.value.word, argument)))
        return failure();
      continue;
    }
    if (position == kind.positional) {
      InFlightDiagnostic diag = scope.source.error(argument.loc);
      if (kind.positional == 0)
        diag << "'" << kind.name << "' takes no number";
      else
        diag << "'" << kind.name << "' takes at most " << kind.positional
             << (kind.positional == 1 ? " argument" : " arguments") << " without a name";
      diag.attachNote() << "write " << kind.usage;
      return diag;
    }
    if (failed(set(kind.parameters[position++], argument)))
      return failure();
  }
  return success();
}

LogicalResult Arguments::unknownName(const syntax::Word &name) const {
  InFlightDiagnostic diag = scope.source.error(name.loc);
  diag << "'" << kind.name << "' has no argument '" << name.text << "'";
  if (kind.parameters.empty())
    diag << ", it takes none";
  else
    diag << ", expected " << quotedList(kind.parameters);
  suggest(*diag.getUnderlyingDiagnostic(), name.text, kind.parameters);
  return diag;
}

LogicalResult Arguments::set(StringRef name, const syntax::Argument &argument) {
  const auto *parameter = llvm::find(kind.parameters, name);
  if (parameter == kind.parameters.end())
    return unknownName({name, argument.loc});
  const syntax::Argument *&slot = values[parameter - kind.parameters.begin()];
  if (slot) {
    InFlightDiagnostic diag = scope.source.error(argument.loc);
    diag << "argument '" << name << "' of '" << kind.name << "' is given twice";
    diag.attachNote(scope.source.at(slot->loc)) << "first given here";
    return diag;
  }
  slot = &argument;
  return success();
}

LogicalResult Arguments::require(StringRef name) const {
  if (has(name))
    return success();
  InFlightDiagnostic diag = scope.source.error(mask.loc);
  diag << "'" << kind.name << "' needs the argument '" << name << "'";
  diag.attachNote() << "write " << kind.usage;
  return diag;
}

FailureOr<int64_t> Arguments::toNumber(StringRef name, const syntax::Value &value,
                                       int64_t least) const {
  if (value.kind != syntax::Value::Number)
    return scope.source.error(value.loc)
           << "'" << name << "' of '" << kind.name << "' must be a number";
  // The dialect limits magnitudes as well, but speaks of the fields of its attributes.
  if (value.number < least || value.number >= kMaxMagnitude)
    return scope.source.error(value.loc) << "'" << name << "' is " << value.number
                                         << ", but must be at least " << least << " and below 2^40";
  return value.number;
}

FailureOr<bool> Arguments::toBoolean(StringRef name, const syntax::Value &value) const {
  if (value.kind == syntax::Value::Name && (value.word == "true" || value.word == "false"))
    return value.word == "true";
  return scope.source.error(value.loc)
         << "'" << name << "' of '" << kind.name << "' must be 'true' or 'false'";
}

FailureOr<int64_t> Arguments::number(StringRef name, int64_t least) const {
  if (failed(require(name)))
    return failure();
  return toNumber(name, *valueOf(name), least);
}

FailureOr<bool> Arguments::boolean(StringRef name, bool fallback) const {
  const syntax::Value *value = valueOf(name);
  if (!value)
    return fallback;
  if (kind.flag == name && value->kind == syntax::Value::Name && value->word == name)
    return true;
  return toBoolean(name, *value);
}

template <class T, class Convert>
FailureOr<SmallVector<T>> Arguments::perDimension(StringRef name, T fallback,
                                                  Convert convert) const {
  const syntax::Value *value = valueOf(name);
  size_t rank = scope.layouts.queryDims.size();
  if (!value)
    return SmallVector<T>(rank, fallback);
  if (value->kind != syntax::Value::List) {
    FailureOr<T> single = convert(*value);
    if (failed(single))
      return failure();
    return SmallVector<T>(rank, *single);
  }
  if (value->items.size() != rank)
    return scope.source.error(value->loc) << "'" << name << "' has " << value->items.size()
                                          << " entries, but the token layout has " << rank
                                          << (rank == 1 ? " dimension" : " dimensions");
  SmallVector<T> list;
  for (const syntax::Value &item : value->items) {
    FailureOr<T> entry = convert(item);
    if (failed(entry))
      return failure();
    list.push_back(*entry);
  }
  return list;
}

FailureOr<SmallVector<int64_t>> Arguments::numbers(StringRef name, int64_t least,
                                                   int64_t fallback) const {
  return perDimension<int64_t>(
      name, fallback, [&](const syntax::Value &value) { return toNumber(name, value, least); });
}

FailureOr<SmallVector<bool>> Arguments::booleans(StringRef name, bool fallback) const {
  return perDimension<bool>(name, fallback,
                            [&](const syntax::Value &value) { return toBoolean(name, value); });
}

FailureOr<RankedTensorType> Arguments::declaredType(const syntax::Value &value,
                                                    StringRef shape) const {
  ArrayRef<StringRef> names = scope.layouts.inputNames;
  const auto *declared = llvm::find(names, value.word);
  if (declared != names.end())
    return cast<RankedTensorType>(scope.layouts.inputTypes[declared - names.begin()]);
  InFlightDiagnostic diag = scope.source.error(value.loc);
  diag << "unknown input '" << value.word << "'";
  suggest(*diag.getUnderlyingDiagnostic(), value.word, names);
  diag.attachNote() << "declare it with 'input " << value.word << " : " << shape << "'";
  return diag;
}

FailureOr<FlatSymbolRefAttr> Arguments::input(StringRef name, unsigned bits,
                                              ArrayRef<StringRef> dims, bool broadcasts) const {
  if (failed(require(name)))
    return failure();
  const syntax::Value &value = *valueOf(name);
  if (value.kind != syntax::Value::Name)
    return scope.source.error(value.loc)
           << "'" << name << "' of '" << kind.name << "' must be the name of an input";
  std::string shape = (bits == 1 ? "bool[" : "i32[") + llvm::join(dims, ", ") + "]";
  FailureOr<RankedTensorType> type = declaredType(value, shape);
  if (failed(type))
    return failure();
  bool fits = type->getElementType().isInteger(bits) && type->getRank() == int64_t(dims.size());
  for (unsigned d = 0; fits && d < dims.size(); ++d)
    fits =
        type->getDimSize(d) == scope.extentOf(dims[d]) || (broadcasts && type->getDimSize(d) == 1);
  if (fits)
    return FlatSymbolRefAttr::get(scope.source.getContext(), value.word);
  return scope.source.error(value.loc) << "input '" << value.word << "' must be " << shape
                                       << (broadcasts ? ", or 1 in place of a dimension," : "")
                                       << " to be used by '" << kind.name << "'";
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

Attribute buildKind(const syntax::Mask &mask, const MaskScope &scope) {
  for (const MaskKind &kind : maskKinds()) {
    if (kind.name != mask.kind.text)
      continue;
    Arguments arguments(mask, kind, scope);
    return failed(arguments.match()) ? Attribute() : kind.build(arguments);
  }
  SmallVector<StringRef> names;
  for (const MaskKind &kind : maskKinds())
    names.push_back(kind.name);
  InFlightDiagnostic diag = scope.source.error(mask.loc);
  diag << "unknown mask kind '" << mask.kind.text << "', expected " << quotedList(names);
  suggest(*diag.getUnderlyingDiagnostic(), mask.kind.text, names);
  return {};
}

Attribute buildExpression(const syntax::Mask &mask, const MaskScope &scope) {
  if (mask.op == syntax::Mask::Kind)
    return buildKind(mask, scope);
  SmallVector<Attribute> operands;
  for (const syntax::Mask &operand : mask.operands) {
    operands.push_back(buildExpression(operand, scope));
    if (!operands.back())
      return {};
  }
  MLIRContext *context = scope.source.getContext();
  if (mask.op == syntax::Mask::Not)
    return NotAttr::get(context, operands.front());
  if (mask.op == syntax::Mask::And)
    return AndAttr::get(context, operands);
  return OrAttr::get(context, operands);
}

} // namespace

int64_t MaskScope::extentOf(StringRef dimension) const {
  if (dimension == "batch")
    return batch;
  if (dimension == "heads")
    return heads;
  assert((dimension == "tokens" || dimension == "kv_tokens") && "the parser knows four dimensions");
  return dimension == "tokens" ? tokens : kvTokens;
}

Attribute buildMask(const syntax::Mask &mask, const MaskScope &scope) {
  Attribute attr = buildExpression(mask, scope);
  if (!attr)
    return {};
  Attribute simple = cast<MaskAttrInterface>(attr).simplified();
  if (formulaOf(simple, scope.layouts.keyDims, scope.layouts.inputNames))
    return attr;
  scope.source.error(mask.loc) << "mask has more than " << kMaxAtoms
                               << " different parts, or they are nested too deep";
  return {};
}

} // namespace attn
