// Machine code of packages, loaded by the system.
#include "runtime/CodeObject.h"
#include "runtime/Package.h"

#include <gmock/gmock.h>

#include <set>

namespace attn {
namespace {

Package packageOf(const char *name) {
  Expected<Package> package = Package::open(std::string(ATTN_TEST_PACKAGES) + "/" + name);
  EXPECT_TRUE(package) << package.error().message;
  return std::move(*package);
}

/// The system's loader knows objects by their names, which descriptors share one after the other.
TEST(CodeObject, IsItsOwnHoweverManyAreLoaded) {
  std::vector<CodeObject> objects;
  std::set<void *> functions;
  size_t loaded = 0;
  for (const char *name : {"window.attnpkg", "lengths.attnpkg", "window.attnpkg"}) {
    Package package = packageOf(name);
    for (const Section &section : package.sections()) {
      if (section.kind != "object")
        continue;
      Expected<CodeObject> object = CodeObject::load(section.bytes);
      ASSERT_TRUE(object) << object.error().message;
      Expected<void *> function = object->lookup(package.kernel().entry);
      ASSERT_TRUE(function) << function.error().message;
      objects.push_back(std::move(*object));
      functions.insert(*function);
      ++loaded;
    }
  }
  EXPECT_GE(loaded, 7u);
  EXPECT_EQ(functions.size(), loaded);
}

TEST(CodeObject, SaysWhatIsWrong) {
  std::vector<uint8_t> text{'t', 'e', 'x', 't', '.'};
  EXPECT_THAT(CodeObject::load(text).error().message, testing::HasSubstr("no ELF shared object"));
  std::vector<uint8_t> header{0x7f, 'E', 'L', 'F', 2, 1, 1, 0};
  EXPECT_THAT(CodeObject::load(header).error().message,
              testing::HasSubstr("the system cannot load a kernel's code"));
  Package package = packageOf("lengths.attnpkg");
  Expected<CodeObject> object = CodeObject::load(package.find("object")->bytes);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_THAT(object->lookup("nobody").error().message, testing::HasSubstr("no symbol 'nobody'"));
}

} // namespace
} // namespace attn
