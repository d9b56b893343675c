// Bytes as a safetensors file: refused with a message, or every tensor can be read and is what the
// header says.
#include "runtime/Safetensors.h"
#include "test/fuzz/Fuzz.h"

#include <string>
#include <sys/mman.h>
#include <unistd.h>

using namespace attn;
using fuzz::require;

namespace {
/// A file in memory, with a path.
class MemoryFile {
public:
  MemoryFile(const uint8_t *data, size_t size) : descriptor(memfd_create("fuzz", MFD_CLOEXEC)) {
    require(descriptor >= 0 && write(descriptor, data, size) == ssize_t(size),
            "a file in memory can be made");
  }
  ~MemoryFile() { close(descriptor); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor); }

private:
  int descriptor;
};
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MemoryFile memory(data, size);
  Expected<SafetensorsFile> file = SafetensorsFile::open(memory.path());
  if (!file) {
    require(!file.error().message.empty(), "a file that is refused is told why");
    return 0;
  }
  uint64_t end = 0;
  for (const TensorInfo &info : file->tensors()) {
    require(info.begin == end && info.end >= end && info.end <= size,
            "tensors follow one another in the file");
    end = info.end;
    require(file->find(info.name) == &info, "a tensor is found by its name");
    Expected<Tensor> tensor = file->read(info.name);
    require(bool(tensor), "a tensor of a valid file can be read");
    require(tensor->view().shape == info.shape && tensor->view().dtype == info.dtype,
            "a tensor has the shape and the type of its header");
  }
  return 0;
}
