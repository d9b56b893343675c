#include "simulator/time/MachineFile.h"

#include "simulator/time/Json.h"

#include <cmath>

namespace attn {

using Json = nlohmann::ordered_json;

static Expected<double> numberIn(const Json &json, const ConstantInfo &info,
                                 const std::string &where) {
  if (!json.is_number())
    return makeError("{} must be a number", where);
  double value = json.get<double>();
  if (!(value >= info.lowest && value <= info.highest))
    return makeError("{} is {}, but {} to {}{} are allowed", where, value, info.lowest,
                     info.highest,
                     info.unit == std::string_view("1") ? "" : fmt::format(" {}", info.unit));
  if (info.whole && value != std::floor(value))
    return makeError("{} is {}, but must be a whole number", where, value);
  return value;
}

/// A number, or an object with the value, its range and its source.
static Expected<ConstantValue> parseConstant(const Json &json, const ConstantInfo &info,
                                             const std::string &origin) {
  std::string where = fmt::format("constant '{}' of '{}'", info.key, origin);
  if (!json.is_object()) {
    Expected<double> value = numberIn(json, info, where);
    if (!value)
      return value.takeError();
    return ConstantValue{*value, *value, *value, origin};
  }
  if (Status known = onlyKeys(json, {"value", "low", "high", "source"}, where); !known)
    return known.takeError();
  if (!json.contains("value"))
    return makeError("{} has no 'value'", where);
  double numbers[3];
  const char *const names[] = {"value", "low", "high"};
  for (int i = 0; i < 3; ++i) {
    numbers[i] = numbers[0];
    if (!json.contains(names[i]))
      continue;
    Expected<double> number =
        numberIn(json[names[i]], info, fmt::format("'{}' of {}", names[i], where));
    if (!number)
      return number.takeError();
    numbers[i] = *number;
  }
  auto [value, low, high] = numbers;
  if (low > value || value > high)
    return makeError("{} is {}, which is not between its 'low' {} and its 'high' {}", where, value,
                     low, high);
  std::string source = origin;
  if (json.contains("source")) {
    if (!json["source"].is_string())
      return makeError("'source' of {} must be a string", where);
    source = json["source"].get<std::string>();
  }
  return ConstantValue{value, low, high, source};
}

static Expected<std::string> textOf(const Json &json, const char *key, std::string otherwise,
                                    const std::string &origin) {
  if (!json.contains(key))
    return otherwise;
  if (!json[key].is_string() || json[key].get<std::string>().empty())
    return makeError("'{}' of '{}' must be a string that is not empty", key, origin);
  return json[key].get<std::string>();
}

static std::vector<std::string> constantKeys() {
  std::vector<std::string> keys;
  for (const ConstantInfo &info : constantInfos())
    keys.push_back(info.key);
  return keys;
}

static Status parseConstants(const Json &json, bool hasBase, const std::string &origin,
                             Machine &machine) {
  if (!json.is_object())
    return makeError("'constants' of '{}' must be an object", origin);
  if (Status known = onlyKeys(json, constantKeys(), fmt::format("'constants' of '{}'", origin));
      !known)
    return known;
  for (size_t i = 0; i < kNumConstants; ++i) {
    const ConstantInfo &info = constantInfos()[i];
    if (!json.contains(info.key)) {
      if (hasBase)
        continue;
      return makeError("'{}' lacks the constant '{}': {}", origin, info.key, info.meaning)
          .withNote(
              "with \"base\": \"h100\" the constants that are left out are those of the h100; "
              "known are {}",
              builtinMachineNames());
    }
    Expected<ConstantValue> value = parseConstant(json[info.key], info, origin);
    if (!value)
      return value.takeError();
    machine.constants[i] = std::move(*value);
  }
  return {};
}

Expected<Machine> parseMachine(const std::string &text, const std::string &origin) {
  Expected<Json> json = parseObject(text, origin);
  if (!json)
    return json.takeError();
  if (Status known = onlyKeys(*json, {"name", "title", "calibration", "base", "constants"},
                              fmt::format("'{}'", origin));
      !known)
    return known.takeError();
  Expected<std::string> base = textOf(*json, "base", "", origin);
  if (!base)
    return base.takeError();
  Machine machine;
  if (!base->empty()) {
    Expected<Machine> builtin = builtinMachine(*base);
    if (!builtin)
      return builtin.takeError();
    machine = std::move(*builtin);
  }
  if (!json->contains("name"))
    return makeError("'{}' has no 'name'", origin);
  for (auto [key, field, otherwise] :
       {std::tuple("name", &machine.name, std::string()),
        std::tuple("title", &machine.title, std::string(origin)),
        std::tuple("calibration", &machine.calibration, "uncalibrated: constants of " + origin)}) {
    Expected<std::string> value = textOf(*json, key, otherwise, origin);
    if (!value)
      return value.takeError();
    *field = std::move(*value);
  }
  Status constants =
      parseConstants(json->value("constants", Json::object()), !base->empty(), origin, machine);
  if (!constants)
    return constants.takeError();
  return machine;
}

std::string printMachine(const Machine &machine) {
  Json constants = Json::object();
  for (size_t i = 0; i < kNumConstants; ++i) {
    const ConstantValue &c = machine.constants[i];
    constants[constantInfos()[i].key] = {
        {"value", c.value}, {"low", c.low}, {"high", c.high}, {"source", c.source}};
  }
  Json json = {{"name", machine.name},
               {"title", machine.title},
               {"calibration", machine.calibration},
               {"constants", std::move(constants)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace attn
