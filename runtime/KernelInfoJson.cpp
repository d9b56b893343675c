#include "runtime/KernelInfoJson.h"

#include "runtime/KernelInfoChecks.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace attn {
namespace {

using nlohmann::json;

/// Deeper than any text of ours.
constexpr int kMaxDepth = 16;

//===----------------------------------------------------------------------===//
// Names of enumerators, in their order
//===----------------------------------------------------------------------===//

template <class E> struct Names;
#define ATTN_NAMES(Enum, Last, ...)                                                                \
  template <> struct Names<Enum> {                                                                 \
    static constexpr std::string_view list[] = {__VA_ARGS__};                                      \
    static_assert(std::size(list) == size_t(Enum::Last) + 1, "each enumerator has a name");        \
  }
ATTN_NAMES(ExprOp, Table, "constant", "query", "symbol", "add", "sub", "mul", "floordiv", "mod",
           "min", "max", "less", "select", "table");
ATTN_NAMES(PairOp, Lookup, "constant", "query", "row", "key", "head", "symbol", "table", "add",
           "sub", "mul", "floordiv", "mod", "min", "max", "less", "less_equal", "equal", "and",
           "or", "not", "select", "lookup");
ATTN_NAMES(SymbolKind, Span, "num_queries", "num_keys", "query_offset", "dim", "head_param",
           "batch_input", "head_formula", "batch", "head_input", "span");
ATTN_NAMES(TableKind, RunEnd, "input", "key_begin", "key_end", "align_begin", "align_end",
           "run_begin", "run_end");
ATTN_NAMES(AtomKind, Predicate, "box", "labels", "mask", "classes", "listed", "predicate");
ATTN_NAMES(TruthOp, Not, "atom", "true", "and", "or", "not");
ATTN_NAMES(IndexedBy, Key, "unsaid", "query", "key");
#undef ATTN_NAMES

//===----------------------------------------------------------------------===//
// The members of each structure, for both directions
//===----------------------------------------------------------------------===//

// `auto &[...] = x` names every member, or it does not compile.
template <class Io> void members(Io &io, ExprNode &x) {
  auto &[op, a, b, c, value] = x;
  io("op", op), io("a", a), io("b", b), io("c", c), io("value", value);
}
template <class Io> void members(Io &io, PairNode &x) {
  auto &[op, a, b, c, d, value] = x;
  io("op", op), io("a", a), io("b", b), io("c", c), io("d", d), io("value", value);
}
template <class Io> void members(Io &io, Symbol &x) {
  auto &[kind, index] = x;
  io("kind", kind), io("index", index);
}
template <class Io> void members(Io &io, TableInfo &x) {
  auto &[kind, queryInput, keyInput] = x;
  io("kind", kind), io("query_input", queryInput), io("key_input", keyInput);
}
template <class Io> void members(Io &io, SpanRule &x) {
  auto &[alpha, beta, newTokens] = x;
  io("alpha", alpha), io("beta", beta), io("new_tokens", newTokens);
}
template <class Io> void members(Io &io, ClassTable &x) {
  auto &[count, allow] = x;
  io("count", count), io("allow", allow);
}
template <class Io> void members(Io &io, BlockList &x) {
  auto &[rowInput, keyInput, size] = x;
  io("row_input", rowInput), io("key_input", keyInput), io("size", size);
}
template <class Io> void members(Io &io, AtomDim &x) {
  auto &[lo, hi, modulus, shift, width, relative] = x;
  io("lo", lo), io("hi", hi), io("modulus", modulus), io("shift", shift), io("width", width),
      io("relative", relative);
}
template <class Io> void members(Io &io, Atom &x) {
  auto &[kind, dims, input, keyInput, index] = x;
  io("kind", kind), io("dims", dims), io("input", input), io("key_input", keyInput),
      io("index", index);
}
template <class Io> void members(Io &io, TruthStep &x) {
  auto &[op, atom] = x;
  io("op", op), io("atom", atom);
}
template <class Io> void members(Io &io, Formula &x) {
  auto &[rank, symbols, tables, spans, classTables, blockLists, predicates, dags, atoms, truth,
         taps] = x;
  io("rank", rank), io("symbols", symbols), io("tables", tables), io("spans", spans),
      io("class_tables", classTables), io("block_lists", blockLists), io("predicates", predicates),
      io("dags", dags), io("atoms", atoms), io("truth", truth), io("taps", taps);
}
template <class Io> void members(Io &io, HeadParameter &x) {
  auto &[value, span] = x;
  io("value", value), io("span", span);
}
template <class Io> void members(Io &io, InputInfo &x) {
  auto &[name, dtype, shape, indexedBy] = x;
  io("name", name), io("dtype", dtype), io("shape", shape), io("indexed_by", indexedBy);
}
template <class Io> void members(Io &io, KernelInfo &x) {
  auto &[name, target, entry, dtype, batch, heads, kvHeads, headDimQk, headDimV, tokens, kvTokens,
         steps, rank, queryTile, keyTile, formulas, formulaOfMask, parametersOfMask, maskOfHead,
         headParamCount, inputs, queryOffset, needsSameLayout, bounded, tokenBase, tokenUnit,
         packedHeads, scratchBytes, threadsPerBlock, sharedBytes, mergeEntry] = x;
  io("name", name), io("target", target), io("entry", entry), io("dtype", dtype);
  io("batch", batch), io("heads", heads), io("kv_heads", kvHeads);
  io("head_dim", headDimQk), io("value_dim", headDimV);
  io("tokens", tokens), io("kv_tokens", kvTokens), io("steps", steps), io("rank", rank);
  io("query_tile", queryTile), io("key_tile", keyTile);
  io("formulas", formulas), io("formula_of_mask", formulaOfMask);
  io("parameters_of_mask", parametersOfMask), io("mask_of_head", maskOfHead);
  io("head_param_count", headParamCount), io("inputs", inputs), io("query_offset", queryOffset);
  io("needs_same_layout", needsSameLayout), io("bounded", bounded);
  io("token_base", tokenBase), io("token_unit", tokenUnit);
  io("scratch_bytes", scratchBytes), io("threads_per_block", threadsPerBlock);
  io("shared_bytes", sharedBytes);
  io("packed_heads", packedHeads), io("merge_entry", mergeEntry);
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

template <class T> json write(const T &x);

struct Writer {
  json &out;
  template <class T> void operator()(const char *key, const T &value) { out[key] = write(value); }
};

template <class T> json allMembers(T x) {
  json out = json::object();
  Writer writer{out};
  members(writer, x);
  return out;
}

template <class T> struct Type {};

template <class T> json writeAs(const T &x, Type<T>) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(Names<T>::list[size_t(x)]);
  } else if constexpr (std::is_class_v<T>) {
    static const json defaults = allMembers(T());
    json out = allMembers(x);
    for (const auto &[key, value] : defaults.items())
      if (out[key] == value)
        out.erase(key);
    return out;
  } else {
    return x;
  }
}
json writeAs(const std::string &x, Type<std::string>) { return x; }
json writeAs(const DType &x, Type<DType>) { return std::string(dtypeName(x)); }
json writeAs(const ExprDag &x, Type<ExprDag>) { return write(x.nodes()); }
template <class T> json writeAs(const std::optional<T> &x, Type<std::optional<T>>) {
  return x ? write(*x) : json();
}
template <class T> json listOf(const T &x) {
  json out = json::array();
  for (const auto &element : x)
    out.push_back(write(element));
  return out;
}
/// Flags, one character each: a table of 4096 classes has 16 million.
json writeAs(const std::vector<uint8_t> &x, Type<std::vector<uint8_t>>) {
  std::string text;
  for (uint8_t flag : x)
    text += flag ? "1" : "0";
  return text;
}
template <class T> json writeAs(const std::vector<T> &x, Type<std::vector<T>>) { return listOf(x); }
template <class T, size_t N> json writeAs(const std::array<T, N> &x, Type<std::array<T, N>>) {
  return listOf(x);
}

template <class T> json write(const T &x) { return writeAs(x, Type<T>()); }

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// Fills structures from a tree and keeps the first thing that is wrong, with its place.
struct Reader {
  const json *node;
  std::string &place;
  std::optional<Error> &error;

  /// Members that are absent keep their default. Those that nobody asked for show when the text is
  /// compared with the canonical one.
  template <class T> void operator()(const char *key, T &value) {
    if (auto it = node->find(key); it != node->end() && !error)
      within(fmt::format(".{}", key), *it, value);
  }

  template <class T> void within(const std::string &step, const json &child, T &value) {
    size_t length = place.size();
    place += step;
    Reader{&child, place, error}.read(value);
    place.resize(length);
  }

  void fail(std::string_view wanted) {
    if (!error)
      error = makeError("'{}' is {}, but {} is wanted", place.empty() ? place : place.substr(1),
                        node->type_name(), wanted);
  }

  void read(bool &value) {
    node->is_boolean() ? void(value = node->get<bool>()) : fail("true or false");
  }
  void read(double &value) {
    node->is_number() ? void(value = node->get<double>()) : fail("a number");
  }
  void read(std::string &value) {
    node->is_string() ? void(value = node->get<std::string>()) : fail("a string");
  }
  void read(DType &value) {
    std::optional<DType> known;
    if (node->is_string())
      known = parseDType(node->get_ref<const std::string &>());
    known ? void(value = *known) : fail("the name of an element type");
  }
  template <class T> void read(T &value) {
    if constexpr (std::is_enum_v<T>)
      readName(value);
    else if constexpr (std::is_integral_v<T>)
      readInteger(value);
    else
      readMembers(value);
  }
  template <class T> void read(std::optional<T> &value) {
    if (node->is_null())
      value.reset();
    else
      read(value.emplace());
  }
  void read(std::vector<uint8_t> &value) {
    if (!node->is_string())
      return fail("a string of '0' and '1'");
    for (char c : node->get_ref<const std::string &>())
      value.push_back(c == '1');
  }
  template <class T> void read(std::vector<T> &value) {
    if (!node->is_array())
      return fail("a list");
    value.resize(node->size());
    for (size_t i = 0; i < value.size() && !error; ++i)
      within(fmt::format("[{}]", i), (*node)[i], value[i]);
  }
  template <class T, size_t N> void read(std::array<T, N> &value) {
    if (!node->is_array() || node->size() != N)
      return fail(fmt::format("a list of {}", N));
    for (size_t i = 0; i < N && !error; ++i)
      within(fmt::format("[{}]", i), (*node)[i], value[i]);
  }
  void read(ExprDag &value) {
    std::vector<ExprNode> nodes;
    read(nodes);
    for (size_t i = 0; i < nodes.size() && !error; ++i) {
      if (!value.isValidNode(nodes[i]))
        error =
            makeError("'{}[{}]' has operands that are not the earlier nodes its operation wants",
                      place.substr(1), i);
      value.appendRaw(nodes[i]);
    }
  }

  template <class T> void readInteger(T &value) {
    bool fits = node->is_number_unsigned()
                    ? node->get<uint64_t>() <= uint64_t(std::numeric_limits<T>::max())
                    : node->is_number_integer() &&
                          node->get<int64_t>() >= int64_t(std::numeric_limits<T>::min());
    if (!fits)
      return fail(fmt::format("an integer of {} bits", 8 * sizeof(T)));
    value = T(node->get<int64_t>());
  }
  template <class E> void readName(E &value) {
    auto &list = Names<E>::list;
    size_t i = std::size(list);
    if (node->is_string())
      i = size_t(std::find(std::begin(list), std::end(list), node->get_ref<const std::string &>()) -
                 std::begin(list));
    i < std::size(list) ? void(value = E(i)) : fail("the name of a kind or operation");
  }
  template <class T> void readMembers(T &value) {
    if (!node->is_object())
      return fail("an object");
    members(*this, value);
  }
};

/// Brackets that are open at once. Trees are freed and compared by recursion.
int depthOf(std::string_view text) {
  int depth = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted && c == '\\')
      ++i;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == '[' || c == '{'))
      deepest = std::max(deepest, ++depth);
    else if (!quoted && (c == ']' || c == '}'))
      --depth;
  }
  return deepest;
}

} // namespace

std::string toJson(const KernelInfo &info) {
  return write(info).dump(-1, ' ', false, json::error_handler_t::replace);
}

Expected<KernelInfo> kernelInfoFromJson(std::string_view text) {
  if (depthOf(text) > kMaxDepth)
    return makeError("it nests deeper than {} levels", kMaxDepth);
  json tree = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (tree.is_discarded())
    return makeError("it is not valid JSON");
  KernelInfo info;
  std::string place;
  std::optional<Error> error;
  Reader{&tree, place, error}.read(info);
  if (error)
    return std::move(*error);
  if (Status status = checkKernelInfo(info); !status)
    return status.takeError();
  if (toJson(info) != text)
    return makeError(
        "it is not written canonically, or has members that this version does not know");
  return info;
}

} // namespace attn
