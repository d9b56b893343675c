// Every example becomes a package that is read again: what compilers write passes all checks of the reader,
// and comes back as it was.
#include "runtime/KernelInfoJson.h"
#include "jit/Packaging.h"

#include "llvm/Support/FileSystem.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

std::vector<std::string> examples() {
  std::vector<std::string> paths;
  std::error_code error;
  for (llvm::sys::fs::recursive_directory_iterator it(ATTN_EXAMPLES, error), end;
       it != end && !error; it.increment(error))
    if (llvm::StringRef(it->path()).ends_with(".attn"))
      paths.push_back(it->path());
  llvm::sort(paths);
  return paths;
}

/// Names of the kernels of a spec.
std::vector<std::string> kernelsOf(const std::string &path) {
  Compilation c(llvm::errs());
  std::vector<std::string> names;
  if (succeeded(c.loadFile(path)))
    for (auto function : c.module().getOps<mlir::func::FuncOp>())
      names.push_back(function.getName().str());
  return names;
}

/// A package without the shared objects of other levels than one, or the diagnostics.
Expected<std::string> packageOf(const std::string &path, const std::string &kernel,
                                const char *target) {
  std::string diagnostics;
  llvm::raw_string_ostream os(diagnostics);
  Compilation c(os);
  PackagingOptions options;
  options.targets = {findTarget(target)};
  options.kernel = kernel;
  options.isas = {IsaLevel::Baseline};
  options.version = "attnc of the tests";
  if (failed(c.loadFile(path)))
    return Error{diagnostics, {}};
  PackageCache off({"", 0});
  Expected<PackageMade> made = makePackage(c, options, off);
  if (!made)
    return Error{diagnostics + made.error().message, {}};
  return fileOf(made->package);
}

void checkPackage(const std::string &bytes) {
  Expected<Package> package =
      Package::read({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  ASSERT_TRUE(package) << package.error().message;
  for (const auto &[unit, info] : package->units())
    EXPECT_EQ(toJson(info), package->find("info", unit)->text());
  EXPECT_FALSE(describe(*package).empty());
}

class Packaging : public testing::TestWithParam<const char *> {};

TEST_P(Packaging, EveryExample) {
  int packages = 0, refused = 0;
  for (const std::string &path : examples())
    for (const std::string &kernel : kernelsOf(path)) {
      SCOPED_TRACE(path + ", kernel " + kernel);
      Expected<std::string> bytes = packageOf(path, kernel, GetParam());
      if (bytes)
        checkPackage(*bytes);
      else if (llvm::StringRef(GetParam()) == "cpu")
        ADD_FAILURE() << bytes.error().message;
      bytes ? ++packages : ++refused;
    }
  EXPECT_GT(packages, 40);
  EXPECT_LT(refused, packages / 2); // f32 has no code for sm_80
}

INSTANTIATE_TEST_SUITE_P(Targets, Packaging, testing::Values("cpu", "sm_80"),
                         [](const auto &info) { return std::string(info.param); });

} // namespace
