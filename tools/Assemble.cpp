#include "tools/Assemble.h"

#include "runtime/AtomicFile.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attn::tools {

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

static std::string contentsOf(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

Expected<std::string> assemble(std::string_view ptx, const std::string &chip) {
  std::string ptxas = findPtxas();
  if (ptxas.empty())
    return makeError(
        "no ptxas on PATH, in the CUDA toolkit or in .venv; install the CUDA toolkit or "
        "the PyPI package nvidia-cuda-nvcc, or use --emit=ptx");
  llvm::SmallString<128> source, cubin, log;
  for (auto [path, suffix] : {std::pair(&source, "ptx"), {&cubin, "cubin"}, {&log, "txt"}})
    if (std::error_code error = llvm::sys::fs::createTemporaryFile("attnc", suffix, *path))
      return makeError("cannot create a temporary file: {}", error.message());
  llvm::scope_exit cleanup([&] {
    llvm::sys::fs::remove(cubin);
    llvm::sys::fs::remove(log);
  });
  if (Status written = writeFileAtomically(source.str().str(), ptx); !written)
    return written.error();
  std::string architecture = "-arch=" + chip;
  llvm::SmallVector<llvm::StringRef> arguments{
      ptxas, architecture, source.str(), "-o", cubin.str()};
  std::optional<llvm::StringRef> redirects[] = {"", log.str(), log.str()};
  int exit = llvm::sys::ExecuteAndWait(ptxas, arguments, std::nullopt, redirects);
  if (exit != 0)
    return makeError("ptxas refused the kernel:\n{}repeat it with: {}", contentsOf(log),
                     llvm::join(arguments, " "));
  llvm::sys::fs::remove(source);
  return contentsOf(cubin);
}

} // namespace attn::tools
