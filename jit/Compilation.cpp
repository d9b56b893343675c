#include "jit/Compilation.h"

#include "frontend/Frontend.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace attn {

Compilation::Compilation(llvm::raw_ostream &diagnostics)
    : mlirContext(MLIRContext::Threading::DISABLED), handler(sources, &mlirContext, diagnostics) {
  // Whoever wrote a spec wants to see the spec.
  mlirContext.printOpOnDiagnostic(false);
}

LogicalResult Compilation::checkLoaded() { return success(bool(owned)); }

LogicalResult Compilation::loadFile(StringRef path) {
  owned = timed("parse", [&] { return attn::loadFile(path, sources, &mlirContext); });
  return checkLoaded();
}

LogicalResult Compilation::loadText(StringRef text, StringRef name) {
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, name), llvm::SMLoc());
  owned = timed("parse", [&] { return parseSpec(sources, &mlirContext); });
  return checkLoaded();
}

LogicalResult Compilation::loadNamed(StringRef text, StringRef name) {
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, name), llvm::SMLoc());
  owned = timed("parse", [&] { return parseNamed(sources, &mlirContext); });
  return checkLoaded();
}

LogicalResult Compilation::loadMlir(StringRef text, StringRef name) {
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, name), llvm::SMLoc());
  owned = timed("parse", [&] { return parseMlir(sources, &mlirContext); });
  return checkLoaded();
}

StringRef closestName(StringRef name, ArrayRef<StringRef> candidates) {
  StringRef best;
  unsigned bestDistance = std::max<unsigned>(1, name.size() / 3) + 1;
  for (StringRef candidate : candidates)
    if (unsigned distance = name.edit_distance_insensitive(candidate, true, bestDistance);
        distance < bestDistance)
      best = candidate, bestDistance = distance;
  return best;
}

/// Functions with an attention in them.
static SmallVector<func::FuncOp> kernelsOf(ModuleOp module) {
  SmallVector<func::FuncOp> kernels;
  for (auto function : module.getOps<func::FuncOp>()) {
    WalkResult found = function.walk([](AttentionOp) { return WalkResult::interrupt(); });
    if (found.wasInterrupted())
      kernels.push_back(function);
  }
  return kernels;
}

static LogicalResult checkKernel(func::FuncOp kernel) {
  AttentionOp attention;
  for (Operation &op : kernel.getBody().front()) {
    auto found = dyn_cast<AttentionOp>(op);
    bool allowed =
        (found && !attention) || op.hasTrait<OpTrait::ConstantLike>() || isa<func::ReturnOp>(op);
    if (!allowed) {
      InFlightDiagnostic diagnostic = op.emitError() << "'" << op.getName() << "' in kernel '"
                                                     << kernel.getName() << "'";
      diagnostic.attachNote() << "a kernel is one 'attn.attention' and the return of its results";
      return diagnostic;
    }
    attention = found ? found : attention;
  }
  auto back = cast<func::ReturnOp>(kernel.getBody().front().getTerminator());
  if (!attention || attention->getNumOperands() != kernel.getNumArguments() ||
      !llvm::equal(attention->getOperands(), kernel.getArguments()))
    return kernel.emitError() << "the arguments of a kernel must be the operands of its attention, "
                                 "in this order: query, key, value, run-time inputs";
  size_t results = back.getNumOperands();
  if (results == 0 || results > 2 ||
      !llvm::equal(back.getOperands(), attention->getResults().take_front(results)))
    return back.emitError()
           << "a kernel must return the output of its attention, and its lse if at "
              "all, in this order";
  return success();
}

LogicalResult Compilation::checkKernels() {
  for (func::FuncOp kernel : kernelsOf(module()))
    if (failed(checkKernel(kernel)))
      return failure();
  return success();
}

static std::string quotedList(ArrayRef<StringRef> names) {
  std::string list;
  llvm::raw_string_ostream os(list);
  llvm::interleaveComma(names, os, [&](StringRef name) { os << "'" << name << "'"; });
  return list;
}

LogicalResult Compilation::selectKernel(StringRef name) {
  SmallVector<func::FuncOp> kernels = kernelsOf(module());
  SmallVector<StringRef> names;
  for (func::FuncOp kernel : kernels)
    names.push_back(kernel.getName());
  if (kernels.empty())
    return module().emitError() << "there is no kernel in this file";
  if (name.empty() && kernels.size() > 1) {
    InFlightDiagnostic diagnostic = kernels[1].emitError()
                                    << "there are " << names.size()
                                    << " kernels in this file, and one is wanted";
    diagnostic.attachNote() << "choose one with '--kernel=': " << quotedList(names);
    return diagnostic;
  }
  if (!name.empty() && !llvm::is_contained(names, name)) {
    InFlightDiagnostic diagnostic = module().emitError() << "no kernel is named '" << name << "'";
    StringRef guess = closestName(name, names);
    if (!guess.empty())
      diagnostic.attachNote() << "did you mean '" << guess << "'?";
    else
      diagnostic.attachNote() << "the kernels are " << quotedList(names);
    return diagnostic;
  }
  for (func::FuncOp kernel : kernels)
    if (!name.empty() && kernel.getName() != name)
      kernel.erase();
  return checkKernels();
}

template <class Op> static Op onlyOp(ModuleOp module) {
  Op found;
  module.walk([&](Op op) {
    assert(!found && "one kernel was selected");
    found = op;
  });
  assert(found && "a selected kernel holds an attention");
  return found;
}
AttentionOp Compilation::attention() { return onlyOp<AttentionOp>(module()); }
tile::AttentionOp Compilation::tiledAttention() { return onlyOp<tile::AttentionOp>(module()); }

LogicalResult Compilation::simplify() {
  return timed("simplify", [&] {
    PassManager pm(&mlirContext);
    pm.addPass(createCanonicalizerPass());
    return pm.run(module());
  });
}

LogicalResult Compilation::tile(const Target &target, const TilingOptions &tiling) {
  module()->setAttr(kTargetAttrName, StringAttr::get(&mlirContext, target.name));
  return timed("tile", [&] {
    PassManager pm(&mlirContext);
    buildTilingPipeline(pm, tiling);
    return pm.run(module());
  });
}

} // namespace attn
