//===- SpanPlan.cpp - elastic spans from a file ---------------------------===//
#include "frontend/SpanPlan.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <nlohmann/json.hpp>

#include <cmath>

using namespace mlir;

namespace attn {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxPlanBytes = 64 << 20;
constexpr double kMaxSpan = 0x1p40;

/// One key of the plan: how many heads each layer has, and the numbers of the layer asked for.
struct Numbers {
  StringRef key;
  SmallVector<size_t> heads;
  SmallVector<double> wanted;
  bool isSeen = false;
};

/// Reads the plan event by event: it needs no tree, so that neither size nor nesting costs memory.
class PlanReader : public nlohmann::json_sax<json> {
public:
  explicit PlanReader(int64_t layer) : layer(layer) {}

  Numbers alphas{"alphas", {}, {}}, betas{"betas", {}, {}};
  std::string problem;    ///< what is wrong with the content
  size_t errorOffset = 0; ///< bytes up to where the text is no JSON; 0: it is JSON

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("a boolean"); }
  bool number_integer(int64_t number) override { return addNumber(double(number)); }
  bool number_unsigned(uint64_t number) override { return addNumber(double(number)); }
  bool number_float(double number, const std::string &) override { return addNumber(number); }
  bool string(std::string &) override { return value("a string"); }
  bool binary(binary_t &) override { return value("bytes"); }
  bool start_object(size_t) override { return open("an object"); }
  bool end_object() override { return --depth, true; }
  bool start_array(size_t) override;
  bool end_array() override { return --depth, true; }
  bool key(std::string &name) override;
  bool parse_error(size_t position, const std::string &, const json::exception &) override {
    errorOffset = std::max<size_t>(position, 1);
    return false;
  }

private:
  bool fail(std::string what) {
    problem = std::move(what);
    return false;
  }
  bool value(StringRef what);
  bool addNumber(double number);
  bool open(StringRef what);

  int64_t layer;
  Numbers *current = nullptr; // of the key we are inside, if it is one of ours
  size_t depth = 0;           // of objects and lists
};

/// Something that is neither a number nor a list.
bool PlanReader::value(StringRef what) {
  if (depth == 0)
    return fail("it is " + what.str() + ", not an object");
  if (!current)
    return true;
  std::string key = "'" + current->key.str() + "'";
  if (depth == 1)
    return fail(key + " is " + what.str() + ", not a list of layers");
  std::string place =
      "layer " + std::to_string(current->heads.size() - (depth == 3)) + " of " + key;
  if (depth == 2)
    return fail(place + " is " + what.str() + ", not a list of numbers");
  return fail("head " + std::to_string(current->heads.back()) + " in " + place + " is " +
              what.str() + ", not a number");
}

bool PlanReader::addNumber(double number) {
  if (depth != 3 || !current)
    return value("a number");
  std::string place = "head " + std::to_string(current->heads.back()) + " in layer " +
                      std::to_string(current->heads.size() - 1) + " of '" + current->key.str() +
                      "'";
  if (!(std::abs(number) < kMaxSpan))
    return fail(place + " is not between -2^40 and 2^40");
  ++current->heads.back();
  if (int64_t(current->heads.size()) == layer + 1)
    current->wanted.push_back(number);
  return true;
}

bool PlanReader::open(StringRef what) {
  bool isTop = depth == 0 && what == "an object";
  if (!isTop && !value(what))
    return false;
  ++depth;
  return true;
}

bool PlanReader::start_array(size_t) {
  if (!current || depth == 0 || depth >= 3)
    return open("a list");
  if (++depth == 3)
    current->heads.push_back(0);
  return true;
}

bool PlanReader::key(std::string &name) {
  if (depth != 1)
    return true;
  current = name == "alphas" ? &alphas : name == "betas" ? &betas : nullptr;
  if (current && std::exchange(current->isSeen, true))
    return fail("'" + name + "' is there twice");
  return true;
}

/// Layers are alike in both lists, and the one asked for is there.
std::string problemOf(const PlanReader &plan) {
  for (const Numbers *numbers : {&plan.alphas, &plan.betas})
    if (!numbers->isSeen)
      return "it has no '" + numbers->key.str() + "', a list of layers with a number for each head";
  size_t layers = plan.alphas.heads.size();
  if (plan.betas.heads.size() != layers)
    return "'alphas' has " + std::to_string(layers) + " layers, but 'betas' " +
           std::to_string(plan.betas.heads.size());
  for (const Numbers *numbers : {&plan.alphas, &plan.betas})
    for (auto [layer, heads] : llvm::enumerate(numbers->heads))
      if (heads != plan.alphas.heads.front())
        return "layer " + std::to_string(layer) + " of '" + numbers->key.str() + "' has " +
               std::to_string(heads) + " heads, but layer 0 of 'alphas' " +
               std::to_string(plan.alphas.heads.front());
  return {};
}

std::string lineAndColumn(StringRef text, size_t offset) {
  StringRef before = text.take_front(offset - 1);
  size_t lineStart = before.rfind('\n') == StringRef::npos ? 0 : before.rfind('\n') + 1;
  return "line " + std::to_string(before.count('\n') + 1) + ", column " +
         std::to_string(before.size() - lineStart + 1);
}

SmallString<128> pathFrom(StringRef specName, StringRef path) {
  SmallString<128> full;
  if (!llvm::sys::path::is_absolute(path))
    full = llvm::sys::path::parent_path(specName);
  llvm::sys::path::append(full, path);
  return full;
}

} // namespace

FailureOr<SpanPlan> readSpanPlan(StringRef path, llvm::SMLoc loc, int64_t layer,
                                 llvm::SMLoc layerLoc, const Source &source) {
  SmallString<128> full = pathFrom(source.name(), path);
  auto error = [&] { return source.error(loc); };
  llvm::sys::fs::file_status status;
  if (std::error_code code = llvm::sys::fs::status(full, status))
    return error() << "cannot read plan '" << full << "': " << code.message();
  if (!llvm::sys::fs::is_regular_file(status))
    return error() << "cannot read plan '" << full << "': it is not a file";
  if (status.getSize() > kMaxPlanBytes)
    return error() << "plan '" << full << "' has " << status.getSize() << " bytes, but at most "
                   << kMaxPlanBytes << " are allowed";
  auto buffer = llvm::MemoryBuffer::getFile(full);
  if (std::error_code code = buffer.getError())
    return error() << "cannot read plan '" << full << "': " << code.message();
  StringRef text = source.addFile(std::move(*buffer));

  PlanReader plan(layer);
  bool isWhole = json::sax_parse(text.begin(), text.end(), &plan);
  if (plan.errorOffset > 0)
    return error() << "plan '" << full << "' is not valid JSON at "
                   << lineAndColumn(text, plan.errorOffset);
  std::string problem = isWhole ? problemOf(plan) : plan.problem;
  if (!problem.empty()) {
    InFlightDiagnostic diag = error() << "plan '" << full << "' cannot be used: " << problem;
    diag.attachNote()
        << "a plan is written {\"alphas\": [[..], ..], \"betas\": [[..], ..]}, with a "
           "list for each layer and a number for each head";
    return diag;
  }
  int64_t layers = int64_t(plan.alphas.heads.size());
  if (layer >= layers)
    return source.error(layerLoc) << "'layer' is " << layer << ", but plan '" << full << "' has "
                                  << layers << (layers == 1 ? " layer" : " layers")
                                  << ", counted from 0";
  return SpanPlan{std::move(plan.alphas.wanted), std::move(plan.betas.wanted)};
}

} // namespace attn
