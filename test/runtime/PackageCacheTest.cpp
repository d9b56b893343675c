// The cache of compiled kernels: what comes out is what was put in for the same request, or nothing.
#include "runtime/PackageCache.h"
#include "test/runtime/TemporaryFolder.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <random>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>

namespace attn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string requestOf(int i) { return "request number " + std::to_string(i); }

/// The package that answers a request; its spec says which.
std::string packageOf(int i) {
  static const Package original = *Package::open(ATTN_TEST_PACKAGES "/window.attnpkg");
  PackageWriter writer;
  writer.addAllBut("spec", original);
  writer.add("spec", "", "", "spec of " + requestOf(i));
  writer.add("request", "", "", requestOf(i));
  return writer.finish();
}

std::string found(PackageCache &cache, int i) {
  std::optional<Package> package = cache.find(requestOf(i));
  return package ? std::string(package->spec()) : "";
}

class PackageCaches : public TemporaryFolder {
protected:
  CacheOptions options(uint64_t mostBytes = uint64_t(1) << 30) const {
    return {path("cache"), mostBytes};
  }
  /// The only warning, with its notes; says so where there are none or several.
  static std::string warningOf(PackageCache &cache) {
    std::vector<Error> warnings = cache.takeWarnings();
    if (warnings.size() != 1)
      return std::to_string(warnings.size()) + " warnings";
    std::string text = warnings[0].message;
    for (const std::string &note : warnings[0].notes)
      text += "\n" + note;
    return text;
  }
  std::vector<std::string> filesOfCache() const {
    std::vector<std::string> names;
    for (const auto &entry : std::filesystem::directory_iterator(folder / "cache"))
      names.push_back(entry.path().string());
    return names;
  }
};

TEST_F(PackageCaches, GiveBackWhatWasStored) {
  PackageCache cache(options());
  EXPECT_EQ(found(cache, 1), "");
  EXPECT_FALSE(std::filesystem::exists(path("cache"))); // asking makes no folder
  cache.store(requestOf(1), packageOf(1));
  cache.store(requestOf(2), packageOf(2));
  PackageCache another(options());
  EXPECT_EQ(found(another, 1), "spec of " + requestOf(1));
  EXPECT_EQ(found(another, 2), "spec of " + requestOf(2));
  EXPECT_EQ(found(another, 3), "");
  EXPECT_THAT(cache.takeWarnings(), IsEmpty());
  EXPECT_THAT(another.takeWarnings(), IsEmpty());
  struct stat status;
  ASSERT_EQ(stat(path("cache").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(PackageCaches, UseNoDamagedEntry) {
  PackageCache cache(options());
  cache.store(requestOf(1), packageOf(1));
  std::string file = filesOfCache().at(0), whole = bytesOf(file);
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    if (i % 3 == 0)
      damaged.resize(random() % whole.size());
    else
      damaged[random() % whole.size()] ^= char(1 << random() % 8);
    put("cache/" + std::filesystem::path(file).filename().string(), damaged);
    ASSERT_EQ(found(cache, 1), "") << i;
  }
  EXPECT_FALSE(cache.takeWarnings().empty());
  cache.store(requestOf(1), packageOf(1));
  EXPECT_EQ(found(cache, 1), "spec of " + requestOf(1));
}

TEST_F(PackageCaches, UseNoEntryUnderTheNameOfAnother) {
  PackageCache cache(options());
  cache.store(requestOf(1), packageOf(1));
  std::string one = filesOfCache().at(0);
  cache.store(requestOf(2), packageOf(2));
  for (const std::string &file : filesOfCache())
    if (file != one)
      std::filesystem::rename(one, file);
  EXPECT_EQ(found(cache, 2), "");
  EXPECT_THAT(warningOf(cache), HasSubstr("it answers another request than its name says"));
}

TEST_F(PackageCaches, FollowNoLink) {
  PackageCache cache(options());
  cache.store(requestOf(1), packageOf(1));
  std::string file = filesOfCache().at(0);
  std::filesystem::rename(file, path("elsewhere"));
  std::filesystem::create_symlink(path("elsewhere"), file);
  EXPECT_EQ(found(cache, 1), "");
  EXPECT_THAT(warningOf(cache), HasSubstr("cannot read"));
}

TEST_F(PackageCaches, EvictWhatWasNotUsedForLongest) {
  uint64_t size = packageOf(1).size();
  PackageCache cache(options(2 * size + size / 2));
  cache.store(requestOf(1), packageOf(1));
  cache.store(requestOf(2), packageOf(2));
  for (const std::string &file : filesOfCache()) // both were used an hour ago
    std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() -
                                               std::chrono::hours(1));
  EXPECT_NE(found(cache, 1), "");
  cache.store(requestOf(3), packageOf(3));
  EXPECT_NE(found(cache, 1), "");
  EXPECT_EQ(found(cache, 2), "");
  EXPECT_NE(found(cache, 3), "");
  PackageCache small(options(size - 1)); // would evict all others, and not fit then
  small.store(requestOf(4), packageOf(4));
  EXPECT_EQ(filesOfCache().size(), 2u);
}

TEST_F(PackageCaches, AreListedVerifiedAndCleared) {
  PackageCache cache(options());
  EXPECT_TRUE(cache.entries()->empty());
  for (int i : {1, 2, 3})
    cache.store(requestOf(i), packageOf(i));
  std::string file = filesOfCache().at(0);
  std::filesystem::resize_file(file, 100);
  put("cache/.attn-1-1.tmp", "of a writer that was killed");
  put("cache/notes.txt", "not ours");
  int damaged = 0;
  auto entries = cache.entries();
  for (const PackageCache::Entry &entry : *entries) {
    damaged += !entry.package;
    if (!entry.package)
      EXPECT_TRUE(cache.remove(entry));
  }
  EXPECT_EQ(damaged, 1);
  EXPECT_EQ(*cache.clear(), 2);
  EXPECT_THAT(filesOfCache(), ElementsAre(path("cache/notes.txt")));
}

TEST_F(PackageCaches, OldLeftoversGo) {
  PackageCache cache(options());
  cache.store(requestOf(1), packageOf(1));
  for (const char *name : {"cache/.attn-1-1.tmp", "cache/.attn-1-2.tmp"})
    put(name, "half a package");
  std::filesystem::last_write_time(path("cache/.attn-1-1.tmp"),
                                   std::filesystem::file_time_type::clock::now() -
                                       std::chrono::hours(1));
  cache.store(requestOf(2), packageOf(2));
  EXPECT_FALSE(std::filesystem::exists(path("cache/.attn-1-1.tmp")));
  EXPECT_TRUE(std::filesystem::exists(path("cache/.attn-1-2.tmp"))); // somebody may be at it
}

//===----------------------------------------------------------------------===//
// Folders that cannot be used
//===----------------------------------------------------------------------===//

TEST_F(PackageCaches, RefuseAFolderThatOthersMayWriteTo) {
  std::filesystem::create_directory(path("cache"));
  ASSERT_EQ(chmod(path("cache").c_str(), 0777), 0);
  PackageCache cache(options());
  EXPECT_EQ(found(cache, 1), "");
  EXPECT_THAT(warningOf(cache), HasSubstr("can be written to by others: its mode is 777\n"));
  cache.store(requestOf(1), packageOf(1));
  EXPECT_THAT(filesOfCache(), IsEmpty());
  EXPECT_THAT(cache.takeWarnings(), IsEmpty()); // said once
}

TEST_F(PackageCaches, RefuseWhatIsNoFolder) {
  put("cache", "a file");
  PackageCache cache(options());
  cache.store(requestOf(1), packageOf(1));
  EXPECT_THAT(warningOf(cache), HasSubstr("cannot open the directory"));
  PackageCache below({path("cache/below"), 0});
  below.store(requestOf(1), packageOf(1));
  EXPECT_THAT(warningOf(below), HasSubstr("Not a directory"));
}

/// Runs `work` in a process of its own, which is killed after a minute; its result is the exit code.
int inProcess(const std::function<int()> &work) {
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(work());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_F(PackageCaches, RefuseTheFolderOfAnotherUser) {
  if (geteuid() != 0)
    GTEST_SKIP() << "only root can become somebody else";
  PackageCache cache(options());
  cache.store(requestOf(1), packageOf(1));
  std::string bytes = packageOf(2);
  constexpr uid_t kNobody = 65534;
  auto asNobody = [&](const char *expected) {
    return inProcess([&] {
      if (setuid(kNobody) != 0)
        return 2;
      PackageCache cache(options());
      if (found(cache, 1) != "")
        return 3;
      cache.store(requestOf(2), bytes);
      std::string warning = warningOf(cache);
      return warning.find(expected) == std::string::npos ? 4 : 0;
    });
  };
  ASSERT_EQ(chmod(folder.c_str(), 0755), 0);
  EXPECT_EQ(asNobody("cannot open the directory"), 0);
  ASSERT_EQ(chmod(path("cache").c_str(), 0755), 0);
  EXPECT_EQ(asNobody("belongs to user 0, but this is user 65534"), 0);
  EXPECT_EQ(filesOfCache().size(), 1u);
  // Nor does root execute what somebody else has written.
  ASSERT_EQ(chown(path("cache").c_str(), kNobody, kNobody), 0);
  EXPECT_EQ(found(cache, 1), "");
  EXPECT_THAT(warningOf(cache), HasSubstr("belongs to user 65534, but this is user 0"));
}

TEST_F(PackageCaches, LeaveNothingWhereWritingFails) {
  std::string bytes = packageOf(2);
  PackageCache(options()).store(requestOf(1), packageOf(1));
  EXPECT_EQ(inProcess([&] {
              signal(SIGXFSZ, SIG_IGN);
              rlimit limit{1000, 1000};
              setrlimit(RLIMIT_FSIZE, &limit);
              PackageCache cache(options());
              cache.store(requestOf(2), bytes);
              return warningOf(cache).find("File too large") == std::string::npos ? 1
                     : found(cache, 1).empty()                                    ? 2
                                                                                  : 0;
            }),
            0);
  EXPECT_EQ(filesOfCache().size(), 1u);
}

TEST_F(PackageCaches, LeaveNothingOnAFullDisk) {
  std::filesystem::create_directory(path("cache"));
  if (mount("attn-test", path("cache").c_str(), "tmpfs", 0, "size=64k,mode=700") != 0)
    GTEST_SKIP() << "no file system can be mounted here: " << std::strerror(errno);
  {
    PackageCache cache(options());
    int stored = 0;
    std::vector<Error> warnings;
    for (int i = 0; i < 8; ++i) {
      cache.store(requestOf(i), packageOf(i));
      stored += !found(cache, i).empty();
      for (Error &warning : cache.takeWarnings())
        warnings.push_back(std::move(warning));
    }
    EXPECT_GT(stored, 0);
    EXPECT_LT(stored, 8);
    ASSERT_FALSE(warnings.empty());
    EXPECT_THAT(warnings[0].message, HasSubstr("No space left on device"));
    EXPECT_EQ(int(filesOfCache().size()), stored);
  }
  umount(path("cache").c_str());
}

//===----------------------------------------------------------------------===//
// The environment
//===----------------------------------------------------------------------===//

/// Sets or, with null, unsets variables for the life of the object.
class Variables {
public:
  explicit Variables(std::map<std::string, const char *> wanted) {
    for (const auto &[name, value] : wanted) {
      const char *now = std::getenv(name.c_str());
      before[name] = now ? std::optional<std::string>(now) : std::nullopt;
      value ? setenv(name.c_str(), value, 1) : unsetenv(name.c_str());
    }
  }
  ~Variables() {
    for (const auto &[name, value] : before)
      value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
  }

private:
  std::map<std::string, std::optional<std::string>> before;
};

std::map<std::string, const char *> environment(std::map<std::string, const char *> given) {
  for (const char *name :
       {"ATTNC_CACHE", "ATTNC_CACHE_DIR", "ATTNC_CACHE_SIZE", "XDG_CACHE_HOME", "HOME"})
    given.try_emplace(name, nullptr);
  return given;
}

std::string folderIn(std::map<std::string, const char *> given) {
  Variables variables(environment(std::move(given)));
  Expected<CacheOptions> options = resolved({});
  return options ? *options->folder : "error: " + options.error().message;
}

TEST(PackageCachePlace, FollowsTheEnvironment) {
  EXPECT_EQ(folderIn({{"HOME", "/h"}}), "/h/.cache/attnc");
  EXPECT_EQ(folderIn({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}), "/x/attnc");
  EXPECT_EQ(folderIn({{"HOME", "/h"}, {"XDG_CACHE_HOME", "relative"}}), "/h/.cache/attnc");
  EXPECT_EQ(folderIn({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}, {"ATTNC_CACHE_DIR", "d"}}), "d");
  EXPECT_EQ(folderIn({{"HOME", "/h"}, {"ATTNC_CACHE_DIR", "d"}, {"ATTNC_CACHE", "off"}}), "");
  EXPECT_EQ(folderIn({{"HOME", "/h"}, {"ATTNC_CACHE", "on"}}), "/h/.cache/attnc");
  EXPECT_EQ(folderIn({{"HOME", "/h"}, {"ATTNC_CACHE", "/tmp"}}),
            "error: ATTNC_CACHE is '/tmp', but can be 'on' or 'off'");
  EXPECT_THAT(folderIn({}), HasSubstr("error: neither ATTNC_CACHE_DIR nor XDG_CACHE_HOME nor HOME"));
}

TEST(PackageCachePlace, SizesHaveUnits) {
  auto bytes = [](const char *text) {
    Variables variables(environment({{"ATTNC_CACHE_DIR", "d"}, {"ATTNC_CACHE_SIZE", text}}));
    Expected<CacheOptions> options = resolved({});
    return options ? options->mostBytes : 0;
  };
  EXPECT_EQ(bytes(nullptr), uint64_t(256) << 20);
  EXPECT_EQ(bytes("1000"), 1000u);
  EXPECT_EQ(bytes("3K"), 3072u);
  EXPECT_EQ(bytes("2G"), uint64_t(2) << 30);
  for (const char *wrong : {"0", "-1", "x", "1T", "1 M", "99999999999G", "99999999999999999999"})
    EXPECT_EQ(bytes(wrong), 0u) << wrong;
}

TEST(PackageCachePlace, AMistakeInTheEnvironmentIsAWarning) {
  Variables variables(environment({{"ATTNC_CACHE", "yes"}}));
  PackageCache cache;
  EXPECT_FALSE(cache.isOn());
  std::vector<Error> warnings = cache.takeWarnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0].message, HasSubstr("ATTNC_CACHE is 'yes'"));
}

//===----------------------------------------------------------------------===//
// Many processes
//===----------------------------------------------------------------------===//

/// One of them: asks, and stores what is not there, without an end. Exits where an answer is wrong.
int hammer(const CacheOptions &options, const std::vector<std::string> &packages, unsigned seed) {
  std::mt19937 random(seed);
  PackageCache cache(options);
  for (;;) {
    int i = int(random() % packages.size());
    std::string spec = found(cache, i);
    if (!spec.empty() && spec != "spec of " + requestOf(i))
      return 1;
    if (spec.empty() || random() % 8 == 0)
      cache.store(requestOf(i), packages[size_t(i)]);
  }
}

/// Damages files of the cache in place.
int spoil(const std::string &folder, unsigned seed) {
  std::mt19937 random(seed);
  for (;;) {
    std::error_code ignored;
    for (const auto &entry : std::filesystem::directory_iterator(folder, ignored)) {
      std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(random() % 20000);
      file.put(char(random()));
      file.close();
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 5));
    }
  }
}

TEST_F(PackageCaches, SurviveManyProcessesThatAreKilled) {
  std::vector<std::string> packages;
  for (int i = 0; i < 8; ++i)
    packages.push_back(packageOf(i));
  CacheOptions cache = options(packages[0].size() * 5); // so that there is eviction, too
  auto start = [&](unsigned seed) {
    pid_t child = fork();
    if (child == 0) {
      alarm(60);
      _exit(seed % 16 == 0 ? spoil(*cache.folder, seed) : hammer(cache, packages, seed));
    }
    return child;
  };
  std::mt19937 random(1);
  std::vector<pid_t> children;
  unsigned seed = 0;
  while (seed < 16)
    children.push_back(start(seed++));
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  int wrong = 0;
  auto killOne = [&](pid_t child) {
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    wrong += WIFEXITED(status);
  };
  while (std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 20));
    size_t victim = random() % children.size();
    killOne(children[victim]);
    children[victim] = start(victim == 0 ? 16 * ++seed : 16 * ++seed + unsigned(victim));
  }
  for (pid_t child : children)
    killOne(child);
  EXPECT_EQ(wrong, 0);
  // Whatever they have left is right, or made anew.
  PackageCache after(options());
  for (int i = 0; i < 8; ++i) {
    std::string spec = found(after, i);
    EXPECT_TRUE(spec.empty() || spec == "spec of " + requestOf(i)) << spec;
    after.store(requestOf(i), packages[size_t(i)]);
    EXPECT_EQ(found(after, i), "spec of " + requestOf(i));
  }
  EXPECT_EQ(*after.clear(), 8);
  EXPECT_THAT(filesOfCache(), IsEmpty());
}

} // namespace
} // namespace attn
