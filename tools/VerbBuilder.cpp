#include "tools/VerbBuilder.h"

#include "runtime/CpuFeatures.h"

#include <fmt/ranges.h>

namespace attn::tools {

constexpr int64_t kMostBatches = 65535;

Subject specSubject() {
  Subject subject;
  subject.text.orFile({"attn", "mlir"});
  return subject;
}

Subject specOrPackageSubject() {
  Subject subject;
  subject.text.description += ", or a package";
  subject.text.orFile({"attn", "mlir", "attnpkg"});
  return subject;
}

/// "-o,--output" as a list of two.
static std::vector<std::string> split(const std::string &text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<std::string> namesIn(const std::string &list) {
  std::vector<std::string> names = split(list, ',');
  for (std::string &name : names)
    name.erase(0, name.find_first_not_of(' '));
  return names;
}

VerbBuilder::VerbBuilder(CLI::App &root, const char *name, const char *description,
                         const char *example) {
  app = root.add_subcommand(name, description);
  app->set_help_flag("-h,--help", "show this text");
  verb.name = name;
  verb.description = description;
  verb.example = example;
  describe("-h,--help", "", "show this text");
}

//===----------------------------------------------------------------------===//
// What the verb is about
//===----------------------------------------------------------------------===//

void VerbBuilder::subject(const Subject &subject, std::string &value) {
  app->add_option(subject.text.longName(), value)->required();
  verb.subject = subject.text;
  verb.subjectInWords = subject.inWords;
}

void VerbBuilder::subjects(const Subject &subject, std::vector<std::string> &values) {
  app->add_option(subject.text.longName(), values)->required();
  verb.subject = subject.text;
  verb.subjectInWords = subject.inWords;
  verb.takesSeveral = true;
}

void VerbBuilder::chosenSubject(const char *name, std::string &value,
                                const std::vector<std::string> &allowed, const char *description,
                                const char *inWords) {
  Subject subject{{{name}, "", fmt::format(fmt::runtime(description), fmt::join(allowed, ", "))},
                  inWords};
  subject.text.suggest(allowed);
  std::string &text = texts.emplace_back();
  this->subject(subject, text);
  conversions.push_back(
      [=, &text, &value](Values &values) { values.choice(name, text, allowed, value); });
}

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

OptionText &VerbBuilder::describe(const char *names, const char *type, std::string description) {
  OptionText text{split(names, ','), type, std::move(description)};
  // Help comes last.
  auto at = verb.options.empty() ? verb.options.end() : verb.options.end() - 1;
  return *verb.options.insert(at, std::move(text));
}

OptionText &VerbBuilder::text(const char *names, std::string &value, const char *type,
                              std::string description) {
  app->add_option(names, value)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  return describe(names, type, std::move(description));
}

OptionText &VerbBuilder::flag(const char *names, bool &value, const char *description) {
  app->add_flag(names, value)->disable_flag_override();
  return describe(names, "", description);
}

OptionText &VerbBuilder::choice(const char *names, std::string &value,
                                const std::vector<std::string> &allowed, const char *description,
                                const char *type) {
  std::string &given = texts.emplace_back();
  std::string shown = type ? type : fmt::format("{}", fmt::join(allowed, "|"));
  OptionText &option = text(names, given, shown.c_str(),
                            fmt::format(fmt::runtime(description), fmt::join(allowed, ", ")));
  conversions.push_back([=, &given, &value, name = option.longName()](Values &values) {
    values.choice(name.c_str(), given, allowed, value);
  });
  return option.suggest(allowed);
}

OptionText &VerbBuilder::count(const char *names, int64_t &value, int64_t lo, int64_t hi,
                               const char *type, const char *description) {
  std::string &given = texts.emplace_back();
  OptionText &option = text(names, given, type, description);
  conversions.push_back([=, &given, &value, name = option.longName()](Values &values) {
    values.count(name.c_str(), given, lo, hi, value);
  });
  return option;
}

OptionText &VerbBuilder::count(const char *names, std::optional<int64_t> &value, int64_t lo,
                               int64_t hi, const char *type, const char *description) {
  std::string &given = texts.emplace_back();
  OptionText &option = text(names, given, type, description);
  conversions.push_back([=, &given, &value, name = option.longName()](Values &values) {
    if (!given.empty())
      values.count(name.c_str(), given, lo, hi, value.emplace());
  });
  return option;
}

OptionText &VerbBuilder::seed(const char *names, std::optional<uint64_t> &value,
                              const char *description) {
  std::string &given = texts.emplace_back();
  OptionText &option = text(names, given, "[=SEED]", description);
  conversions.push_back([=, &given, &value, name = option.longName()](Values &values) {
    values.seed(name.c_str(), given, value);
  });
  return option;
}

OptionText &VerbBuilder::extents(const char *names, std::vector<int64_t> &value, int64_t lo,
                                 const char *type, const char *description) {
  std::string &given = texts.emplace_back();
  OptionText &option = text(names, given, type, description);
  conversions.push_back([=, &given, &value, name = option.longName()](Values &values) {
    values.extents(name.c_str(), given, lo, value);
  });
  return option;
}

OptionText &VerbBuilder::chips(const char *names, std::vector<std::string> &value, const char *type,
                               const char *description) {
  std::string &given = texts.emplace_back();
  OptionText &option = text(names, given, type, description);
  conversions.push_back([=, &given, &value, name = option.longName()](Values &values) {
    values.chips(name.c_str(), given, value);
  });
  return option.suggest({"none", "sm_80", "sm_90", "sm_100"}).joined();
}

//===----------------------------------------------------------------------===//
// Options of several verbs
//===----------------------------------------------------------------------===//

void VerbBuilder::lengths(std::vector<int64_t> &tokens, std::vector<int64_t> &kvTokens,
                          std::optional<int64_t> &queryOffset) {
  extents("--tokens", tokens, 0, "4096|30x48x80", "the token layout, where the spec says '?'");
  extents("--kv-tokens", kvTokens, 0, "4096", "the layout of the keys");
  count("--q-offset", queryOffset, -kFarthest, kFarthest, "N",
        "position of the first query (default: Nk - Nq)");
}

void VerbBuilder::kernel(std::string &name, const char *description) {
  text("--kernel", name, "NAME", description);
}

void VerbBuilder::tiles(std::vector<int64_t> &queryTile, std::vector<int64_t> &keyTile) {
  extents("--q-tile", queryTile, 1, "2x8x8", "extents of a query tile (default: chosen)");
  extents("--k-tile", keyTile, 1, "2x8x8", "extents of a key tile (default: chosen)");
}

void VerbBuilder::isa(std::string &level, const char *description) {
  std::vector<std::string> levels;
  for (IsaLevel one : kIsaLevels)
    levels.emplace_back(isaLevelName(one));
  choice("--isa", level, levels, description, "LEVEL");
}

void VerbBuilder::output(std::string &path, const char *description) {
  text("-o,--output", path, "FILE", description).orFile();
}

void VerbBuilder::format(std::string &format, const std::vector<std::string> &allowed) {
  std::string &given = texts.emplace_back();
  text("--format", given, fmt::format("{}", fmt::join(allowed, "|")).c_str(),
       "how the result is written; --json is --format=json")
      .suggest(allowed);
  flag("--json", json, "the same as --format=json").hide();
  flag("-q,--quiet", quiet, "no notes or progress; of checks and files only errors");
  conversions.push_back([this, allowed, &given, &format](Values &values) {
    values.format(given, json, allowed, format);
    setQuiet(quiet);
  });
}

void VerbBuilder::bindings(BoundOptions &options, const std::function<void()> &tryTiles) {
  lengths(options.tokens, options.kvTokens, options.queryOffset);
  kernel(options.kernel);
  tryTiles ? tryTiles() : tiles(options.queryTile, options.keyTile);
  text("--inputs", options.inputs, "FILE", "safetensors with the run-time inputs of the masks")
      .orFile({"safetensors"});
  count("--batch", options.batch, 0, kMostBatches - 1, "N",
        "the batch entry of the inputs (default 0)");
  output(options.output);
}

std::optional<Error> VerbBuilder::convert() const {
  Values values;
  for (const auto &conversion : conversions)
    conversion(values);
  return values.firstError();
}

} // namespace attn::tools
