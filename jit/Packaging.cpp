#include "jit/Packaging.h"

#include "codegen/cpu/EmitCpu.h"
#include "codegen/nvvm/EmitPTX.h"
#include "jit/Assemble.h"
#include "jit/CompilerIdentity.h"
#include "jit/LaunchForm.h"
#include "jit/SharedObject.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/TargetParser/Host.h"

#include <fmt/ranges.h>

using namespace mlir;

namespace attn {

namespace {

std::string printed(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  op->print(os);
  return text + "\n";
}

/// A program's file as it is now: newer ones have other names or sizes or times.
std::string stampOf(const std::string &program) {
  llvm::sys::fs::file_status status;
  if (llvm::sys::fs::status(program, status))
    return program;
  return fmt::format("{} {} {}", program, status.getSize(),
                     status.getLastModificationTime().time_since_epoch().count());
}

/// Code for processors may be chosen for the very one.
std::string processorText() {
  std::vector<std::string> features;
  for (const auto &feature : llvm::sys::getHostCPUFeatures())
    if (feature.second)
      features.push_back(feature.first().str());
  llvm::sort(features);
  return fmt::format("{} {}", llvm::sys::getHostCPUName().str(), fmt::join(features, ","));
}

/// The levels whose code differs.
std::vector<IsaLevel> levelsFor(AttentionOp op) {
  std::vector<IsaLevel> levels(std::begin(kIsaLevels), std::end(kIsaLevels));
  if (!op.getKey().getType().getElementType().isBF16())
    std::erase_if(levels, [](IsaLevel level) { return level > IsaLevel::Avx512; });
  return levels;
}

/// Adds the sections of one target after the other, each from a copy of the spec.
class Packager {
public:
  Packager(Compilation &c, const PackagingOptions &options) : c(c), options(options) {
    tiling.queryTile.assign(options.queryTile.begin(), options.queryTile.end());
    tiling.machine = options.gpu;
    tiling.keyTile.assign(options.keyTile.begin(), options.keyTile.end());
  }

  Expected<PackageWriter> make(ModuleOp selected, std::string canonical) {
    writer.add("compiler", "", "", options.version);
    writer.add("spec", "", "", std::move(canonical));
    for (const Target *target : options.targets) {
      Status status =
          target->kind == TargetKind::Cpu ? addCpu(selected, *target) : addGpu(selected, *target);
      if (!status)
        return status.takeError();
    }
    return std::move(writer);
  }

private:
  Status addCpu(ModuleOp spec, const Target &target) {
    std::vector<IsaLevel> isas = options.isas;
    if (isas.empty()) {
      c.restart(spec);
      isas = levelsFor(c.attention());
    }
    for (IsaLevel isa : isas) {
      c.restart(spec);
      TilingOptions ofLevel = tiling;
      ofLevel.machine = isaLevelName(isa);
      FailureOr<KernelInfo> info = tileForLaunch(
          c, "", target, ofLevel, [&](tile::AttentionOp op) { return cpu::kernelInfo(op, isa); });
      if (failed(info))
        return Error();
      info->target = target.name.str();
      auto object = objectOf(c, isa);
      if (!object)
        return object.takeError();
      if (!*object)
        return Error();
      Expected<std::string> shared =
          c.timed("link", [&] { return linkSharedObject(c.module(), **object, isa); });
      if (!shared)
        return shared.takeError();
      std::string_view unit = isaLevelName(isa);
      writer.add(*info, unit);
      writer.add("object", unit, unit, std::move(*shared));
    }
    return {};
  }

  Status addGpu(ModuleOp spec, const Target &target) {
    c.restart(spec);
    FailureOr<KernelInfo> info = tileForLaunch(
        c, "", target, tiling, [&](tile::AttentionOp op) { return nvvm::kernelInfo(op, target); });
    if (failed(info) ||
        failed(c.timed("lower", [&] { return nvvm::lowerToNVVM(c.module(), target); })))
      return Error();
    FailureOr<std::string> ptx = c.timed("ptx", [&] { return nvvm::emitPTX(c.module(), target); });
    if (failed(ptx))
      return Error();
    std::string unit = target.name.str();
    info->target = unit;
    writer.add(*info, unit);
    writer.add("ptx", unit, unit, *ptx);
    for (const std::string &chip : options.chips) {
      Expected<std::string> cubin = c.timed("ptxas", [&] { return assemble(*ptx, chip); });
      if (!cubin)
        return cubin.takeError();
      writer.add("cubin", chip, unit, std::move(*cubin));
    }
    return {};
  }

  Compilation &c;
  const PackagingOptions &options;
  TilingOptions tiling;
  PackageWriter writer;
};

} // namespace

Expected<std::string> Packaging::request() {
  if (failed(c.selectKernel(options.kernel)))
    return attn::Error();
  selected = c.module().clone();
  if (failed(c.simplify()))
    return attn::Error();
  canonical = printed(c.module());
  std::string text = fmt::format("compiler {}\nwritten as {}\n", compilerIdentity(),
                                 options.version);
  bool onGpu = false;
  for (const Target *target : options.targets) {
    text += fmt::format("target {}\n", target->name.str());
    onGpu |= target->kind != TargetKind::Cpu;
  }
  if (options.targets.size() > 1 || !onGpu)
    text += "processor " + processorText() + "\n";
  for (IsaLevel isa : options.isas)
    text += fmt::format("isa {}\n", isaLevelName(isa));
  text += fmt::format("query tile {}\nkey tile {}\n", fmt::join(options.queryTile, "x"),
                      fmt::join(options.keyTile, "x"));
  if (onGpu)
    text += fmt::format("gpu {}\ncubins {}\n", options.gpu, fmt::join(options.chips, ","));
  if (!options.chips.empty())
    text += fmt::format("ptxas {}\n", stampOf(findPtxas()));
  return text + "\n" + canonical;
}

Expected<PackageWriter> Packaging::make() {
  return Packager(c, options).make(*selected, std::move(canonical));
}

static std::span<const uint8_t> asBytes(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

Expected<Package> compilePackage(Packaging &packaging, const std::string &request,
                                 PackageCache &cache) {
  Expected<PackageWriter> writer = packaging.make();
  if (!writer)
    return writer.takeError();
  writer->add("request", "", "", request);
  std::string bytes = writer->finish();
  return packaging.compilation().timed("keep", [&] {
    cache.store(request, bytes);
    return Package::read(asBytes(bytes));
  });
}

Expected<PackageMade> makePackage(Compilation &c, const PackagingOptions &options,
                                  PackageCache &cache) {
  Packaging packaging(c, options);
  Expected<std::string> request = packaging.request();
  if (!request)
    return request.takeError();
  if (auto found = c.timed("look up", [&] { return cache.find(*request); }))
    return PackageMade{std::move(*found), true};
  Expected<Package> package = compilePackage(packaging, *request, cache);
  if (!package)
    return package.takeError();
  return PackageMade{std::move(*package), false};
}

std::string fileOf(const Package &package) {
  PackageWriter writer;
  writer.addAllBut("request", package);
  return writer.finish();
}

} // namespace attn
