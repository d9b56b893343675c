#include "jit/Assemble.h"

#include "jit/ExternalTool.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

namespace attn {

/// A ptxas of the PyPI package below one of the directories above the working directory.
static std::string ptxasOfVenv() {
  llvm::SmallString<128> directory;
  if (llvm::sys::fs::current_path(directory))
    return "";
  for (; !directory.empty(); directory = llvm::sys::path::parent_path(directory)) {
    llvm::SmallString<128> root(directory);
    llvm::sys::path::append(root, ".venv");
    std::error_code error;
    for (llvm::sys::fs::recursive_directory_iterator it(root, error), end; it != end && !error;
         it.increment(error))
      if (llvm::sys::path::filename(it->path()) == "ptxas" &&
          llvm::sys::fs::can_execute(it->path()))
        return it->path();
    if (directory == llvm::sys::path::root_path(directory))
      break;
  }
  return "";
}

std::string findPtxas() {
  if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  if (llvm::ErrorOr<std::string> found =
          llvm::sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"}))
    return *found;
  return ptxasOfVenv();
}

Expected<std::string> assemble(std::string_view ptx, const std::string &chip) {
  std::string ptxas = findPtxas();
  if (ptxas.empty())
    return makeError(
        "no ptxas on PATH, in the CUDA toolkit or in .venv; install the CUDA toolkit or "
        "the PyPI package nvidia-cuda-nvcc, or use --emit=ptx");
  TemporaryFile source, cubin;
  for (auto [file, suffix, content] :
       {std::tuple(&source, "ptx", llvm::StringRef(ptx)), {&cubin, "cubin", {}}})
    if (Status status = file->create(suffix, content); !status)
      return status.takeError();
  std::string architecture = "-arch=" + chip;
  if (Status status =
          runTool("ptxas", {ptxas, architecture, source.path(), "-o", cubin.path()});
      !status) {
    source.keep();
    return status.takeError();
  }
  return cubin.contents();
}

} // namespace attn
