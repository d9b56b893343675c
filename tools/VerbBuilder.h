//===- VerbBuilder.h - declares a verb and its options -----------*- C++ -*-===//
//
// Every option arrives as text and is converted by Values once the whole line is parsed, so that
// all mistakes are told in one voice. This header includes CLI11, which needs RTTI, and no MLIR
// header, which must be compiled without.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "tools/BoundOptions.h"
#include "tools/Report.h"
#include "tools/Values.h"
#include "tools/VerbText.h"

#include <CLI/CLI.hpp>

#include <deque>
#include <functional>
#include <memory>

namespace attn::tools {

/// Positions in kernels stay within this distance.
constexpr int64_t kFarthest = int64_t(1) << 28;

/// What a verb is about.
struct Subject {
  OptionText text{{"SPEC"}, "", "an .attn or .mlir file, '-' for the standard input"};
  std::string inWords = "a spec";
};
Subject specSubject();
Subject specOrPackageSubject();

/// A verb under construction. Its values are set by convert(), in the order of the declarations.
class VerbBuilder {
public:
  VerbBuilder(CLI::App &root, const char *name, const char *description, const char *example);
  VerbBuilder(const VerbBuilder &) = delete;

  void subject(const Subject &subject, std::string &value);
  void subjects(const Subject &subject, std::vector<std::string> &values);
  /// One of `allowed`, which the usage shows if no type is given, and "{}" in the description.
  void chosenSubject(const char *name, std::string &value, const std::vector<std::string> &allowed,
                     const char *description, const char *inWords);

  OptionText &text(const char *names, std::string &value, const char *type,
                   std::string description);
  OptionText &flag(const char *names, bool &value, const char *description);
  OptionText &choice(const char *names, std::string &value, const std::vector<std::string> &allowed,
                     const char *description, const char *type = nullptr);
  OptionText &count(const char *names, int64_t &value, int64_t lo, int64_t hi, const char *type,
                    const char *description);
  OptionText &count(const char *names, std::optional<int64_t> &value, int64_t lo, int64_t hi,
                    const char *type, const char *description);
  OptionText &seed(const char *names, std::optional<uint64_t> &value, const char *description);
  OptionText &extents(const char *names, std::vector<int64_t> &value, int64_t lo, const char *type,
                      const char *description);
  OptionText &chips(const char *names, std::vector<std::string> &value, const char *type,
                    const char *description);

  // What several verbs have.
  void lengths(std::vector<int64_t> &tokens, std::vector<int64_t> &kvTokens,
               std::optional<int64_t> &queryOffset);
  void kernel(std::string &name, const char *description = "which kernel of the spec");
  void tiles(std::vector<int64_t> &queryTile, std::vector<int64_t> &keyTile);
  void isa(std::string &level, const char *description);
  void output(std::string &path, const char *description = "where to write it (default '-')");
  void format(std::string &format, const std::vector<std::string> &allowed = {"text", "json"});
  /// Lengths, tiles and inputs of a verb that looks at tile maps; `options` without tiles where
  /// `tryTiles` declares some of its own.
  void bindings(BoundOptions &options, const std::function<void()> &tryTiles = {});

  /// The first mistake ends it.
  std::optional<Error> convert() const;

  CLI::App *app;
  VerbText verb;

private:
  OptionText &describe(const char *names, const char *type, std::string description);

  std::deque<std::string> texts; ///< of the options as given; they stay where they are
  bool json = false, quiet = false;
  std::vector<std::function<void(Values &)>> conversions;
};

/// A verb that can be run once the command line is parsed.
struct Verb {
  std::shared_ptr<VerbBuilder> builder;
  std::function<int()> run;
};

/// Options under declaration.
template <class Options> struct Declared : VerbBuilder {
  using VerbBuilder::VerbBuilder;
  Options options;
};

/// Runs `function` unless an option's text was no value.
template <class Options>
Verb finished(std::shared_ptr<Declared<Options>> declared, int (*function)(const Options &)) {
  auto run = [d = declared.get(), function] {
    if (std::optional<Error> mistake = d->convert())
      return fail(*mistake);
    return function(d->options);
  };
  return {std::move(declared), run};
}

/// "a, b, c" as a list of three.
std::vector<std::string> namesIn(const std::string &list);

} // namespace attn::tools
