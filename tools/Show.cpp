#include "tools/Show.h"

#include "runtime/AtomicFile.h"
#include "runtime/File.h"
#include "tools/BoundSpec.h"
#include "tools/Progress.h"
#include "tools/Report.h"
#include "tools/ShowFormats.h"
#include "tools/SpecCompilation.h"

#include "llvm/Support/Process.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace attn::tools {

namespace {

/// All groups, or the one of the head that was asked for.
Expected<std::vector<const MaskGroup *>> chosenGroups(const Problem &problem,
                                                      const ShowOptions &options) {
  std::vector<const MaskGroup *> groups;
  for (const MaskGroup &group : problem.groups)
    if (!options.head || llvm::is_contained(group.heads, *options.head))
      groups.push_back(&group);
  if (groups.empty())
    return makeError("there is no head {}: the kernel has heads 0..{}", *options.head,
                     problem.heads - 1);
  return groups;
}

bool wantsColor(const ShowOptions &options) {
  if (options.color != "auto")
    return options.color == "always";
  return options.output == "-" && llvm::sys::Process::StandardOutIsDisplayed() &&
         !std::getenv("NO_COLOR");
}

int terminalColumns(const ShowOptions &options) {
  unsigned columns = options.output == "-" ? llvm::sys::Process::StandardOutColumns() : 0;
  return columns ? int(columns) : 100;
}

Status draw(const Picture &picture, const ShowOptions &options, const Sink &sink) {
  if (options.format == "json")
    return writeJson(picture, sink);
  if (options.format == "svg")
    return writeSvg(picture, sink);
  if (options.format == "html")
    return writeHtml(picture, sink);
  return writeText(picture, terminalColumns(options), wantsColor(options), sink);
}

Status drawToStandardOutput(const Picture &picture, const ShowOptions &options) {
  auto failure = [] {
    return makeError("cannot write to the standard output: {}", systemMessage(errno));
  };
  Status drawn = draw(picture, options, [&](std::string_view piece) -> Status {
    if (std::fwrite(piece.data(), 1, piece.size(), stdout) != piece.size())
      return failure();
    return {};
  });
  if (drawn && std::fflush(stdout) != 0)
    return failure();
  return drawn;
}

/// What is written piece by piece, a query tile each; other formats come all at once.
size_t piecesOf(const Picture &picture, const ShowOptions &options) {
  size_t pieces = 0;
  if (options.format == "json")
    for (const MaskGroup *group : picture.groups)
      pieces += size_t(group->map.geometry().numQueryTiles());
  return pieces;
}

Status drawTo(const Picture &picture, const ShowOptions &options) {
  if (options.output == "-") // where a terminal would show both
    return drawToStandardOutput(picture, options);
  Progress progress("query tiles drawn", piecesOf(picture, options));
  if (options.format == "npy")
    return writeElements(picture, options.head, options.output);
  Expected<AtomicFile> file = AtomicFile::create(options.output);
  if (!file)
    return file.error();
  size_t pieces = 0;
  Status drawn = draw(picture, options, [&](std::string_view piece) {
    progress.show(++pieces);
    return file->write(piece);
  });
  return drawn ? file->commit() : drawn;
}

/// `--elements` and the npy format go together.
std::optional<Error> conflict(const ShowOptions &options) {
  if (options.elements != (options.format == "npy"))
    return makeError(
        "'--elements' and '--format=npy' belong together: tiles are text, svg, html or json");
  if (options.elements && options.output == "-")
    return makeError("'--format=npy' needs a file; write '-o mask.npy'");
  return std::nullopt;
}

} // namespace

int showVerb(const ShowOptions &options) {
  if (std::optional<Error> mistake = conflict(options))
    return fail(*mistake);
  SpecCompilation compilation;
  mlir::FailureOr<Problem> problem = bindSpec(compilation, options);
  if (failed(problem))
    return 1;
  Expected<std::vector<const MaskGroup *>> groups = chosenGroups(*problem, options);
  if (!groups)
    return fail(groups.error());
  Picture picture{kernelName(compilation), compilation.attention(), *problem, *groups};
  Status written = drawTo(picture, options);
  return written ? 0 : fail(written.error());
}

} // namespace attn::tools
