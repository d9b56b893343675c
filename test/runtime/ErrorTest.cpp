#include "runtime/Error.h"

#include <gtest/gtest.h>

#include <memory>

using namespace attn;

static Expected<std::unique_ptr<int>> positive(int value) {
  if (value <= 0)
    return makeError("'{}' is not positive", value).withNote("the smallest is '{}'", 1);
  return std::make_unique<int>(value);
}

TEST(Error, ValueIsMovedOut) {
  Expected<std::unique_ptr<int>> result = positive(7);
  ASSERT_TRUE(result);
  EXPECT_EQ(**result, 7);
  EXPECT_EQ(*result->get(), 7);
  std::unique_ptr<int> owned = *std::move(result);
  EXPECT_EQ(*owned, 7);
}

TEST(Error, MessageAndNotesAreFormatted) {
  Expected<std::unique_ptr<int>> result = positive(-3);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "'-3' is not positive");
  Error error = result.takeError();
  ASSERT_EQ(error.notes.size(), 1u);
  EXPECT_EQ(error.notes[0], "the smallest is '1'");
}

TEST(Error, StatusIsSuccessByDefault) {
  EXPECT_TRUE(Status());
  Status failed = makeError("no");
  EXPECT_FALSE(failed);
  EXPECT_EQ(failed.takeError().message, "no");
}
