//===- MaskArguments.cpp - the arguments of a mask kind -------------------===//
#include "frontend/MaskArguments.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace attn {

//===----------------------------------------------------------------------===//
// Matching
//===----------------------------------------------------------------------===//

const syntax::Value *MaskArguments::valueOf(StringRef name) const {
  const auto *parameter = llvm::find(kind.parameters, name);
  assert(parameter != kind.parameters.end() && "a kind asks for its own parameters only");
  const syntax::Argument *argument = values[parameter - kind.parameters.begin()];
  return argument ? &argument->value : nullptr;
}

LogicalResult MaskArguments::match() {
  unsigned position = 0;
  for (const syntax::Argument &argument : mask.arguments) {
    bool isFlag = !kind.flag.empty() && argument.value.kind == syntax::Value::Name;
    StringRef name = argument.name ? argument.name->text : isFlag ? argument.value.word : "";
    if (name.empty()) {
      if (position == kind.positional)
        return tooMany(argument);
      name = kind.parameters[position++];
    }
    if (failed(set(name, argument)))
      return failure();
  }
  return success();
}

LogicalResult MaskArguments::tooMany(const syntax::Argument &argument) const {
  InFlightDiagnostic diag = scope.source.error(argument.loc);
  if (kind.positional == 0)
    diag << "'" << kind.name << "' takes no number";
  else
    diag << "'" << kind.name << "' takes at most " << kind.positional
         << (kind.positional == 1 ? " argument" : " arguments") << " without a name";
  return noteUsage(diag);
}

LogicalResult MaskArguments::unknownName(const syntax::Word &name) const {
  InFlightDiagnostic diag = scope.source.error(name.loc);
  diag << "'" << kind.name << "' has no argument '" << name.text << "'";
  if (kind.parameters.empty())
    diag << ", it takes none";
  else
    diag << ", expected " << quotedList(kind.parameters);
  suggest(*diag.getUnderlyingDiagnostic(), name.text, kind.parameters);
  return diag;
}

LogicalResult MaskArguments::set(StringRef name, const syntax::Argument &argument) {
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

LogicalResult MaskArguments::require(StringRef name) const {
  if (has(name))
    return success();
  InFlightDiagnostic diag = error();
  diag << "'" << kind.name << "' needs the argument '" << name << "'";
  return noteUsage(diag);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

InFlightDiagnostic MaskArguments::mustBe(StringRef name, const syntax::Value &value,
                                         const Twine &what) const {
  InFlightDiagnostic diag = scope.source.error(value.loc);
  diag << "'" << name << "' of '" << kind.name << "' must be " << what;
  return diag;
}

FailureOr<int64_t> MaskArguments::toNumber(StringRef name, const syntax::Value &value,
                                           int64_t least, StringRef orElse) const {
  if (value.kind != syntax::Value::Number)
    return mustBe(name, value, "a number");
  // The dialect limits magnitudes as well, but speaks of the fields of its attributes.
  if (value.number >= least && value.number < kMaxMagnitude)
    return value.number;
  InFlightDiagnostic diag = scope.source.error(value.loc);
  diag << "'" << name << "' is " << value.number << ", but must be ";
  if (least < -1)
    return diag << "between -2^40 and 2^40" << orElse;
  return diag << "at least " << least << " and below 2^40" << orElse;
}

FailureOr<bool> MaskArguments::toBoolean(StringRef name, const syntax::Value &value) const {
  if (value.kind == syntax::Value::Name && (value.word == "true" || value.word == "false"))
    return value.word == "true";
  return mustBe(name, value, "'true' or 'false'");
}

FailureOr<bool> MaskArguments::toEntry(StringRef name, const syntax::Value &value) const {
  bool isNumber = value.kind == syntax::Value::Number;
  bool isWord = value.kind == syntax::Value::Name;
  if (isNumber && (value.number == 0 || value.number == 1))
    return value.number == 1;
  if (isWord && (value.word == "true" || value.word == "false"))
    return value.word == "true";
  return scope.source.error(value.loc)
         << "entries of '" << name << "' must be 0 or 1, or 'true' or 'false'";
}

FailureOr<int64_t> MaskArguments::number(StringRef name, int64_t least,
                                         std::optional<int64_t> fallback) const {
  if (!has(name) && fallback)
    return *fallback;
  if (failed(require(name)))
    return failure();
  return toNumber(name, *valueOf(name), least);
}

FailureOr<bool> MaskArguments::boolean(StringRef name, bool fallback) const {
  const syntax::Value *value = valueOf(name);
  if (!value)
    return fallback;
  if (kind.flag == name && value->kind == syntax::Value::Name && value->word == name)
    return true;
  return toBoolean(name, *value);
}

FailureOr<size_t> MaskArguments::choice(StringRef name, ArrayRef<StringRef> words) const {
  const syntax::Value *value = valueOf(name);
  if (!value)
    return 0;
  StringRef word = value->kind == syntax::Value::Name ? value->word : "";
  if (const auto *found = llvm::find(words, word); found != words.end())
    return found - words.begin();
  InFlightDiagnostic diag = mustBe(name, *value, quotedList(words));
  suggest(*diag.getUnderlyingDiagnostic(), word, words);
  return diag;
}

template <class T, class Convert>
FailureOr<SmallVector<T>> MaskArguments::perDimension(StringRef name, T fallback,
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

FailureOr<SmallVector<int64_t>> MaskArguments::numbers(StringRef name, int64_t least,
                                                       int64_t fallback,
                                                       std::optional<int64_t> special,
                                                       StringRef meaning) const {
  auto convert = [&](const syntax::Value &value) -> FailureOr<int64_t> {
    if (special && value.kind == syntax::Value::Number && value.number == *special)
      return *special;
    return toNumber(name, value, least, meaning);
  };
  return perDimension<int64_t>(name, fallback, convert);
}

FailureOr<SmallVector<bool>> MaskArguments::booleans(StringRef name, bool fallback) const {
  return perDimension<bool>(name, fallback,
                            [&](const syntax::Value &value) { return toBoolean(name, value); });
}

FailureOr<SmallVector<bool>> MaskArguments::squareTable(StringRef name) const {
  if (failed(require(name)))
    return failure();
  const syntax::Value &table = *valueOf(name);
  if (table.kind != syntax::Value::List)
    return mustBe(name, table, "a list of rows, such as [[1, 0], [1, 1]]");
  size_t count = table.items.size();
  SmallVector<bool> entries;
  for (const syntax::Value &row : table.items) {
    if (row.kind != syntax::Value::List)
      return mustBe(name, row, "a list of rows, such as [[1, 0], [1, 1]]");
    if (row.items.size() != count)
      return scope.source.error(row.loc)
             << "row has " << row.items.size() << (row.items.size() == 1 ? " entry" : " entries")
             << ", but '" << name << "' has " << count << (count == 1 ? " row" : " rows")
             << ", and must be square";
    for (const syntax::Value &item : row.items) {
      FailureOr<bool> entry = toEntry(name, item);
      if (failed(entry))
        return failure();
      entries.push_back(*entry);
    }
  }
  return entries;
}

FailureOr<syntax::Word> MaskArguments::text(StringRef name) const {
  if (failed(require(name)))
    return failure();
  const syntax::Value &value = *valueOf(name);
  if (value.kind != syntax::Value::String)
    return mustBe(name, value, "a string in '\"'");
  return syntax::Word{value.word, value.loc};
}

FailureOr<FlatSymbolRefAttr> MaskArguments::group(StringRef name) const {
  if (failed(require(name)))
    return failure();
  const syntax::Value &value = *valueOf(name);
  if (value.kind != syntax::Value::Name) {
    InFlightDiagnostic diag = mustBe(name, value, "the name of a token group");
    return noteUsage(diag);
  }
  ArrayRef<StringRef> groups = scope.layouts.groupNames;
  if (llvm::is_contained(groups, value.word))
    return FlatSymbolRefAttr::get(context(), value.word);
  InFlightDiagnostic diag = scope.source.error(value.loc);
  diag << "unknown token group '" << value.word << "'";
  if (groups.empty()) {
    diag.attachNote() << "groups are named in the layout, for example 'tokens video[30, 48, 80] + "
                         "text[256]'";
    return diag;
  }
  diag << ", expected " << quotedList(groups);
  suggest(*diag.getUnderlyingDiagnostic(), value.word, groups);
  return diag;
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

FailureOr<RankedTensorType> MaskArguments::declaredType(StringRef name, StringRef shape) const {
  if (failed(require(name)))
    return failure();
  const syntax::Value &value = *valueOf(name);
  if (value.kind != syntax::Value::Name) {
    InFlightDiagnostic diag = mustBe(name, value, "the name of an input");
    return noteUsage(diag);
  }
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

FailureOr<FlatSymbolRefAttr> MaskArguments::input(StringRef name, unsigned bits,
                                                  ArrayRef<StringRef> dims, bool broadcasts) const {
  std::string shape = (bits == 1 ? "bool[" : "i32[") + llvm::join(dims, ", ") + "]";
  FailureOr<RankedTensorType> type = declaredType(name, shape);
  if (failed(type))
    return failure();
  bool fits = type->getElementType().isInteger(bits) && type->getRank() == int64_t(dims.size());
  for (unsigned d = 0; fits && d < dims.size(); ++d)
    fits =
        type->getDimSize(d) == scope.extentOf(dims[d]) || (broadcasts && type->getDimSize(d) == 1);
  StringRef word = valueOf(name)->word;
  if (fits)
    return FlatSymbolRefAttr::get(context(), word);
  return errorAt(name) << "input '" << word << "' must be " << shape
                       << (broadcasts ? ", or 1 in place of a dimension," : "")
                       << " to be used by '" << kind.name << "'";
}

FailureOr<FlatSymbolRefAttr> MaskArguments::headInput(StringRef name,
                                                      ArrayRef<int64_t> extents) const {
  auto written = [](int64_t extent) {
    return ShapedType::isDynamic(extent) ? std::string("?") : std::to_string(extent);
  };
  std::string list = llvm::join(llvm::map_range(extents, written), ", ");
  FailureOr<RankedTensorType> type = declaredType(name, "i32[" + list + "]");
  if (failed(type))
    return failure();
  ArrayRef<int64_t> shape = type->getShape();
  bool isPerHead = shape.size() == extents.size() + 2;
  bool fits = type->getElementType().isInteger(32) && (isPerHead || shape.size() == extents.size());
  if (fits && isPerHead)
    fits = llvm::is_contained({int64_t(1), scope.batch}, shape[0]) &&
           llvm::is_contained({int64_t(1), scope.heads}, shape[1]);
  // A `?` of the input is compared when the kernel runs.
  if (fits)
    for (auto [extent, wanted] : llvm::zip(shape.take_back(extents.size()), extents))
      fits &= extent == wanted || ShapedType::isDynamic(wanted) || ShapedType::isDynamic(extent);
  StringRef word = valueOf(name)->word;
  if (fits)
    return FlatSymbolRefAttr::get(context(), word);
  return errorAt(name) << "input '" << word << "' must be i32[" << list << "] or i32[batch, heads, "
                       << list
                       << "], with 1 in place of a dimension that is shared, to be used by '"
                       << kind.name << "'";
}

Attribute MaskArguments::check(Attribute attr) const {
  if (!attr ||
      failed(cast<MaskAttrInterface>(attr).verifyOn([&] { return error(); }, scope.layouts)))
    return {};
  return attr;
}

} // namespace attn
