#include "jit/ExternalTool.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

namespace attn {

TemporaryFile::~TemporaryFile() {
  if (!kept && !name.empty())
    llvm::sys::fs::remove(name);
}

Status TemporaryFile::create(const char *suffix, llvm::StringRef content) {
  int descriptor;
  if (std::error_code error = llvm::sys::fs::createTemporaryFile("attnc", suffix, descriptor, name))
    return makeError("cannot create a temporary file: {}", error.message());
  llvm::raw_fd_ostream os(descriptor, /*shouldClose=*/true);
  os << content;
  os.close();
  if (!os.has_error())
    return {};
  std::string message = os.error().message();
  os.clear_error();
  return makeError("cannot write '{}': {}", name.str().str(), message);
}

std::string TemporaryFile::contents() const {
  auto buffer = llvm::MemoryBuffer::getFile(name, /*IsText=*/false);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

Status runTool(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> command) {
  TemporaryFile log;
  if (Status status = log.create("txt"); !status)
    return status;
  std::optional<llvm::StringRef> redirects[] = {"", log.path(), log.path()};
  if (llvm::sys::ExecuteAndWait(command.front(), command, std::nullopt, redirects) == 0)
    return {};
  return makeError("{} refused the kernel:\n{}repeat it with: {}", name.str(), log.contents(),
                   llvm::join(command, " "));
}

} // namespace attn
