// A fuzzer without libFuzzer: runs the corpus, and mutations of it that are the same in every run,
// through LLVMFuzzerTestOneInput. The last input is kept in a file, for the case that the process
// ends in it.
#include "test/fuzz/Fuzz.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

std::string contentOf(const std::filesystem::path &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The files of the folders in ATTN_FUZZ_CORPUS, which ':' separates, in order of their names.
std::vector<std::string> readCorpus() {
  std::vector<std::filesystem::path> paths;
  std::stringstream folders(ATTN_FUZZ_CORPUS);
  for (std::string folder; std::getline(folders, folder, ':');)
    for (const auto &entry : std::filesystem::directory_iterator(folder))
      if (entry.is_regular_file() && entry.path().extension() != ".md")
        paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto &path : paths)
    corpus.push_back(contentOf(path));
  return corpus;
}

/// The words of a dictionary of libFuzzer: lines "word" with \" \\ \xAB inside.
std::vector<std::string> readDictionary() {
  std::vector<std::string> words;
  std::ifstream file(ATTN_FUZZ_DICTIONARY);
  for (std::string line; std::getline(file, line);) {
    if (line.size() < 2 || line.front() != '"' || line.back() != '"')
      continue;
    std::string word;
    for (size_t i = 1; i + 1 < line.size(); ++i) {
      if (line[i] != '\\')
        word += line[i];
      else if (line[i + 1] != 'x')
        word += line[++i];
      else
        word += char(std::stoi(line.substr(i + 2, 2), nullptr, 16)), i += 3;
    }
    words.push_back(word);
  }
  return words;
}

/// Damages texts, always in the same way.
class Mutator {
public:
  Mutator(const std::vector<std::string> &corpus, const std::vector<std::string> &words)
      : corpus(corpus), words(words) {}

  std::string next() {
    std::string text = corpus[below(corpus.size())];
    for (size_t edits = 1 + below(4); edits > 0; --edits)
      edit(text);
    return text;
  }

private:
  size_t below(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random); }

  void edit(std::string &text) {
    size_t at = below(text.size() + 1), length = std::min(text.size() - at, 1 + below(12));
    const std::string &other = corpus[below(corpus.size())];
    size_t from = below(other.size() + 1);
    switch (below(8)) {
    case 0:
      text.erase(at, length);
      break;
    case 1:
      text.insert(at, words[below(words.size())]);
      break;
    case 2:
      text.replace(at, length, words[below(words.size())]);
      break;
    case 3:
      text.insert(at, text.substr(below(text.size() + 1), 1 + below(60)));
      break;
    case 4:
      text.insert(at, other.substr(from, 1 + below(60)));
      break;
    case 5:
      text.replace(at, std::string::npos, other.substr(from));
      break;
    case 6:
      if (at < text.size())
        text[at] = char(text[at] ^ 1 << below(8));
      break;
    default:
      if (at < text.size())
        text[at] = char(below(256));
      break;
    }
  }

  const std::vector<std::string> &corpus, &words;
  std::mt19937_64 random{20260101};
};

void runOne(const std::string &input) {
  static const std::string path =
      testing::TempDir() + "attn-fuzz-" ATTN_FUZZ_NAME "-" + std::to_string(getpid()) + ".input";
  std::ofstream(path, std::ios::binary) << input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(input.data()), input.size());
  std::filesystem::remove(path);
}

int mutations() {
  const char *wanted = std::getenv("ATTNC_DRAWS");
  return wanted ? std::atoi(wanted) : 3000;
}

TEST(Fuzz, Corpus) {
  std::vector<std::string> corpus = readCorpus();
  ASSERT_GE(corpus.size(), 5u) << "in " << ATTN_FUZZ_CORPUS;
  for (const std::string &input : corpus)
    runOne(input);
  runOne("");
}

TEST(Fuzz, Mutations) {
  std::vector<std::string> corpus = readCorpus(), words = readDictionary();
  ASSERT_FALSE(corpus.empty());
  ASSERT_GE(words.size(), 10u) << "in " << ATTN_FUZZ_DICTIONARY;
  Mutator mutator(corpus, words);
  for (int i = 0; i < mutations(); ++i)
    runOne(mutator.next());
}

} // namespace
