//===- InspectVerb.cpp - what is inside a package -------------------------===//
#include "tools/Inspect.h"

#include "runtime/LaunchChecks.h"
#include "runtime/Package.h"
#include "tools/BoundSpec.h"
#include "tools/Report.h"

#include <fmt/ranges.h>

#include <cstdio>

namespace attn::tools {

namespace {

std::string tileText(const Coords &tile, int rank) {
  return fmt::format("{}", fmt::join(tile.begin(), tile.begin() + rank, "x"));
}

std::string parameterText(const HeadParameter &parameter) {
  if (!parameter.span)
    return std::to_string(parameter.value);
  return fmt::format("span({} + {} N, {} new)", parameter.span->alpha, parameter.span->beta,
                     parameter.span->newTokens);
}

std::string masksText(const KernelInfo &info) {
  std::string text;
  for (size_t mask = 0; mask < info.formulaOfMask.size(); ++mask) {
    std::vector<int64_t> heads = headsOfMask(info, mask);
    if (heads.empty())
      continue;
    text += fmt::format("heads {}: {}\n", headsText(heads),
                        maskText(info.formulas[size_t(info.formulaOfMask[mask])]));
    const std::vector<HeadParameter> &row = info.parametersOfMask[mask];
    for (size_t i = 0; i < row.size(); ++i)
      text += fmt::format("{}p{} = {}", i ? ", " : "  with ", i, parameterText(row[i]));
    text += row.empty() ? "" : "\n";
  }
  return text;
}

std::string sectionsText(const Package &package) {
  std::string text =
      fmt::format("{:<9} {:<9} {:<9} {:>9}  {}\n", "section", "target", "unit", "bytes", "SHA-256");
  for (const Section &section : package.sections())
    text += fmt::format("{:<9} {:<9} {:<9} {:>9}  {}\n", section.kind, section.target, section.unit,
                        section.bytes.size(), hexText(section.digest));
  text += fmt::format("{:<9} {:<9} {:<9} {:>9}  {}\n", "file", "", "", package.size(),
                      hexText(package.digest()));
  return text;
}

std::string unitsText(const Package &package) {
  std::string text;
  for (const auto &[unit, info] : package.units()) {
    text += fmt::format("unit     {}: tiles {} by {}, ", unit, tileText(info.queryTile, info.rank),
                        tileText(info.keyTile, info.rank));
    text += info.target == "cpu" ? fmt::format("{} bytes of scratch a worker\n", info.scratchBytes)
                                 : fmt::format("{} threads, {} bytes of shared memory a block\n",
                                               info.threadsPerBlock, info.sharedBytes);
  }
  return text;
}

std::string asText(const Package &package) {
  const KernelInfo &info = package.kernel();
  std::string batch = info.batch < 0 ? "?" : std::to_string(info.batch);
  std::string text = fmt::format(
      "kernel   {}: {}, batch {}, heads {}, kv_heads {}, head_dim {}, value_dim {}\n", info.name,
      dtypeName(info.dtype), batch, info.heads, info.kvHeads, info.headDimQk, info.headDimV);
  text +=
      fmt::format("tokens   {}, kv_tokens {}\n", shapeText(info.tokens), shapeText(info.kvTokens));
  for (const InputInfo &input : info.inputs)
    text += fmt::format("input    {}: {} {}\n", input.name, dtypeName(input.dtype),
                        shapeText(input.shape));
  text += masksText(info);
  text += unitsText(package);
  text += fmt::format("made by  {}, format {}\n\n", package.compiler(), kPackageVersion);
  return text + sectionsText(package);
}

/// "ptx sm_80", as --extract wants it: "ptx", or "ptx:sm_80" where there are several.
Expected<const Section *> sectionOf(const Package &package, const std::string &name) {
  size_t colon = name.find(':');
  std::string kind = name.substr(0, colon);
  std::string target = colon == std::string::npos ? "" : name.substr(colon + 1);
  if (const Section *found = package.find(kind, target))
    return found;
  std::string list;
  for (const Section &section : package.sections())
    list += fmt::format("{}'{}{}{}'", list.empty() ? "" : ", ", section.kind,
                        section.target.empty() ? "" : ":", section.target);
  bool several = false;
  for (const Section &section : package.sections())
    several |= section.kind == kind && target.empty();
  return makeError("the package has {} '{}'", several ? "several sections" : "no section", name)
      .withNote("its sections are {}", list);
}

Expected<std::string> contentOf(const Package &package, const InspectOptions &options) {
  if (options.extract.empty())
    return options.format == "json" ? describe(package) + "\n" : asText(package);
  Expected<const Section *> section = sectionOf(package, options.extract);
  if (!section)
    return section.takeError();
  return std::string((*section)->text());
}

} // namespace

int inspectVerb(const InspectOptions &options) {
  if (!options.extract.empty() && options.format == "json")
    return fail(makeError("'--extract' writes a section as it is, and JSON describes the package")
                    .withNote("leave out '--json' or '--extract'"));
  Expected<Package> package = Package::open(options.package);
  if (!package)
    return fail(package.error());
  Expected<std::string> content = contentOf(*package, options);
  if (!content)
    return fail(content.error());
  if (Status written = writeOutput(options.output, *content); !written)
    return fail(written.error());
  return 0;
}

} // namespace attn::tools
