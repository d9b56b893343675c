//===- CompileVerb.cpp - a spec, as far down as one wants to see it -------===//
#include "tools/Compile.h"

#include "codegen/cpu/EmitCpu.h"
#include "codegen/nvvm/EmitPTX.h"
#include "jit/Assemble.h"
#include "jit/Packaging.h"
#include "simulator/time/Machine.h"
#include "tools/Progress.h"
#include "tools/Report.h"
#include "tools/SpecCompilation.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include "nlohmann/json.hpp"

#include <map>

using namespace mlir;

namespace attn::tools {

namespace {

std::string printed(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  op->print(os);
  if (text.empty() || text.back() != '\n')
    os << "\n";
  return text;
}

std::string printed(const llvm::Module &module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os, nullptr);
  return text;
}

struct Job {
  const CompileOptions &options;
  const Target &target;
  std::string phase;
  IsaLevel isa;
  SpecCompilation compilation{};
};

/// The phase's text or bytes, once `tile` has run; nothing, after a diagnostic, where it fails.
FailureOr<std::string> emitCpu(Job &job) {
  Compilation &c = job.compilation;
  if (failed(c.timed("lower", [&] { return cpu::lowerToLLVM(c.module(), job.isa); })))
    return failure();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module =
      c.timed("optimise", [&] { return cpu::translateToLLVMIR(c.module(), context, job.isa); });
  if (!module)
    return failure();
  return printed(*module);
}

FailureOr<std::string> emitGpu(Job &job) {
  Compilation &c = job.compilation;
  if (failed(c.timed("lower", [&] { return nvvm::lowerToNVVM(c.module(), job.target); })))
    return failure();
  if (job.phase == "nvvm")
    return printed(c.module());
  if (job.phase == "llvm")
    return c.timed("translate", [&] { return nvvm::translateToLLVMIR(c.module(), job.target); });
  FailureOr<std::string> ptx =
      c.timed("ptx", [&] { return nvvm::emitPTX(c.module(), job.target); });
  if (failed(ptx) || job.phase == "ptx")
    return ptx;
  Expected<std::string> cubin =
      c.timed("ptxas", [&] { return assemble(*ptx, job.target.chip.str()); });
  if (cubin)
    return *cubin;
  (void)fail(cubin.error());
  return failure();
}

FailureOr<std::string> emit(Job &job) {
  Compilation &c = job.compilation;
  const CompileOptions &options = job.options;
  if (failed(c.loadFile(options.spec)))
    return failure();
  if (!options.kernel.empty() && failed(c.selectKernel(options.kernel)))
    return failure();
  if (job.phase == "attn") {
    if (failed(c.simplify()))
      return failure();
    return printed(c.module());
  }
  if (job.phase != "tile" && failed(c.checkKernels()))
    return failure();
  TilingOptions tiling;
  tiling.queryTile.assign(options.queryTile.begin(), options.queryTile.end());
  tiling.keyTile.assign(options.keyTile.begin(), options.keyTile.end());
  bool isCpu = job.target.kind == TargetKind::Cpu;
  tiling.machine = isCpu ? std::string(isaLevelName(job.isa)) : options.gpu;
  if (failed(c.tile(job.target, tiling)))
    return failure();
  if (job.phase == "tile")
    return printed(c.module());
  return isCpu ? emitCpu(job) : emitGpu(job);
}

std::vector<std::string> targetNames() {
  std::vector<std::string> names;
  for (const Target &target : allTargets())
    names.push_back(target.name.str());
  return names;
}

/// The phases that a target goes through, in order.
std::vector<std::string> phasesOf(const Target &target) {
  if (target.kind == TargetKind::Cpu)
    return {"attn", "tile", "llvm", "package"};
  return compilePhases();
}

/// A line that moves while a compilation takes long.
void showPhases(Compilation &compilation, Progress &progress) {
  compilation.watch([&](StringRef phase) {
    progress.show("compiling: " + phase.str());
    return true;
  });
}

/// What every JSON says of a compilation; of a phase that comes several times the sum of its
/// seconds.
nlohmann::ordered_json factsOf(const CompileOptions &options, const std::string &phase,
                               const Compilation &compilation) {
  nlohmann::ordered_json json;
  json["spec"] = options.spec;
  json["target"] = options.target;
  json["phase"] = phase;
  std::map<std::string, double> seconds;
  for (const PhaseTime &time : compilation.times())
    json["seconds"][time.phase] = seconds[time.phase] += time.seconds;
  return json;
}

std::string textOf(const nlohmann::ordered_json &json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// Writes what is no text to its file, and says so in JSON where that is wanted.
int writeBinary(const CompileOptions &options, const std::string &phase,
                const Compilation &compilation, const std::string &bytes) {
  if (Status written = writeOutput(options.output, bytes); !written)
    return fail(written.error());
  if (options.format != "json")
    return 0;
  nlohmann::ordered_json json = factsOf(options, phase, compilation);
  json["file"] = options.output;
  json["bytes"] = bytes.size();
  Status written = writeOutput("-", textOf(json));
  return written ? 0 : fail(written.error());
}

//===----------------------------------------------------------------------===//
// Packages
//===----------------------------------------------------------------------===//

Expected<PackagingOptions> packagingOptions(const CompileOptions &options) {
  PackagingOptions packaging;
  llvm::SmallVector<StringRef> names;
  StringRef(options.target).split(names, ',');
  for (StringRef name : names) {
    const Target *target = findTarget(name);
    if (!target)
      return unknownName("target", name.str(), targetNames());
    if (llvm::is_contained(packaging.targets, target))
      return makeError("'--target={}' names '{}' twice", options.target, name.str());
    packaging.targets.push_back(target);
  }
  if (std::optional<IsaLevel> isa = parseIsaLevel(options.isa))
    packaging.isas = {*isa};
  packaging.kernel = options.kernel;
  packaging.queryTile = options.queryTile;
  packaging.keyTile = options.keyTile;
  packaging.gpu = options.gpu;
  packaging.version = options.version;
  bool noCubins = options.chips == std::vector<std::string>{"none"};
  packaging.chips = noCubins ? std::vector<std::string>() : options.chips;
  bool gpu = llvm::any_of(packaging.targets,
                          [](const Target *target) { return target->kind != TargetKind::Cpu; });
  if (!gpu && !options.chips.empty())
    return makeError("'--arch' asks for cubins, but '--target={}' has no GPU", options.target);
  if (gpu && options.chips.empty() && !findPtxas().empty())
    packaging.chips = {"sm_80", "sm_90"};
  if (gpu && packaging.chips.empty() && !noCubins)
    note("there is no ptxas, so the package has PTX but no cubin");
  return packaging;
}

void printTimes(const Compilation &compilation) {
  for (const PhaseTime &time : compilation.times())
    fmt::print(stderr, "{:<10} {:8.2f} ms\n", time.phase, time.seconds * 1e3);
}

Expected<PackageMade> makePackageWithProgress(Compilation &compilation,
                                              const PackagingOptions &packaging,
                                              PackageCache &cache) {
  Progress progress("compiling");
  showPhases(compilation, progress);
  return makePackage(compilation, packaging, cache);
}

int compilePackage(const CompileOptions &options) {
  if (options.output == "-")
    return fail(makeError("a package is no text for the standard output")
                    .withNote("say where to write it, for example '-o {}.attnpkg'",
                              options.kernel.empty() ? "kernel" : options.kernel));
  Expected<PackagingOptions> packaging = packagingOptions(options);
  if (!packaging)
    return fail(packaging.error());
  SpecCompilation compilation;
  if (failed(compilation.loadFile(options.spec)))
    return 1;
  PackageCache cache;
  Expected<PackageMade> made = makePackageWithProgress(compilation, *packaging, cache);
  warn(cache.takeWarnings());
  if (!made)
    return made.error().message.empty() ? 1 : fail(made.error());
  int code = writeBinary(options, "package", compilation, fileOf(made->package));
  if (code == 0 && options.timing)
    printTimes(compilation);
  return code;
}

FailureOr<std::string> emitWithProgress(Job &job) {
  Progress progress("compiling");
  showPhases(job.compilation, progress);
  return emit(job);
}

/// Text goes where it is wanted, alone or with what JSON says beside it.
int writeText(const Job &job, std::string text) {
  const CompileOptions &options = job.options;
  if (options.format == "json") {
    nlohmann::ordered_json json = factsOf(options, job.phase, job.compilation);
    json["text"] = std::move(text);
    text = textOf(json);
  }
  Status written = writeOutput(options.output, text);
  return written ? 0 : fail(written.error());
}

} // namespace

std::vector<std::string> compilePhases() {
  return {"attn", "tile", "nvvm", "llvm", "ptx", "cubin", "package"};
}

int compileVerb(const CompileOptions &options) {
  if (Expected<Machine> machine = builtinMachine(options.gpu); !options.gpu.empty() && !machine)
    return fail(makeError("unknown GPU '{}'", options.gpu).withNote("known are {}", builtinMachineNames()));
  if (options.emit == "package")
    return compilePackage(options);
  if (!options.chips.empty())
    return fail(makeError("'--arch' belongs to '--emit=package'")
                    .withNote("the cubin of '--emit=cubin' is for the target"));
  const Target *target = findTarget(options.target);
  if (!target)
    return fail(unknownName("target", options.target, targetNames()));
  if (!options.gpu.empty() && target->kind == TargetKind::Cpu)
    return fail(makeError("'--gpu' chooses tiles for a GPU, but the target is '{}'", options.target)
                    .withNote("add, for example, '--target=sm_80'"));
  std::vector<std::string> phases = phasesOf(*target);
  std::string phase = options.emit;
  if (phase.empty())
    phase = target->kind == TargetKind::Cpu ? "llvm" : "ptx";
  if (!llvm::is_contained(phases, phase))
    return fail(unknownName(fmt::format("phase of target '{}':", options.target), phase, phases));
  if (phase == "cubin" && options.format == "json" && options.output == "-")
    return fail(makeError("a cubin is no text, which '--format=json' wants")
                    .withNote("say where to write it, for example '-o kernel.cubin', or ask for "
                              "'--emit=ptx'"));
  std::optional<IsaLevel> isa = parseIsaLevel(options.isa);
  Job job{options, *target, phase, isa.value_or(fastestIsaLevel())};
  FailureOr<std::string> text = emitWithProgress(job);
  if (failed(text))
    return 1;
  int code = phase == "cubin" ? writeBinary(options, phase, job.compilation, *text)
                              : writeText(job, std::move(*text));
  if (code == 0 && options.timing)
    printTimes(job.compilation);
  return code;
}

} // namespace attn::tools
