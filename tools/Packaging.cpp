#include "tools/Packaging.h"

#include "codegen/cpu/EmitCpu.h"
#include "codegen/nvvm/EmitPTX.h"
#include "jit/LaunchForm.h"
#include "jit/SharedObject.h"
#include "tools/Assemble.h"

using namespace mlir;

namespace attn::tools {

namespace {

std::string printed(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  op->print(os);
  return text + "\n";
}

/// The levels whose code differs.
std::vector<IsaLevel> levelsFor(AttentionOp op) {
  std::vector<IsaLevel> levels(std::begin(kIsaLevels), std::end(kIsaLevels));
  if (!op.getKey().getType().getElementType().isBF16())
    std::erase(levels, IsaLevel::Avx512Bf16);
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

  Expected<std::string> make() {
    if (failed(c.selectKernel(options.kernel)))
      return Error();
    OwningOpRef<ModuleOp> selected = c.module().clone();
    if (failed(c.simplify()))
      return Error();
    writer.add("compiler", "", "", options.version);
    writer.add("spec", "", "", printed(c.module()));
    for (const Target *target : options.targets) {
      Status status =
          target->kind == TargetKind::Cpu ? addCpu(*selected, *target) : addGpu(*selected, *target);
      if (!status)
        return status.takeError();
    }
    return writer.finish();
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
      FailureOr<KernelInfo> info = tileForLaunch(
          c, "", target, tiling, [&](tile::AttentionOp op) { return cpu::kernelInfo(op, isa); });
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

Expected<std::string> makePackage(Compilation &c, const PackagingOptions &options) {
  return Packager(c, options).make();
}

} // namespace attn::tools
