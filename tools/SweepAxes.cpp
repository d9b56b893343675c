//===- SweepAxes.cpp - which parameter a key of --sweep is ---------------===//
#include "tools/MaskText.h"
#include "tools/Report.h"
#include "tools/ReportTable.h"
#include "tools/Sweep.h"

#include "llvm/ADT/STLExtras.h"

#include <set>

using namespace mlir;

namespace attn::tools {

/// "window of 'window(4096)', sink of 'sink(64)'".
static std::string listOf(ArrayRef<SweptParameter> parameters) {
  std::string list;
  for (const SweptParameter &p : parameters)
    list += fmt::format("{}'{}' of '{}'", list.empty() ? "" : ", ", p.parameter.name.str(),
                        maskText(p.mask));
  return list.empty() ? "none" : list;
}

static Error unknownKey(const std::string &name, ArrayRef<SweptParameter> parameters) {
  std::vector<std::string> names{"q_tile", "k_tile"};
  for (const SweptParameter &p : parameters)
    names.push_back(p.parameter.name.str());
  Error error = unknownName("key of '--sweep':", name, names);
  return std::move(error).withNote(
      "parameters of the kernel's masks are {}; tiles are 'q_tile' and 'k_tile'",
      listOf(parameters));
}

static Expected<SweptParameter> parameterNamed(const std::string &name,
                                               ArrayRef<SweptParameter> parameters) {
  SmallVector<SweptParameter> found;
  llvm::copy_if(parameters, std::back_inserter(found),
                [&](const SweptParameter &p) { return p.parameter.name == name; });
  if (found.empty())
    return unknownKey(name, parameters);
  if (found.size() > 1)
    return makeError("{} masks of the kernel have a parameter '{}': {}", found.size(), name,
                     listOf(found))
        .withNote("a sweep varies one mask; equal ones are varied together");
  return found.front();
}

/// Windows and strides beyond the layout say nothing that shorter ones do not.
static Status checkEntry(const SweepKey &key, int64_t entry, size_t dim, size_t rank,
                         int64_t length) {
  int64_t least = key.name == "window" || key.name == "stride" ? 1 : 0;
  if (entry >= least && entry <= length)
    return {};
  std::string where = rank > 1 ? fmt::format(" in dimension {}", dim) : "";
  return makeError("'{}' in '--sweep' is {}{}, but {} to {} are allowed there", key.name, entry, where,
                   least, length)
      .withNote("there are {} tokens{}", length, where);
}

static Status checkValue(const SweepKey &key, const Extents &value, const SweptParameter &parameter,
                         const Problem &problem) {
  size_t rank = parameter.parameter.values.size();
  if (value.size() != rank)
    return makeError("'{}' in '--sweep' has the value {}, but '{}' of '{}' has {} {}", key.name,
                     extentsText(value), key.name, maskText(parameter.mask), rank,
                     rank == 1 ? "number" : "numbers")
        .withNote("it is {} now", extentsText(parameter.parameter.values));
  for (size_t d = 0; d < rank; ++d) {
    int64_t length = rank > 1 ? problem.kvTokens[d] : problem.numKeys;
    if (Status fits = checkEntry(key, value[d], d, rank, length); !fits)
      return fits;
  }
  return {};
}

static Status checkWorthwhile(const SweepKey &key, const SweptParameter &parameter) {
  auto parameters = cast<MaskAttrInterface>(parameter.mask).parameters();
  if (key.name == "stride" &&
      llvm::any_of(parameters, [](const MaskParameter &p) { return p.name == "window"; }))
    return {};
  return makeError("'{}=all' in '--sweep' says nothing: only strides within a window have values "
                   "worth trying",
                   key.name)
      .withNote("give numbers or a range, for example '{}=1..64'", key.name);
}

Expected<std::vector<SweepAxis>> axesOf(AttentionOp op, const Problem &problem,
                                        const std::vector<SweepKey> &keys) {
  std::vector<SweptParameter> parameters = parametersOf(op);
  std::vector<SweepAxis> axes;
  for (const SweepKey &key : keys) {
    if (key.name == "q_tile" || key.name == "k_tile")
      continue;
    Expected<SweptParameter> parameter = parameterNamed(key.name, parameters);
    if (!parameter)
      return parameter.takeError();
    SweepAxis axis{parameter->mask, key.name, {}, key.isAll};
    if (key.isAll)
      if (Status fits = checkWorthwhile(key, *parameter); !fits)
        return fits.takeError();
    for (const Extents &value : key.values) {
      if (Status fits = checkValue(key, value, *parameter, problem); !fits)
        return fits.takeError();
      axis.values.emplace_back(value.begin(), value.end());
    }
    axes.push_back(std::move(axis));
  }
  return axes;
}

} // namespace attn::tools
