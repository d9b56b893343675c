#include "runtime/Safetensors.h"
#include "test/runtime/TemporaryFolder.h"

#include <fmt/format.h>

#include <limits>

using namespace attn;

static std::string lengthBytes(uint64_t length) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i)
    bytes[i] = char(length >> (8 * i));
  return bytes;
}

static std::string fileOf(std::string_view header, size_t dataBytes) {
  return lengthBytes(header.size()) + std::string(header) + std::string(dataBytes, 'd');
}

//===----------------------------------------------------------------------===//
// The header
//===----------------------------------------------------------------------===//

struct Corruption {
  const char *name;
  std::string header; ///< in front of 8 bytes of data
  std::string message;
};

class Malformed : public TemporaryFolder, public ::testing::WithParamInterface<Corruption> {};

TEST_P(Malformed, IsRefusedWithAReason) {
  const Corruption &test = GetParam();
  std::string file = put("f.safetensors", fileOf(test.header, 8));
  Expected<SafetensorsFile> opened = SafetensorsFile::open(file);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message,
            fmt::format("'{}' is not a valid safetensors file: {}", file, test.message));
}

static std::string infoOf(std::string_view dtype, std::string_view shape,
                          std::string_view offsets) {
  return fmt::format(R"({{"x":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", dtype, shape,
                     offsets);
}

static const Corruption kCorruptions[] = {
    {"EmptyHeader", "", "its header does not begin with '{'"},
    {"List", "[]", "its header does not begin with '{'"},
    {"LeadingSpace", " {}", "its header does not begin with '{'"},
    {"Unclosed", "{", "its header is not valid JSON at byte '2'"},
    {"TextBehind", "{} x", "its header is not valid JSON at byte '4'"},
    {"TwoObjects", "{}{}", "its header is not valid JSON at byte '3'"},
    {"NoUtf8", "{\"\xff\":{}}", "its header is not valid JSON at byte '3'"},
    {"TrailingComma", R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},})",
     "its header is not valid JSON at byte '55'"},
    {"HugeNumber", infoOf(R"("F32")", "[2]", "[0,1e999]"),
     "its header is not valid JSON at byte '55'"},
    {"TensorIsANumber", R"({"x":3})", "'x' is '3' in its header, not an object"},
    {"TensorIsNull", R"({"x":null})", "'x' is null in its header, not an object"},
    {"TensorIsAList", R"({"x":[]})", "'x' is a list in its header, not an object"},
    {"MetadataIsAString", R"({"__metadata__":"a"})",
     "'__metadata__' is the string 'a' in its header, not an object"},
    {"MetadataHoldsANumber", R"({"__metadata__":{"a":1}})",
     "'a' of '__metadata__' is '1', not a string"},
    {"MetadataHoldsAnObject", R"({"__metadata__":{"a":{}}})",
     "'a' of '__metadata__' is an object, not a string"},
    {"MetadataTwice", R"({"__metadata__":{},"__metadata__":{}})",
     "its header names '__metadata__' twice"},
    {"MetadataKeyTwice", R"({"__metadata__":{"a":"1","a":"2"}})",
     "its header names 'a' of '__metadata__' twice"},
    {"NoDtype", R"({"x":{"shape":[2],"data_offsets":[0,8]}})", "tensor 'x' has no 'dtype'"},
    {"NoShape", R"({"x":{"dtype":"F32","data_offsets":[0,8]}})", "tensor 'x' has no 'shape'"},
    {"NoOffsets", R"({"x":{"dtype":"F32","shape":[2]}})", "tensor 'x' has no 'data_offsets'"},
    {"UnknownKey", R"({"x":{"dtype":"F32","shape":[2],"offsets":[0,8]}})",
     "tensor 'x' has the unknown key 'offsets'"},
    {"KeyTwice", R"({"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
     "its header names 'dtype' of 'x' twice"},
    {"UnknownDtype", infoOf(R"("F33")", "[2]", "[0,8]"), "tensor 'x' has the unknown type 'F33'"},
    {"LowerCaseDtype", infoOf(R"("f32")", "[2]", "[0,8]"), "tensor 'x' has the unknown type 'f32'"},
    {"DtypeIsANumber", infoOf("32", "[2]", "[0,8]"), "'dtype' of tensor 'x' is '32', not a string"},
    {"DtypeIsAList", infoOf("[]", "[2]", "[0,8]"), "'dtype' of tensor 'x' is a list, not a string"},
    {"ShapeIsANumber", infoOf(R"("F32")", "2", "[0,8]"),
     "'shape' of tensor 'x' is '2', not a list"},
    {"ShapeIsAString", infoOf(R"("F32")", R"("2")", "[0,8]"),
     "'shape' of tensor 'x' is the string '2', not a list"},
    {"NegativeLength", infoOf(R"("F32")", "[-2]", "[0,8]"),
     "the shape of tensor 'x' holds '-2', not a length"},
    {"FractionalLength", infoOf(R"("F32")", "[2.0]", "[0,8]"),
     "the shape of tensor 'x' holds '2.0', not a length"},
    {"LengthBeyond63Bits", infoOf(R"("F32")", "[9223372036854775808]", "[0,8]"),
     "the shape of tensor 'x' holds '9223372036854775808', not a length"},
    {"NestedShape", infoOf(R"("F32")", "[[2]]", "[0,8]"),
     "the shape of tensor 'x' holds a list, not a length"},
    {"ShapeOverflows", infoOf(R"("F32")", "[4611686018427387904,4]", "[0,8]"),
     "shape [4611686018427387904, 4] of tensor 'x' is too large: its size in bytes does not fit 64 "
     "bits"},
    {"ShapeOverflowsToItsSize", infoOf(R"("F32")", "[4294967296,4294967296,2]", "[0,8]"),
     "shape [4294967296, 4294967296, 2] of tensor 'x' is too large: its size in bytes does not fit "
     "64 "
     "bits"},
    {"OneOffset", infoOf(R"("F32")", "[2]", "[0]"),
     "'data_offsets' of tensor 'x' holds '1' numbers, not 2"},
    {"ThreeOffsets", infoOf(R"("F32")", "[2]", "[0,8,8]"),
     "'data_offsets' of tensor 'x' holds '3' numbers, not 2"},
    {"NegativeOffset", infoOf(R"("F32")", "[2]", "[-8,0]"),
     "'data_offsets' of tensor 'x' holds '-8', not a byte offset"},
    {"OffsetIsABoolean", infoOf(R"("F32")", "[2]", "[false,8]"),
     "'data_offsets' of tensor 'x' holds a boolean, not a byte offset"},
    {"BeginAfterEnd", infoOf(R"("F32")", "[2]", "[8,0]"),
     "tensor 'x' begins at byte '8', after its end '0'"},
    {"EndBehindData", infoOf(R"("F32")", "[3]", "[0,12]"),
     "tensor 'x' ends at byte '12' of the data, which has '8' bytes"},
    {"EndNear64Bits", infoOf(R"("F32")", "[2]", "[18446744073709551608,18446744073709551615]"),
     "tensor 'x' ends at byte '18446744073709551615' of the data, which has '8' bytes"},
    {"SizeDisagrees", infoOf(R"("F32")", "[1]", "[0,8]"),
     "tensor 'x' of shape [1] and type 'F32' needs '4' bytes, but its offsets span '8'"},
    {"EmptyShapeWithBytes", infoOf(R"("F32")", "[0,2]", "[0,8]"),
     "tensor 'x' of shape [0, 2] and type 'F32' needs '0' bytes, but its offsets span '8'"},
    {"DataWithoutTensor", "{}", "no tensor covers the bytes from '0' to '8' of the data"},
    {"GapAtStart", infoOf(R"("F32")", "[1]", "[4,8]"),
     "no tensor covers the bytes from '0' to '4' of the data"},
    {"GapAtEnd", infoOf(R"("F32")", "[1]", "[0,4]"),
     "no tensor covers the bytes from '4' to '8' of the data"},
    {"GapBetween",
     R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[6,8]}})",
     "no tensor covers the bytes from '2' to '6' of the data"},
    {"Overlap",
     R"({"x":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},"y":{"dtype":"U8","shape":[6],"data_offsets":[2,8]}})",
     "tensors 'x' and 'y' share the bytes from '2' to '6'"},
    {"SameBytesTwice",
     R"({"x":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"y":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
     "tensors 'x' and 'y' share the bytes from '0' to '8'"},
    {"NameTwice",
     R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"x":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
     "its header names 'x' twice"},
    {"NameTwiceByEscape",
     R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"\u0078":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
     "its header names 'x' twice"},
};

INSTANTIATE_TEST_SUITE_P(Safetensors, Malformed, ::testing::ValuesIn(kCorruptions),
                         [](const auto &info) { return info.param.name; });

//===----------------------------------------------------------------------===//
// The file around it
//===----------------------------------------------------------------------===//

class MalformedFile : public TemporaryFolder {
protected:
  std::string errorOf(const std::string &file) {
    Expected<SafetensorsFile> opened = SafetensorsFile::open(file);
    return opened ? "no error" : opened.error().message;
  }
  std::string invalid(std::string_view reason) {
    return fmt::format("'{}' is not a valid safetensors file: {}", path("f"), reason);
  }
};

TEST_F(MalformedFile, MissingOrADirectory) {
  EXPECT_EQ(errorOf(path("f")), "cannot read '" + path("f") + "': No such file or directory");
  EXPECT_EQ(errorOf(folder.string()), "cannot read '" + folder.string() + "': it is a directory");
}

TEST_F(MalformedFile, EmptyOrShorterThanItsLength) {
  EXPECT_EQ(errorOf(put("f", "")),
            invalid("it has '0' bytes, fewer than the 8 of its header's length"));
  EXPECT_EQ(errorOf(put("f", "1234567")),
            invalid("it has '7' bytes, fewer than the 8 of its header's length"));
}

TEST_F(MalformedFile, LengthOfTheHeader) {
  EXPECT_EQ(errorOf(put("f", lengthBytes(3) + "{}")),
            invalid("its header claims '3' bytes, but '2' bytes follow"));
  EXPECT_EQ(errorOf(put("f", lengthBytes(100'000'001) + "{}")),
            invalid("its header claims '100000001' bytes, more than the '100000000' allowed"));
  EXPECT_EQ(
      errorOf(put("f", lengthBytes(UINT64_MAX) + "{}")),
      invalid("its header claims '18446744073709551615' bytes, more than the '100000000' allowed"));
  EXPECT_EQ(
      errorOf(put("f", lengthBytes(UINT64_MAX - 7))),
      invalid("its header claims '18446744073709551608' bytes, more than the '100000000' allowed"));
}

TEST_F(MalformedFile, DeepNestingCostsNothing) {
  EXPECT_EQ(errorOf(put("f", fileOf(R"({"x":)" + std::string(1'000'000, '['), 0))),
            invalid("'x' is a list in its header, not an object"));
}

/// Larger than memory on disk as well, where the file system stores holes.
TEST_F(MalformedFile, ValidButLargerThanMemory) {
  int64_t bytes = physicalMemoryBytes() / 8 * 8 + 8;
  std::string header =
      infoOf(R"("F64")", fmt::format("[{}]", bytes / 8), fmt::format("[0,{}]", bytes));
  put("f", fileOf(header, 0));
  std::error_code error;
  std::filesystem::resize_file(path("f"), 8 + header.size() + uint64_t(bytes), error);
  if (error)
    GTEST_SKIP() << "the file system refuses a file with a hole of '" << bytes << "' bytes";
  Expected<SafetensorsFile> file = SafetensorsFile::open(path("f"));
  ASSERT_TRUE(file) << file.error().message;
  Expected<Tensor> tensor = file->read("x");
  ASSERT_FALSE(tensor);
  EXPECT_NE(tensor.error().message.find("of memory exist here"), std::string::npos);
}

static const std::string_view kValid =
    R"({"__metadata__":{"k":"v"},"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})";

TEST_F(MalformedFile, EveryTruncationIsRefused) {
  std::string whole = fileOf(kValid, 8);
  ASSERT_EQ(errorOf(put("f", whole)), "no error");
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(errorOf(put("f", whole.substr(0, size))), "no error") << size;
  EXPECT_NE(errorOf(put("f", whole + "d")), "no error");
}

/// Flips may leave a valid file (a letter of a name); then every tensor must be readable and whole.
TEST_F(MalformedFile, EveryFlippedBitIsRefusedOrHarmless) {
  std::string whole = fileOf(kValid, 8);
  int refused = 0, harmless = 0;
  for (size_t byte = 0; byte < 8 + kValid.size(); ++byte)
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[byte] = char(flipped[byte] ^ 1 << bit);
      Expected<SafetensorsFile> file = SafetensorsFile::open(put("f", flipped));
      if (!file) {
        ++refused;
        EXPECT_NE(file.error().message.find(path("f")), std::string::npos);
        continue;
      }
      ++harmless;
      int64_t bytes = 0;
      for (const TensorInfo &info : file->tensors()) {
        Expected<Tensor> tensor = file->read(info.name);
        ASSERT_TRUE(tensor) << tensor.error().message;
        bytes += tensor->byteSize();
      }
      EXPECT_EQ(bytes, 8) << "byte " << byte << " bit " << bit;
    }
  EXPECT_GT(refused, harmless);
}

TEST_F(MalformedFile, EveryByteReplacedOrRemoved) {
  std::string whole = fileOf(kValid, 8);
  for (size_t byte = 8; byte < 8 + kValid.size(); ++byte) {
    for (char replacement : {'\0', '"', '{', '}', '[', ']', ',', ':', '9', '-', '\\', '\xff'}) {
      std::string changed = whole;
      changed[byte] = replacement;
      Expected<SafetensorsFile> file = SafetensorsFile::open(put("f", changed));
      for (size_t i = 0; file && i < file->tensors().size(); ++i)
        EXPECT_TRUE(file->read(file->tensors()[i].name));
    }
    std::string removed(kValid);
    removed.erase(byte - 8, 1);
    Expected<SafetensorsHeader> header = parseSafetensorsHeader(removed, 8);
    for (size_t i = 0; header && i < header->tensors.size(); ++i)
      EXPECT_LE(header->tensors[i].end, 8u);
  }
}
