#include "runtime/Safetensors.h"
#include "test/runtime/TemporaryFolder.h"

#include <fmt/format.h>

using namespace attn;

class Safetensors : public TemporaryFolder {};

/// Bytes that the Python library 0.8.0 wrote for these tensors.
static const std::string_view kPythonHeader =
    R"({"__metadata__":{"note":"x"},"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
    R"("b":{"dtype":"F32","shape":[2,2],"data_offsets":[8,24]},)"
    R"("e":{"dtype":"F32","shape":[0,3],"data_offsets":[24,24]},)"
    "\"\xc3\xa9\\\"\\n\":"
    R"({"dtype":"I32","shape":[],"data_offsets":[24,28]},)"
    R"("h":{"dtype":"F16","shape":[1],"data_offsets":[28,30]},)"
    R"("flag":{"dtype":"BOOL","shape":[3],"data_offsets":[30,33]}})";

static std::string pythonFile() {
  std::string bytes("\x70\1\0\0\0\0\0\0", 8);
  bytes += kPythonHeader;
  bytes.resize(8 + 0x170, ' ');
  bytes += std::string("\0\0\0\0\0\0\xf8\x3f", 8);
  bytes += std::string("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", 16);
  bytes += std::string("\7\0\0\0\0\x3e\1\0\1", 9);
  return bytes;
}

TEST_F(Safetensors, ReadsAFileOfThePythonLibrary) {
  Expected<SafetensorsFile> file = SafetensorsFile::open(put("p", pythonFile()));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->tensors().size(), 6u);
  EXPECT_EQ(file->metadata(), (std::map<std::string, std::string>{{"note", "x"}}));
  Expected<Tensor> b = file->read("b");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->dtype(), DType::F32);
  EXPECT_EQ(b->shape(), (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(b->at({1, 0}), 3);
  EXPECT_EQ(file->read("a")->at({0}), 1.5);
  EXPECT_EQ(file->read("\xc3\xa9\"\n")->at({}), 7);
  EXPECT_EQ(file->read("h")->at({0}), 1.5);
  EXPECT_EQ(file->read("flag")->at({1}), 0);
  EXPECT_EQ(file->read("e")->numElements(), 0);
}

TEST_F(Safetensors, WritesTheBytesOfThePythonLibrary) {
  double a = 1.5;
  float b[] = {1, 3, 2, 4}; // transposed
  int32_t scalar = 7;
  uint16_t half = 0x3e00;
  uint8_t flag[] = {1, 0, 1};
  ASSERT_TRUE(writeSafetensors(path("w"),
                               {{"a", TensorView(&a, DType::F64, {1})},
                                {"b", TensorView(b, DType::F32, {2, 2}, {1, 2})},
                                {"e", TensorView(b, DType::F32, {0, 3})},
                                {"\xc3\xa9\"\n", TensorView(&scalar, DType::I32, {})},
                                {"h", TensorView(&half, DType::F16, {1})},
                                {"flag", TensorView(flag, DType::Bool, {3})}},
                               {{"note", "x"}}));
  EXPECT_EQ(bytesOf(path("w")), pythonFile());
}

TEST_F(Safetensors, RoundTripOfEveryTypeAndStrides) {
  std::map<std::string, Tensor> originals;
  std::map<std::string, TensorView> views;
  for (DType dtype : allDTypes()) {
    std::string name(dtypeName(dtype));
    Expected<Tensor> numbers = Tensor::randomNormal({3, 5, 4}, DType::F64, uint64_t(dtype));
    ASSERT_TRUE(numbers);
    Expected<Tensor> tensor = Tensor::copyOf(*numbers, dtype);
    ASSERT_TRUE(tensor);
    views[name] = tensor->view().permuted({1, 2, 0});
    originals.emplace(name, *std::move(tensor));
  }
  ASSERT_TRUE(writeSafetensors(path("all"), views));
  EXPECT_EQ(entries(), std::vector<std::string>{"all"});
  Expected<SafetensorsFile> file = SafetensorsFile::open(path("all"));
  ASSERT_TRUE(file) << file.error().message;
  for (const auto &[name, view] : views) {
    Expected<Tensor> tensor = file->read(name);
    ASSERT_TRUE(tensor);
    EXPECT_EQ(tensor->dtype(), view.dtype);
    ASSERT_EQ(tensor->shape(), view.shape);
    for (int64_t i = 0; i < 5; ++i)
      for (int64_t j = 0; j < 4; ++j)
        for (int64_t k = 0; k < 3; ++k)
          EXPECT_EQ(tensor->at({i, j, k}), view.at({i, j, k})) << name;
  }
}

TEST_F(Safetensors, DataBeginsAlignedForAnyNameLength) {
  float value = 1;
  for (size_t length = 1; length < 20; ++length) {
    ASSERT_TRUE(writeSafetensors(
        path("x"), {{std::string(length, 'n'), TensorView(&value, DType::F32, {1})}}));
    EXPECT_EQ((bytesOf(path("x")).size() - 4) % 8, 0u);
    EXPECT_TRUE(SafetensorsFile::open(path("x")));
  }
}

TEST_F(Safetensors, NoTensorsAtAll) {
  ASSERT_TRUE(writeSafetensors(path("x"), {}));
  EXPECT_EQ(bytesOf(path("x")), std::string("\x8\0\0\0\0\0\0\0{}      ", 16));
  Expected<SafetensorsFile> file = SafetensorsFile::open(path("x"));
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->tensors().empty());
  EXPECT_EQ(file->read("q").error().notes, std::vector<std::string>{"it has none"});
}

TEST_F(Safetensors, UnalignedDataIsReadAligned) {
  std::string header = R"({"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}} )"; // 55 bytes
  ASSERT_EQ(header.size() % 8, 7u);
  std::string bytes(8, '\0');
  bytes[0] = char(header.size());
  Expected<SafetensorsFile> file =
      SafetensorsFile::open(put("x", bytes + header + std::string("\0\0\0\0\0\0\xf8\x3f", 8)));
  ASSERT_TRUE(file) << file.error().message;
  Expected<Tensor> tensor = file->read("x");
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor->elements<double>()[0], 1.5);
}

TEST_F(Safetensors, MissingTensorNamesTheOthers) {
  Expected<SafetensorsFile> file = SafetensorsFile::open(put("p", pythonFile()));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->find("q"), nullptr);
  Expected<Tensor> tensor = file->read("q");
  ASSERT_FALSE(tensor);
  EXPECT_EQ(tensor.error().message, "'" + path("p") + "' has no tensor 'q'");
  ASSERT_EQ(tensor.error().notes.size(), 1u);
  EXPECT_EQ(tensor.error().notes[0], "it has 'a', 'b', 'e', '\xc3\xa9\"\n', 'h', 'flag'");
}

TEST_F(Safetensors, FileShortenedAfterOpeningIsAnError) {
  Expected<SafetensorsFile> file = SafetensorsFile::open(put("p", pythonFile()));
  ASSERT_TRUE(file);
  std::filesystem::resize_file(path("p"), 380);
  EXPECT_FALSE(file->read("flag"));
}

TEST_F(Safetensors, RefusesToWriteWhatNobodyCouldRead) {
  float value = 1;
  TensorView view(&value, DType::F32, {1});
  EXPECT_EQ(writeSafetensors(path("x"), {{"__metadata__", view}}).error().message,
            "cannot write '" + path("x") + "': a tensor must not be named '__metadata__'");
  EXPECT_EQ(writeSafetensors(path("x"), {{"\xff", view}}).error().message,
            "cannot write '" + path("x") + "': a name or a metadata string is not UTF-8");
  EXPECT_FALSE(writeSafetensors(path("x"), {}, {{"k", "\xc3"}}));
  EXPECT_FALSE(writeSafetensors(path("no/x"), {{"x", view}}));
  EXPECT_FALSE(writeSafetensors(folder.string(), {{"x", view}}));
  EXPECT_TRUE(entries().empty()) << "failures leave nothing behind";
}

TEST_F(Safetensors, FullDiskIsAnError) {
  if (!std::filesystem::exists("/dev/full"))
    GTEST_SKIP() << "no /dev/full";
  Expected<Tensor> tensor = Tensor::zeros({1000, 100}, DType::F32);
  ASSERT_TRUE(tensor);
  EXPECT_FALSE(writeSafetensors("/dev/full", {{"x", tensor->view()}}));
  EXPECT_FALSE(writeSafetensors("/dev/full", {{"x", tensor->view().permuted({1, 0})}}));
}
