// A package in words, for attnc_package_json and `attnc inspect`.
#include "runtime/Package.h"

#include <nlohmann/json.hpp>

namespace attn {
namespace {

using nlohmann::ordered_json;

/// Characters of a mask that anybody reads. Shared nodes are printed once for each use, so that a
/// dag may be exponentially longer as text.
constexpr double kMaxText = 1 << 14;
constexpr size_t kMaxMasks = 1024;

double printedNodes(const ExprDag &dag, std::vector<double> &of) {
  double all = 0;
  of.assign(dag.nodes().size(), 1);
  for (size_t i = 0; i < of.size(); ++i) {
    const ExprNode &node = dag.nodes()[i];
    for (int32_t operand : {node.a, node.b, node.c})
      of[i] += operand < 0 ? 0 : of[size_t(operand)];
    all = std::max(all, of[i]);
  }
  return all;
}

double printedNodes(const PairExpr &expr) {
  std::vector<double> of(expr.size(), 1);
  for (size_t i = 0; i < expr.size(); ++i)
    for (int32_t operand : expr[i].operands())
      of[i] += operand < 0 ? 0 : of[size_t(operand)];
  return of.empty() ? 0 : of.back();
}

/// Nodes that printing the atom visits.
double printedNodes(const Formula &formula, const Atom &atom) {
  if (atom.kind == AtomKind::Predicate)
    return printedNodes(formula.predicates[size_t(atom.index)]);
  double nodes = 1;
  std::vector<double> of;
  for (size_t d = 0; d < atom.dims.size(); ++d)
    nodes += 3 * printedNodes(formula.dags[d], of);
  return nodes;
}

ordered_json masksOf(const KernelInfo &info) {
  ordered_json masks = ordered_json::array();
  for (size_t mask = 0; mask < std::min(info.formulaOfMask.size(), kMaxMasks); ++mask) {
    std::vector<int64_t> heads = headsOfMask(info, mask);
    if (heads.empty())
      continue;
    ordered_json entry{{"heads", heads},
                       {"formula", maskText(info.formulas[size_t(info.formulaOfMask[mask])])}};
    for (const HeadParameter &parameter : info.parametersOfMask[mask])
      if (parameter.span)
        entry["parameters"].push_back({{"alpha", parameter.span->alpha},
                                       {"beta", parameter.span->beta},
                                       {"new_tokens", parameter.span->newTokens}});
      else
        entry["parameters"].push_back(parameter.value);
    masks.push_back(std::move(entry));
  }
  return masks;
}

ordered_json inputsOf(const KernelInfo &info) {
  ordered_json inputs = ordered_json::array();
  for (const InputInfo &input : info.inputs)
    inputs.push_back(
        {{"name", input.name}, {"dtype", dtypeName(input.dtype)}, {"shape", input.shape}});
  return inputs;
}

} // namespace

std::vector<int64_t> headsOfMask(const KernelInfo &info, size_t mask) {
  std::vector<int64_t> heads;
  for (size_t head = 0; head < info.maskOfHead.size(); ++head)
    if (size_t(info.maskOfHead[head]) == mask)
      heads.push_back(int64_t(head));
  return heads;
}

std::string maskText(const Formula &formula) {
  double nodes = 0;
  for (const TruthStep &step : formula.truth)
    nodes += step.op == TruthOp::Atom ? printedNodes(formula, formula.atoms[size_t(step.atom)]) : 1;
  if (nodes * 8 > kMaxText)
    return fmt::format("a formula of {} atoms, too long to print", formula.atoms.size());
  return formula.print();
}

std::string describe(const Package &package) {
  const KernelInfo &info = package.kernel();
  ordered_json json;
  json["format"] = kPackageVersion;
  json["compiler"] = package.compiler();
  json["kernel"] = info.name;
  json["dtype"] = dtypeName(info.dtype);
  json["batch"] = info.batch;
  json["heads"] = info.heads;
  json["kv_heads"] = info.kvHeads;
  json["head_dim"] = info.headDimQk;
  json["value_dim"] = info.headDimV;
  json["tokens"] = info.tokens;
  json["kv_tokens"] = info.kvTokens;
  json["query_offset"] = info.queryOffset ? ordered_json(*info.queryOffset) : ordered_json();
  json["inputs"] = inputsOf(info);
  json["masks"] = masksOf(info);
  json["targets"] = ordered_json::array();
  for (const auto &[unit, one] : package.units()) {
    ordered_json entry{{"unit", unit}, {"target", one.target}, {"entry", one.entry}};
    entry["query_tile"] = std::vector(one.queryTile.begin(), one.queryTile.begin() + one.rank);
    entry["key_tile"] = std::vector(one.keyTile.begin(), one.keyTile.begin() + one.rank);
    if (one.target == "cpu")
      entry["scratch_bytes"] = one.scratchBytes;
    else
      entry["threads_per_block"] = one.threadsPerBlock, entry["shared_bytes"] = one.sharedBytes;
    json["units"].push_back(std::move(entry));
    if (std::find(json["targets"].begin(), json["targets"].end(), one.target) ==
        json["targets"].end())
      json["targets"].push_back(one.target);
  }
  for (const Section &section : package.sections())
    json["sections"].push_back({{"kind", section.kind},
                                {"target", section.target},
                                {"unit", section.unit},
                                {"size", section.bytes.size()},
                                {"checksum", hexText(section.digest)}});
  json["size"] = package.size();
  json["checksum"] = hexText(package.digest());
  json["spec"] = package.spec();
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace);
}

} // namespace attn
