#include "runtime/cuda/Module.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace attn::cuda {

namespace {

/// "sm_80" is 8.0, "sm_103" 10.3, "sm_90a" 9.0 of exactly this chip.
struct Chip {
  int major = 0, minor = 0;
  bool exact = false;
};

std::optional<Chip> parseChip(std::string_view name) {
  if (!name.starts_with("sm_"))
    return std::nullopt;
  int number = 0;
  auto [end, code] = std::from_chars(name.data() + 3, name.data() + name.size(), number);
  std::string_view rest(end, size_t(name.data() + name.size() - end));
  if (code != std::errc() || number < 10 || rest.size() > 1)
    return std::nullopt;
  return Chip{number / 10, number % 10, !rest.empty()};
}

/// Cubins run on their major architecture from their minor one on, PTX on everything as new; what
/// is written for exactly one chip only there.
bool runsOn(const Section &section, const DeviceFacts &facts) {
  std::optional<Chip> chip = parseChip(section.target);
  if (!chip)
    return false;
  bool same = chip->major == facts.major && chip->minor == facts.minor;
  bool sameMajor = chip->major == facts.major && chip->minor <= facts.minor;
  if (chip->exact)
    return same;
  return sameMajor || (section.kind == "ptx" && chip->major < facts.major);
}

/// All that may run, best first: newest architecture, and cubins before PTX or behind it.
std::vector<const Section *> candidates(const Package &package, const DeviceFacts &facts,
                                        bool preferPtx) {
  std::vector<const Section *> list;
  for (const Section &section : package.sections())
    if ((section.kind == "cubin" || section.kind == "ptx") && runsOn(section, facts))
      list.push_back(&section);
  std::stable_sort(list.begin(), list.end(), [&](const Section *a, const Section *b) {
    bool first = (a->kind == "ptx") == preferPtx, second = (b->kind == "ptx") == preferPtx;
    if (first != second)
      return first;
    Chip x = *parseChip(a->target), y = *parseChip(b->target);
    return std::tuple(x.major, x.minor, x.exact) > std::tuple(y.major, y.minor, y.exact);
  });
  return list;
}

Error noCode(const Package &package, const DeviceFacts &facts) {
  std::string list;
  for (const Section &section : package.sections())
    if (section.kind == "cubin" || section.kind == "ptx")
      list += fmt::format("{}'{} {}'", list.empty() ? "" : ", ", section.kind, section.target);
  if (list.empty())
    return makeError("the package has no code for GPUs")
        .withNote("compile it with "
                  "'--target=sm_80'");
  return makeError("the package has {}, but '{}' has compute capability {}.{}", list, facts.model,
                   facts.major, facts.minor);
}

} // namespace

CUresult Module::loadSection(const Section &section) {
  constexpr size_t kLog = 8192;
  std::string image(section.text()); // ends with a zero byte, as PTX must
  std::string info(kLog, '\0'), errors(kLog, '\0');
  int options[] = {InfoLogBuffer, InfoLogBytes, ErrorLogBuffer, ErrorLogBytes};
  void *values[] = {info.data(), reinterpret_cast<void *>(kLog), errors.data(),
                    reinterpret_cast<void *>(kLog)};
  CUresult code = context->api().cuModuleLoadDataEx(&handle, image.data(), 4, options, values);
  for (std::string *text : {&errors, &info}) {
    text->resize(strnlen(text->data(), kLog));
    moduleFacts.log += *text;
    if (!text->empty() && text->back() != '\n')
      moduleFacts.log += '\n';
  }
  return code;
}

Expected<std::unique_ptr<Module>> Module::load(std::shared_ptr<const Context> context,
                                               const Package &package, bool preferPtx,
                                               Fault &fault) {
  std::unique_ptr<Module> module(new Module(context));
  std::vector<const Section *> list = candidates(package, context->facts(), preferPtx);
  fault = Fault::Unsupported;
  if (list.empty())
    return noCode(package, context->facts());
  Status status;
  for (const Section *section : list) {
    std::string from = section->kind + " " + section->target;
    CUresult code = CUDA_SUCCESS;
    status = context->with([&] {
      code = module->loadSection(*section);
      return context->api().check(code, "cuModuleLoadDataEx");
    });
    if (status) {
      module->moduleFacts.from = from;
      module->unitName = section->unit;
      return module;
    }
    fault = faultOf(code);
    module->moduleFacts.log += fmt::format("{}: {}\n", from, status.error().message);
    // A cubin of another chip or a newer CUDA: the driver may still take the PTX.
    if (section->kind != "cubin" ||
        (code != CUDA_ERROR_NO_BINARY_FOR_GPU && code != CUDA_ERROR_INVALID_IMAGE))
      break;
  }
  return status.takeError().withNote("the driver said:\n{}", module->moduleFacts.log);
}

Module::~Module() {
  if (handle)
    (void)context->with([&] {
      context->api().cuModuleUnload(handle);
      return Status();
    });
}

Expected<CUfunction> Module::function(const std::string &entry, int64_t sharedBytes) const {
  constexpr int64_t kAlways = 48 << 10; // more must be asked for
  const Driver &d = context->api();
  const DeviceFacts &facts = context->facts();
  if (sharedBytes > facts.maxSharedBytes && sharedBytes > kAlways)
    return makeError("the kernel wants {} bytes of shared memory a block, but '{}' has {}",
                     sharedBytes, facts.model, facts.maxSharedBytes);
  CUfunction function = nullptr;
  Status status = context->with([&]() -> Status {
    if (Status found =
            d.check(d.cuModuleGetFunction(&function, handle, entry.c_str()), "cuModuleGetFunction");
        !found)
      return found.takeError().withNote("of kernel '{}'", entry);
    if (sharedBytes <= kAlways)
      return {};
    return d.check(d.cuFuncSetAttribute(function, MaxDynamicSharedBytes, int(sharedBytes)),
                   "cuFuncSetAttribute");
  });
  if (!status)
    return status.takeError();
  return function;
}

Status Module::ask(CUfunction function) {
  const Driver &d = context->api();
  return context->with([&]() -> Status {
    for (auto [attribute, value] : {std::pair(Registers, &moduleFacts.registers),
                                    {LocalBytes, &moduleFacts.localBytes},
                                    {StaticSharedBytes, &moduleFacts.staticSharedBytes},
                                    {MaxThreadsPerBlock, &moduleFacts.maxThreadsPerBlock}})
      if (Status status =
              d.check(d.cuFuncGetAttribute(value, attribute, function), "cuFuncGetAttribute");
          !status)
        return status;
    return {};
  });
}

int64_t Module::concurrentBlocks(CUfunction function, int64_t threads, int64_t sharedBytes) const {
  const Driver &d = context->api();
  int blocks = 0;
  if (d.cuOccupancyMaxActiveBlocksPerMultiprocessor)
    (void)context->with([&] {
      return d.check(d.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, int(threads),
                                                                   size_t(sharedBytes)),
                     "cuOccupancyMaxActiveBlocksPerMultiprocessor");
    });
  return int64_t(blocks) * context->facts().multiprocessors;
}

} // namespace attn::cuda
