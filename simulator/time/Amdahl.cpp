#include "simulator/time/Amdahl.h"

#include "simulator/time/Json.h"

#include <cmath>

namespace attn {

using Json = nlohmann::ordered_json;

double ModelDescription::shareAt(int64_t tokens, double density) const {
  if (attentionShare)
    return *attentionShare;
  const LayerSizes &s = *sizes;
  double wide = double(s.heads * s.headDim), narrow = double(s.kvHeads * s.headDim);
  double attention = 4 * wide * double(tokens) * density;
  double linear = 2 * double(s.hidden) * (2 * wide + 2 * narrow + 3 * double(s.feedForward));
  return attention / (attention + linear);
}

double ModelDescription::sparseShareAt(int64_t tokens, double density) const {
  return shareAt(tokens, density) * double(layers - denseLayers) / double(layers) *
         double(steps - denseSteps) / double(steps);
}

double endToEndSpeedUp(double sparseShare, double kernelSpeedUp) {
  return 1 / ((1 - sparseShare) + sparseShare / kernelSpeedUp);
}

static const std::vector<ModelDescription> &builtinModels() {
  static const std::vector<ModelDescription> models{
      {"cosmos-7b",
       "arXiv 2504.16922, table 1 and 3: 16 x 44 x 80 tokens",
       0.587,
       {},
       false,
       28,
       0,
       35,
       0},
      {"hunyuan-video",
       "arXiv 2504.16922, table 1 and 4: 30 x 48 x 80 tokens; 65.4 % of a transformer that "
       "is 92.8 % of the whole",
       0.607,
       {},
       false,
       60,
       0,
       50,
       0},
      {"llm-8b-moa",
       "sizes of a decoder with 8 billion parameters, every layer under a plan of spans",
       {},
       LayerSizes{4096, 32, 8, 128, 14336},
       true,
       32,
       0,
       1,
       0}};
  return models;
}

std::string builtinModelNames() {
  std::string text;
  for (const ModelDescription &model : builtinModels())
    text += (text.empty() ? "" : ", ") + model.name;
  return text;
}

Expected<ModelDescription> builtinModel(const std::string &name) {
  for (const ModelDescription &model : builtinModels())
    if (model.name == name)
      return model;
  return makeError("unknown model '{}'", name)
      .withNote("known are {}; any other comes from a file whose name ends in '.json'",
                builtinModelNames());
}

static Status readInteger(const Json &json, const char *key, int64_t lowest,
                          const std::string &origin, int64_t &value) {
  constexpr int64_t kHighest = int64_t(1) << 40;
  if (!json.contains(key))
    return {};
  const Json &field = json[key];
  bool fits = field.is_number_integer() &&
              !(field.is_number_unsigned() && field.get<uint64_t>() > uint64_t(kHighest));
  if (!fits || field.get<int64_t>() < lowest || field.get<int64_t>() > kHighest)
    return makeError("'{}' of '{}' is {}, but must be an integer between {} and {}", key, origin,
                     field.dump(), lowest, kHighest);
  value = field.get<int64_t>();
  return {};
}

static Status readSizes(const Json &json, const std::string &origin, ModelDescription &model) {
  if (!json.is_object())
    return makeError("'sizes' of '{}' must be an object", origin);
  LayerSizes sizes;
  const std::pair<const char *, int64_t *> fields[] = {{"hidden", &sizes.hidden},
                                                       {"heads", &sizes.heads},
                                                       {"kv_heads", &sizes.kvHeads},
                                                       {"head_dim", &sizes.headDim},
                                                       {"feed_forward", &sizes.feedForward}};
  if (Status known = onlyKeys(json, {"hidden", "heads", "kv_heads", "head_dim", "feed_forward"},
                              fmt::format("'sizes' of '{}'", origin));
      !known)
    return known;
  for (auto [key, value] : fields) {
    if (!json.contains(key))
      return makeError("'sizes' of '{}' lack '{}'", origin, key);
    if (Status read = readInteger(json, key, 1, origin, *value); !read)
      return read;
    if (*value > 1 << 24)
      return makeError("'{}' of '{}' is {}, but at most {} is allowed", key, origin, *value,
                       1 << 24);
  }
  model.sizes = sizes;
  return {};
}

static Status readShare(const Json &json, const std::string &origin, ModelDescription &model) {
  if (json.contains("attention_share") == json.contains("sizes"))
    return makeError("'{}' must have one of 'attention_share' and 'sizes'", origin)
        .withNote("write, for example, \"attention_share\": 0.6");
  if (json.contains("sizes"))
    return readSizes(json["sizes"], origin, model);
  const Json &share = json["attention_share"];
  if (!share.is_number() || !(share.get<double>() >= 0 && share.get<double>() <= 1))
    return makeError("'attention_share' of '{}' is {}, but must be a number from 0 to 1", origin,
                     share.dump());
  model.attentionShare = share.get<double>();
  return {};
}

Expected<ModelDescription> parseModel(const std::string &text, const std::string &origin) {
  Expected<Json> json = parseObject(text, origin);
  if (!json)
    return json.takeError();
  if (Status known = onlyKeys(*json,
                              {"name", "source", "attention_share", "sizes", "causal", "layers",
                               "dense_layers", "steps", "dense_steps"},
                              fmt::format("'{}'", origin));
      !known)
    return known.takeError();
  ModelDescription model;
  for (auto [key, field] : {std::pair("name", &model.name), std::pair("source", &model.source)}) {
    *field = origin;
    if (!json->contains(key))
      continue;
    if (!(*json)[key].is_string())
      return makeError("'{}' of '{}' must be a string", key, origin);
    *field = (*json)[key].get<std::string>();
  }
  if (json->contains("causal") && !(*json)["causal"].is_boolean())
    return makeError("'causal' of '{}' must be true or false", origin);
  model.causal = json->value("causal", false);
  Status read = readShare(*json, origin, model);
  for (auto [key, lowest, field] :
       {std::tuple("layers", 1, &model.layers), std::tuple("dense_layers", 0, &model.denseLayers),
        std::tuple("steps", 1, &model.steps), std::tuple("dense_steps", 0, &model.denseSteps)})
    if (read)
      read = readInteger(*json, key, lowest, origin, *field);
  if (!read)
    return read.takeError();
  for (auto [dense, all, name] : {std::tuple(model.denseLayers, model.layers, "layers"),
                                  std::tuple(model.denseSteps, model.steps, "steps")})
    if (dense > all)
      return makeError("'dense_{}' of '{}' is {}, but there are only {} {}", name, origin, dense,
                       all, name);
  return model;
}

} // namespace attn
