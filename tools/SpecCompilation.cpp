#include "tools/SpecCompilation.h"

#include "tools/Progress.h"
#include "tools/Report.h"

using namespace mlir;

namespace attn::tools {

SpecCompilation::SpecCompilation() : Compilation(llvm::errs()) {
  // The last handler is asked first; those that it fails on go to the one that prints.
  context().getDiagEngine().registerHandler([](Diagnostic &diagnostic) {
    if (isQuiet() && diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return success();
    Progress::clear();
    return failure();
  });
}

} // namespace attn::tools
