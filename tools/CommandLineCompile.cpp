//===- CommandLineCompile.cpp - what compiles, and what it leaves behind --===//
#include "simulator/time/Machine.h"
#include "tools/Cache.h"
#include "tools/CommandLineVerbs.h"
#include "tools/Compile.h"
#include "tools/Inspect.h"

namespace attn::tools {

std::vector<std::string> targetNames(std::optional<TargetKind> kind) {
  std::vector<std::string> names;
  for (const Target &target : allTargets())
    if (!kind || target.kind == kind)
      names.push_back(target.name.str());
  return names;
}

Verb addCompile(CLI::App &root) {
  auto d = std::make_shared<Declared<CompileOptions>>(
      root, "compile", "compiles a spec for a target and writes any phase on the way",
      "attnc compile chat.attn --target=sm_80 --emit=ptx -o chat.ptx");
  CompileOptions &options = d->options;
  options.version = "attnc " ATTNC_VERSION;
  d->subject(specSubject(), options.spec);
  d->text("--target", options.target, fmt::format("{}", fmt::join(targetNames(), "|")).c_str(),
          "what to compile for (default cpu); packages: 'cpu,sm_80'")
      .suggest(targetNames())
      .joined();
  d->text("--emit", options.emit, "PHASE",
          fmt::format("{} (default: llvm or ptx)", fmt::join(compilePhases(), ", ")))
      .suggest(compilePhases());
  d->output(options.output);
  d->kernel(options.kernel, "only this kernel of the spec");
  d->tiles(options.queryTile, options.keyTile);
  d->text("--gpu", options.gpu, "NAME",
          fmt::format("choose tiles for {} (default a100)", builtinMachineNames()))
      .suggest(namesIn(builtinMachineNames()));
  d->isa(options.isa, "{} (default: best; packages: all)");
  d->chips("--arch", options.chips, "sm_80,sm_90|none",
           "cubins of a package (default: these, where there is a ptxas)");
  d->flag("--timing", options.timing, "print the time of every phase to the standard error");
  d->format(options.format);
  return finished(std::move(d), compileVerb);
}

Verb addInspect(CLI::App &root) {
  auto d = std::make_shared<Declared<InspectOptions>>(
      root, "inspect", "says what is inside a package",
      "attnc inspect chat.attnpkg --extract=ptx -o chat.ptx");
  Subject package{{{"PACKAGE"}, "", "what 'attnc compile --emit=package' wrote"}, "a package"};
  package.text.orFile({"attnpkg"});
  d->subject(package, d->options.package);
  d->text("--extract", d->options.extract, "KIND[:TARGET]",
          "write this section as it is: spec, info, ptx, cubin:sm_90, object:avx2")
      .suggest({"spec", "info", "ptx", "cubin", "object"});
  d->output(d->options.output);
  d->format(d->options.format);
  return finished(std::move(d), inspectVerb);
}

Verb addCache(CLI::App &root) {
  auto d = std::make_shared<Declared<CacheVerbOptions>>(
      root, "cache", "lists, removes or checks the compiled kernels that are kept on disk",
      "attnc cache ls");
  d->chosenSubject("ACTION", d->options.action, {"ls", "clear", "verify"},
                   "{}, which removes what is damaged", "an action");
  d->format(d->options.format);
  return finished(std::move(d), cacheVerb);
}

} // namespace attn::tools
