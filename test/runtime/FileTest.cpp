#include "runtime/File.h"
#include "runtime/AtomicFile.h"
#include "test/runtime/TemporaryFolder.h"

#include <sys/stat.h>
#include <thread>
#include <vector>

using namespace attn;

namespace fs = std::filesystem;

class File : public TemporaryFolder {};
class AtomicFiles : public TemporaryFolder {};

TEST_F(File, ReadsWhatIsThere) {
  std::string bytes("a\0b\n", 4);
  Expected<std::string> text = readFile(put("x", bytes));
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, bytes);
  EXPECT_EQ(*readFile(put("empty", "")), "");
}

TEST_F(File, NamesWhatCannotBeRead) {
  EXPECT_EQ(readFile(path("none")).error().message,
            "cannot read '" + path("none") + "': No such file or directory");
  EXPECT_EQ(readFile(folder.string()).error().message,
            "cannot read '" + folder.string() + "': it is a directory");
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(readFile(path("pipe")).error().message,
            "cannot read '" + path("pipe") + "': it is not a regular file");
  EXPECT_EQ(readFile(put("long", "12345"), 4).error().message,
            "cannot read '" + path("long") + "': its '5' bytes exceed the '4' that are allowed");
  EXPECT_FALSE(readFile(std::string("a\0b", 3)));
  EXPECT_FALSE(readFile(""));
}

TEST_F(File, WithoutPermissionIsAnError) {
  if (geteuid() == 0)
    GTEST_SKIP() << "root may read everything";
  fs::permissions(put("x", "1"), fs::perms::none);
  EXPECT_EQ(readFile(path("x")).error().message,
            "cannot read '" + path("x") + "': Permission denied");
}

TEST_F(File, ShortenedWhileOpenIsAnError) {
  Expected<InputFile> file = InputFile::open(put("x", "12345678"));
  ASSERT_TRUE(file);
  fs::resize_file(path("x"), 3);
  char bytes[8];
  Status status = file->read(bytes, 8, 0);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("it ends at byte '3'"), std::string::npos);
}

TEST_F(AtomicFiles, WritesAndReplaces) {
  ASSERT_TRUE(writeFileAtomically(path("x"), "first"));
  EXPECT_EQ(bytesOf(path("x")), "first");
  ASSERT_TRUE(writeFileAtomically(path("x"), ""));
  EXPECT_EQ(bytesOf(path("x")), "");
  EXPECT_EQ(entries(), std::vector<std::string>{"x"});
}

TEST_F(AtomicFiles, NothingIsSeenBeforeCommit) {
  put("x", "old");
  {
    Expected<AtomicFile> file = AtomicFile::create(path("x"));
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("new"));
    EXPECT_EQ(bytesOf(path("x")), "old");
  }
  EXPECT_EQ(bytesOf(path("x")), "old");
  EXPECT_EQ(entries(), std::vector<std::string>{"x"}) << "the temporary file is removed";
}

TEST_F(AtomicFiles, StreamsMoreThanItsBuffer) {
  Expected<AtomicFile> file = AtomicFile::create(path("x"));
  ASSERT_TRUE(file);
  std::string expected;
  for (size_t size : {1, 65535, 1, 1, 200000, 0, 65536, 17}) {
    std::string piece(size, char('a' + size % 26));
    ASSERT_TRUE(file->write(piece));
    expected += piece;
  }
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(bytesOf(path("x")), expected);
}

TEST_F(AtomicFiles, NewFilesFollowTheUmask) {
  mode_t old = umask(027);
  ASSERT_TRUE(writeFileAtomically(path("x"), "1"));
  umask(old);
  EXPECT_EQ(fs::status(path("x")).permissions(), fs::perms(0640));
}

TEST_F(AtomicFiles, NamesWhatCannotBeWritten) {
  EXPECT_EQ(writeFileAtomically(path("no/x"), "1").error().message,
            "cannot write '" + path("no/x") + "': No such file or directory");
  EXPECT_EQ(writeFileAtomically(folder.string(), "1").error().message,
            "cannot write '" + folder.string() + "': it is a directory");
  EXPECT_EQ(writeFileAtomically(path("new/"), "1").error().message,
            "cannot write '" + path("new/") + "': Is a directory");
  put("plain", "");
  EXPECT_FALSE(writeFileAtomically(path("plain/x"), "1"));
  EXPECT_FALSE(writeFileAtomically("", "1"));
  EXPECT_FALSE(writeFileAtomically(std::string("a\0b", 3), "1"));
  EXPECT_FALSE(writeFileAtomically(path(std::string(256, 'x')), "1"));
  EXPECT_TRUE(writeFileAtomically(path(std::string(255, 'x')), "1"));
  EXPECT_EQ(entries().size(), 2u) << "failures leave nothing behind";
}

TEST_F(AtomicFiles, ReadOnlyTargetsStay) {
  if (geteuid() == 0)
    GTEST_SKIP() << "root may write everything";
  fs::permissions(put("x", "old"), fs::perms::owner_read);
  EXPECT_EQ(writeFileAtomically(path("x"), "new").error().message,
            "cannot write '" + path("x") + "': Permission denied");
  EXPECT_EQ(bytesOf(path("x")), "old");
  fs::create_directory(path("locked"));
  fs::permissions(path("locked"), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_FALSE(writeFileAtomically(path("locked/y"), "1"));
  fs::permissions(path("locked"), fs::perms::owner_all);
}

TEST_F(AtomicFiles, LinksAreFollowed) {
  put("real", "old");
  fs::create_symlink("real", path("link"));
  ASSERT_TRUE(writeFileAtomically(path("link"), "new"));
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(bytesOf(path("real")), "new");
}

TEST_F(AtomicFiles, DevicesAreWrittenDirectly) {
  ASSERT_TRUE(writeFileAtomically("/dev/null", "1"));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(AtomicFiles, FullDiskIsAnError) {
  if (!fs::exists("/dev/full"))
    GTEST_SKIP() << "no /dev/full";
  EXPECT_EQ(writeFileAtomically("/dev/full", "1").error().message,
            "cannot write '/dev/full': No space left on device");
  EXPECT_FALSE(writeFileAtomically("/dev/full", std::string(1 << 20, 'x')));
}

TEST_F(AtomicFiles, ConcurrentWritersLeaveOneWholeFile) {
  std::vector<std::jthread> writers;
  for (char name = 'a'; name < 'e'; ++name)
    writers.emplace_back([this, name] {
      for (int i = 0; i < 50; ++i)
        EXPECT_TRUE(writeFileAtomically(path("x"), std::string(100'000, name)));
    });
  writers.clear();
  std::string bytes = bytesOf(path("x"));
  EXPECT_EQ(bytes, std::string(100'000, bytes.empty() ? '?' : bytes[0]));
  EXPECT_EQ(entries(), std::vector<std::string>{"x"});
}
