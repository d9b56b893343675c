//===- Source.cpp - places in the text and messages about them ------------===//
#include "frontend/Source.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace attn {

Location Source::at(llvm::SMLoc place) const {
  auto [line, column] = sources.getLineAndColumn(place, buffer);
  return FileLineColLoc::get(context, name(), line, column);
}

void suggest(Diagnostic &diagnostic, StringRef word, ArrayRef<StringRef> candidates) {
  // A third of the letters may differ; beyond that a guess misleads more often than it helps.
  unsigned best = std::max<size_t>(1, word.size() / 3) + 1;
  StringRef closest;
  for (StringRef candidate : candidates) {
    unsigned distance = word.lower() == candidate
                            ? 0
                            : word.edit_distance(candidate, /*AllowReplacements=*/true, best);
    if (distance >= best || distance >= candidate.size())
      continue;
    best = distance;
    closest = candidate;
  }
  if (!closest.empty())
    diagnostic.attachNote() << "did you mean '" << closest << "'?";
}

std::string quotedList(ArrayRef<StringRef> words, StringRef conjunction) {
  std::string list;
  for (auto [i, word] : llvm::enumerate(words)) {
    if (i > 0)
      list += i + 1 == words.size() ? (" " + conjunction + " ").str() : ", ";
    list += ("'" + word + "'").str();
  }
  return list;
}

} // namespace attn
