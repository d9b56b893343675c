//===- Json.h - reading small JSON objects with good errors ------*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

namespace attn {

/// The text as one JSON object in which no key is there twice.
inline Expected<nlohmann::ordered_json> parseObject(const std::string &text,
                                                    const std::string &origin) {
  using Json = nlohmann::ordered_json;
  constexpr int kDeepest = 64;
  std::vector<std::set<std::string>> keys;
  std::string twice;
  bool tooDeep = false;
  auto watch = [&](int depth, Json::parse_event_t event, Json &value) {
    tooDeep |= depth > kDeepest;
    if (event == Json::parse_event_t::object_start)
      keys.emplace_back();
    if (event == Json::parse_event_t::object_end && !keys.empty())
      keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.empty()) {
      std::string key = value.get<std::string>();
      if (!keys.back().insert(key).second)
        twice = key;
    }
    return true;
  };
  Json json = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (json.is_discarded())
    return makeError("'{}' is no JSON", origin);
  if (tooDeep)
    return makeError("'{}' is nested more than {} deep", origin, kDeepest);
  if (!twice.empty())
    return makeError("'{}' has the key '{}' twice", origin, twice);
  if (!json.is_object())
    return makeError("'{}' must hold an object: '{{ ... }}'", origin);
  return json;
}

/// An error names the first key of `object` that is not one of `known`.
template <class Names>
Status onlyKeys(const nlohmann::ordered_json &object, const Names &known,
                const std::string &where) {
  for (const auto &[key, value] : object.items()) {
    bool isKnown = std::any_of(std::begin(known), std::end(known),
                               [&](const auto &name) { return key == name; });
    if (isKnown)
      continue;
    std::string list;
    for (const auto &name : known)
      list += (list.empty() ? "" : ", ") + std::string(name);
    return makeError("unknown key '{}' in {}", key, where).withNote("known are {}", list);
  }
  return {};
}
inline Status onlyKeys(const nlohmann::ordered_json &object,
                       std::initializer_list<const char *> known, const std::string &where) {
  return onlyKeys<std::initializer_list<const char *>>(object, known, where);
}

} // namespace attn
