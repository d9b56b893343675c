// Whoever adds an opcode adds a test: the opcodes of the machine's tables are looked for in the PTX
// of these tests and of the kernels that other compilers made for them. Forms that are only parsed
// do not count.
#include "runtime/emulator/Decode.h"
#include "test/emulator/Run.h"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace attn::emulator {
namespace {

std::string textOfTests() {
  std::string text;
  std::filesystem::path inputs = ATTN_EMULATOR_INPUTS;
  for (const std::filesystem::path &folder : {inputs, inputs.parent_path()})
    for (const auto &entry : std::filesystem::directory_iterator(folder)) {
      std::string name = entry.path().filename().string();
      bool executes = entry.path().extension() == ".ptx" ||
                      (entry.path().extension() == ".cpp" && name != "FormsTest.cpp" &&
                       name != "ParseTest.cpp" && name != "OpcodesTest.cpp");
      if (!executes)
        continue;
      std::ifstream file(entry.path());
      text.append(std::istreambuf_iterator<char>(file), {});
    }
  return text;
}

/// Whether the word stands in the text, with a modifier or the end of the statement behind it.
bool hasInstruction(const std::string &text, std::string_view opcode) {
  auto isWord = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '%' || c == '.';
  };
  for (size_t at = 0; (at = text.find(opcode, at)) != std::string::npos; ++at) {
    char before = at > 0 ? text[at - 1] : ' ', after = text[at + opcode.size()];
    if (!isWord(before) && (after == '.' || after == ';'))
      return true;
  }
  return false;
}

TEST(Opcodes, EachHasACase) {
  const std::string text = textOfTests();
  ASSERT_GT(text.size(), 10000u);
  size_t rows = 0;
  for (std::span<const OpRow> family :
       {moveOps(), integerOps(), bitOps(), floatOps(), halfOps(), mathOps(), compareOps(),
        convertOps(), memoryOps(), atomicOps(), asyncOps(), mbarrierOps(), matrixOps(), mmaOps(),
        warpOps(), wmmaOps(), controlOps()})
    for (const OpRow &row : family) {
      ++rows;
      EXPECT_TRUE(hasInstruction(text, row.opcode)) << "no test executes '" << row.opcode << "'";
    }
  EXPECT_GT(rows, 90u);
}

} // namespace
} // namespace attn::emulator
