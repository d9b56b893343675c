#include "tools/Explanation.h"

#include "nlohmann/json.hpp"

#include <cmath>

namespace attn::tools {

namespace {

using Json = nlohmann::ordered_json;

Json lengths(llvm::ArrayRef<int64_t> dims) {
  Json list = Json::array();
  for (int64_t dim : dims)
    list.push_back(mlir::ShapedType::isDynamic(dim) ? Json(nullptr) : Json(dim));
  return list;
}

template <class T> Json orNull(const std::optional<T> &value) {
  return value ? Json(*value) : Json(nullptr);
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json factsJson(const std::vector<Fact> &facts) {
  Json list = Json::array();
  for (const Fact &fact : facts)
    list.push_back({{"id", fact.id}, {"text", fact.text}});
  return list;
}

Json countsJson(const std::optional<Counts> &counts) {
  if (!counts)
    return nullptr;
  return {{"tiles_visited", counts->tiles.visited},
          {"tiles_full", counts->tiles.full},
          {"tiles_partial", counts->tiles.visited - counts->tiles.full},
          {"tiles_all", counts->tiles.all},
          {"tiles_worst_query", counts->tiles.worst},
          {"visible_pairs", counts->visiblePairs},
          {"all_pairs", counts->allPairs},
          {"density", counts->density()},
          {"exact", counts->exact},
          {"exact_pairs", counts->exactPairs},
          {"bounds",
           {{"flop", number(counts->flopBound())},
            {"tile_mean", number(counts->tileMeanBound())},
            {"tile_worst", number(counts->tileWorstBound())}}}};
}

Json atomJson(const AtomFact &atom) {
  Json json = {
      {"name", atom.name}, {"kind", atom.kind}, {"rule", atom.rule}, {"words", atom.words}};
  Json bounds = Json::array();
  for (const auto &[lo, hi] : atom.bounds)
    bounds.push_back({{"lo", lo}, {"hi", hi}});
  json["bounds"] = std::move(bounds);
  return json;
}

Json visitsJson(const VisitFact &visits) {
  if (!visits.why.empty())
    return {{"formula", false}, {"why", visits.why}};
  Json ranges = Json::array();
  for (const std::vector<RangeFact> &range : visits.ranges) {
    Json dimensions = Json::array();
    for (const RangeFact &fact : range)
      dimensions.push_back({{"begin", fact.begin},
                            {"end", fact.end},
                            {"key_begin", fact.keyBegin},
                            {"key_end", fact.keyEnd}});
    ranges.push_back(std::move(dimensions));
  }
  return {{"formula", true}, {"ranges", std::move(ranges)}, {"checked_on", visits.checked}};
}

Json groupJson(const GroupFact &group) {
  Json json = {{"heads", lengths(group.heads)},
               {"mask", group.mask},
               {"truth", group.truth},
               {"sees_nothing", group.seesNothing}};
  json["atoms"] = Json::array();
  for (const AtomFact &atom : group.atoms)
    json["atoms"].push_back(atomJson(atom));
  json["visits"] = visitsJson(group.visits);
  json["counts"] = countsJson(group.counts);
  json["list"] = group.list ? Json{{"ranges_least", group.list->least},
                                   {"ranges_most", group.list->most},
                                   {"ranges", group.list->ranges},
                                   {"bytes", group.list->bytes}}
                            : Json(nullptr);
  json["notes"] = factsJson(group.notes);
  json["gaps"] = factsJson(group.gaps);
  return json;
}

} // namespace

std::string explanationJson(const Explanation &e) {
  Json json = {{"kernel", e.kernel},
               {"tokens", lengths(e.tokens)},
               {"kv_tokens", lengths(e.kvTokens)},
               {"q_offset", orNull(e.queryOffset)},
               {"batch_entry", orNull(e.batchEntry)},
               {"heads", e.heads},
               {"kv_heads", e.kvHeads},
               {"steps", lengths(e.steps)},
               {"q_tile", lengths(e.queryTile)},
               {"k_tile", lengths(e.keyTile)},
               {"binding", e.binding.empty() ? Json(nullptr) : Json(e.binding)},
               {"words", factsJson(e.words)}};
  json["groups"] = Json::array();
  for (const GroupFact &group : e.groups)
    json["groups"].push_back(groupJson(group));
  json["total"] = countsJson(e.total);
  json["code"] = Json::array();
  for (const CodeFact &code : e.code)
    json["code"].push_back({{"heads", code.heads}, {"constants", code.constants}});
  json["at_launch"] = factsJson(e.atLaunch);
  json["in_kernel"] = factsJson(e.inKernel);
  json["never"] = factsJson(e.never);
  // MLIR allows bytes in names that are no UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace attn::tools
