#include "tools/Report.h"

#include "runtime/AtomicFile.h"
#include "runtime/File.h"
#include "tools/Progress.h"

#include "llvm/ADT/StringRef.h"

#include <cerrno>
#include <cstdio>

namespace attn::tools {

static bool quiet = false;

void setQuiet(bool value) { quiet = value; }
bool isQuiet() { return quiet; }

int fail(const Error &error) {
  std::fflush(stdout);
  Progress::clear();
  fmt::print(stderr, "error: {}\n", error.message);
  for (const std::string &note : error.notes)
    fmt::print(stderr, "note: {}\n", note);
  return 1;
}

void warn(const std::vector<Error> &warnings) {
  if (quiet)
    return;
  Progress::clear();
  for (const Error &warning : warnings) {
    fmt::print(stderr, "warning: {}\n", warning.message);
    for (const std::string &note : warning.notes)
      fmt::print(stderr, "note: {}\n", note);
  }
}

void note(std::string_view text) {
  if (!quiet)
    fmt::print(stderr, "note: {}\n", text);
}

Status writeOutput(const std::string &path, std::string_view content) {
  if (path != "-")
    return writeFileAtomically(path, content);
  if (std::fwrite(content.data(), 1, content.size(), stdout) != content.size() ||
      std::fflush(stdout) != 0)
    return makeError("cannot write to the standard output: {}", systemMessage(errno));
  return {};
}

/// Empty when nothing is close.
static std::string closest(const std::string &name, const std::vector<std::string> &allowed) {
  std::string best;
  size_t bestDistance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string &candidate : allowed)
    if (size_t distance = llvm::StringRef(name).edit_distance(candidate); distance < bestDistance)
      best = candidate, bestDistance = distance;
  return best;
}

Error unknownName(std::string_view what, const std::string &name,
                  const std::vector<std::string> &allowed) {
  Error error = makeError("unknown {} '{}'", what, name);
  if (std::string guess = closest(name, allowed); !guess.empty())
    return std::move(error).withNote("did you mean '{}'?", guess);
  std::string list;
  for (const std::string &candidate : allowed)
    list += (list.empty() ? "'" : ", '") + candidate + "'";
  return std::move(error).withNote("allowed are {}", list);
}

} // namespace attn::tools
