// Packages: what is written is read again, and nothing else is.
#include "runtime/Package.h"
#include "dialect/algebra/FormulaBuilder.h"
#include "runtime/KernelInfoChecks.h"
#include "runtime/KernelInfoJson.h"
#include "runtime/Launch.h"
#include "test/runtime/TemporaryFolder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <nlohmann/json.hpp>

namespace attn {
namespace {

using testing::HasSubstr;

/// Has something of everything that a KernelInfo of one dimension can hold.
Formula richFormula() {
  FormulaBuilder builder({-1});
  LinearBound end{true, 1, {{Symbol{SymbolKind::QueryOffset, 0}, 1}}};
  LinearBound keys{false, 0, {{Symbol{SymbolKind::BatchInput, 0}, 1}}};
  builder.interval(std::nullopt, end);
  Formula f = *builder.finish(builder.interval(std::nullopt, keys));
  f.symbols.push_back({SymbolKind::HeadParam, 1});
  f.tables = {{TableKind::Input, 1, -1}, {TableKind::KeyBegin, 3, 4}};
  f.classTables = {{2, {1, 0, 1, 1}}};
  f.blockLists = {{5, 6, 32}, {7, -1, 32}};
  f.predicates = {{{.op = PairOp::Query, .value = -1},
                   {.op = PairOp::Key, .value = 0},
                   {.op = PairOp::Table, .value = 0},
                   {.op = PairOp::Add, .a = 0, .b = 2},
                   {.op = PairOp::LessEqual, .a = 1, .b = 3}}};
  ExprDag &dag = f.dags[0];
  ExprId lo = dag.table(1), hi = dag.add(dag.query(), dag.constant(kInfinity));
  Atom strided{AtomKind::Box, {{lo, hi, 8, dag.constant(3), 2, false}}};
  f.atoms = {f.atoms.front(),
             strided,
             Atom{AtomKind::Labels, {}, 1, 2},
             Atom{AtomKind::Classes, {}, 1, 2, 0},
             Atom{AtomKind::Listed, {}, 5, 6, 0},
             Atom{AtomKind::Listed, {}, 7, -1, 1},
             Atom{AtomKind::Predicate, {}, -1, -1, 0}};
  f.truth = {{TruthOp::True}};
  for (int32_t i = 0; i < int32_t(f.atoms.size()); ++i) {
    f.truth.push_back({TruthOp::Atom, i});
    f.truth.push_back({i % 2 ? TruthOp::And : TruthOp::Or});
  }
  f.truth.push_back({TruthOp::Not});
  f.truth.push_back({TruthOp::Not});
  return f;
}

KernelInfo richInfo() {
  KernelInfo info;
  info.name = "rich";
  info.target = "sm_80";
  info.entry = "attn_kernel_rich";
  info.dtype = DType::BF16;
  info.batch = 2;
  info.heads = 2;
  info.headDimQk = 16;
  info.headDimV = 32;
  info.tokens = info.kvTokens = {-1};
  info.queryTile[0] = info.keyTile[0] = 16;
  info.formulas = {richFormula()};
  info.formulaOfMask = {0, 0};
  info.parametersOfMask = {{{7, {}}, {0, SpanRule{128.25, 1.0 / 3, 5}}}, {{1, {}}, {2, {}}}};
  info.maskOfHead = {1, 0};
  info.headParamCount = 2;
  info.inputs = {{"lengths", DType::I32, {2}},   {"starts", DType::I32, {-1}},
                 {"labels", DType::I32, {-1}},   {"packed_q", DType::I32, {-1}},
                 {"packed_k", DType::I32, {-1}}, {"rows", DType::I32, {-1}},
                 {"blocks", DType::I32, {-1}},   {"bits", DType::I32, {-1, -1}}};
  info.inputs[1].indexedBy[0] = IndexedBy::Query;
  info.queryOffset = -3;
  info.threadsPerBlock = 128;
  info.sharedBytes = 49152;
  return info;
}

std::string packageBytes(const KernelInfo &info = richInfo()) {
  PackageWriter writer;
  writer.add("compiler", "", "", "attnc 0.1.0");
  writer.add("spec", "", "", "module {}");
  writer.add(info, "sm_80");
  writer.add("ptx", "sm_80", "sm_80", "// ptx");
  writer.add("cubin", "sm_90", "sm_80", std::string("\0\1\2", 3));
  return writer.finish();
}

std::span<const uint8_t> bytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

/// The message, with notes, of bytes that are refused.
std::string problem(std::string_view bytes) {
  Expected<Package> package = Package::read(bytesOf(bytes));
  if (package)
    return "it was taken";
  std::string text = package.error().message;
  for (const std::string &note : package.error().notes)
    text += "\n" + note;
  return text;
}

std::string resealed(std::string bytes) {
  resealPackage({reinterpret_cast<uint8_t *>(bytes.data()), bytes.size()});
  return bytes;
}

TEST(Sha256, KnownDigests) {
  EXPECT_EQ(hexText(sha256({})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hexText(sha256(bytesOf("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hexText(sha256(bytesOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  std::string million(1000000, 'a');
  Sha256 hash;
  for (size_t at = 0, step = 1; at < million.size(); at += step, step = step * 3 % 1009 + 1)
    hash.add(bytesOf(std::string_view(million).substr(at, step)));
  EXPECT_EQ(hexText(hash.finish()),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(KernelInfoJson, RoundTrip) {
  KernelInfo info = richInfo();
  std::string text = toJson(info);
  Expected<KernelInfo> back = kernelInfoFromJson(text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(toJson(*back), text);
  EXPECT_EQ(back->name, "rich");
  EXPECT_EQ(back->queryOffset, -3);
  EXPECT_EQ(back->parametersOfMask[0][1].span, (SpanRule{128.25, 1.0 / 3, 5}));
  EXPECT_EQ(back->inputs[1].indexedBy[0], IndexedBy::Query);
  const Formula &a = info.formulas[0], &b = back->formulas[0];
  EXPECT_EQ(a.symbols, b.symbols);
  EXPECT_EQ(a.tables, b.tables);
  EXPECT_EQ(a.classTables, b.classTables);
  EXPECT_EQ(a.blockLists, b.blockLists);
  EXPECT_EQ(a.predicates, b.predicates);
  EXPECT_EQ(a.dags[0].nodes(), b.dags[0].nodes());
  EXPECT_EQ(a.atoms, b.atoms);
  EXPECT_EQ(a.truth, b.truth);
}

/// What is wrong with the text of the rich kernel after a change of its tree.
std::string problemAfter(const std::function<void(nlohmann::json &)> &change) {
  nlohmann::json tree = nlohmann::json::parse(toJson(richInfo()));
  change(tree);
  Expected<KernelInfo> info = kernelInfoFromJson(tree.dump());
  return info ? "it was taken" : info.error().message;
}

TEST(KernelInfoJson, Errors) {
  EXPECT_EQ(problemAfter([](auto &) {}), "it was taken");
  auto message = [](std::string_view text) { return kernelInfoFromJson(text).error().message; };
  EXPECT_EQ(message("{"), "it is not valid JSON");
  EXPECT_EQ(message("[]"), "'' is array, but an object is wanted");
  EXPECT_EQ(message(std::string(100000, '[')), "it nests deeper than 16 levels");
  EXPECT_EQ(problemAfter([](auto &t) { t["heads"] = "two"; }),
            "'heads' is string, but an integer of 64 bits is wanted");
  EXPECT_EQ(problemAfter([](auto &t) { t["formulas"][0]["atoms"][1]["kind"] = "ring"; }),
            "'formulas[0].atoms[1].kind' is string, but the name of a kind or operation is wanted");
  EXPECT_EQ(problemAfter([](auto &t) { t["formulas"][0]["atoms"][1]["index"] = 1ull << 40; }),
            "'formulas[0].atoms[1].index' is number, but an integer of 32 bits is wanted");
  EXPECT_EQ(problemAfter([](auto &t) { t["colour"] = 1; }),
            "it is not written canonically, or has members that this version does not know");
  EXPECT_EQ(problemAfter([](auto &t) {
              t["mask_of_head"] = {0, 2};
            }),
            "'mask_of_head' is 2, but must be from 0 to 1");
  EXPECT_EQ(problemAfter([](auto &t) {
              t["formulas"][0]["truth"].push_back({{"op", "and"}});
            }),
            "the program of the mask takes more than it has");
  EXPECT_EQ(problemAfter([](auto &t) {
              t["formulas"][0]["dags"][0][0] = {{"op", "add"}, {"a", 0}};
            }),
            "'formulas[0].dags[0][0]' has operands that are not the earlier nodes its operation "
            "wants");
  EXPECT_EQ(problemAfter([](auto &t) { t["inputs"][1]["shape"] = {128}; }),
            "input 'starts' has an extent of 128, but any number of entries may be read");
}

TEST(Package, RoundTrip) {
  Expected<Package> package = Package::read(bytesOf(packageBytes()));
  ASSERT_TRUE(package) << package.error().message;
  EXPECT_EQ(package->compiler(), "attnc 0.1.0");
  EXPECT_EQ(package->spec(), "module {}");
  EXPECT_EQ(package->find("ptx")->text(), "// ptx");
  EXPECT_EQ(package->find("cubin", "sm_90")->unit, "sm_80");
  EXPECT_EQ(package->find("cubin", "sm_80"), nullptr);
  EXPECT_EQ(toJson(package->units().at("sm_80")), toJson(richInfo()));
  EXPECT_EQ(packageBytes(), packageBytes());
  nlohmann::json text = nlohmann::json::parse(describe(*package));
  EXPECT_EQ(text["sections"][3]["checksum"], hexText(sha256(bytesOf("// ptx"))));
  EXPECT_EQ(text["tokens"], nlohmann::json::array({-1}));
}

TEST(Package, EveryFlippedBitIsRefused) {
  std::string bytes = packageBytes();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = char(bytes[bit / 8] ^ 1 << bit % 8);
    ASSERT_FALSE(Package::read(bytesOf(bytes))) << "bit " << bit;
    bytes[bit / 8] = char(bytes[bit / 8] ^ 1 << bit % 8);
  }
  EXPECT_TRUE(Package::read(bytesOf(bytes)));
}

TEST(Package, EveryOtherLengthIsRefused) {
  std::string bytes = packageBytes();
  for (size_t length = 0; length < bytes.size(); ++length)
    ASSERT_FALSE(Package::read(bytesOf(std::string_view(bytes).substr(0, length)))) << length;
  for (const char *more : {"x", "\n"})
    EXPECT_THAT(problem(bytes + more), HasSubstr("bytes, but should have"));
  EXPECT_EQ(problem(bytes + bytes),
            fmt::format("it has {} bytes, but should have {}", 2 * bytes.size(), bytes.size()));
}

TEST(Package, ReasonsOfRefusal) {
  std::string bytes = packageBytes();
  EXPECT_EQ(problem(""), "it is empty");
  EXPECT_EQ(
      problem("\x7f"
              "ELF and more"),
      "it is no package of attnc\npackages are written by 'attnc compile SPEC --emit=package -o "
      "FILE'");
  std::string converted = bytes;
  converted.erase(5, 1);
  EXPECT_THAT(problem(converted), HasSubstr("line ends have been converted"));
  EXPECT_EQ(problem(bytes.substr(0, 40)), "it is cut off: 40 bytes, but the header alone has 64");
  EXPECT_EQ(problem(bytes.substr(0, 1000)),
            fmt::format("it is cut off: 1000 of {} bytes are there", bytes.size()));
  std::string newer = bytes;
  newer[8] = 2;
  EXPECT_EQ(problem(newer),
            "it has format version 2, but this runtime reads version 1\nuse a runtime "
            "as new as the compiler, or compile the package again");
  std::string other = bytes;
  other[24] ^= 1;
  EXPECT_THAT(problem(resealed(other)),
              HasSubstr("it was made for kernels whose arguments lie otherwise"));
  std::string damaged = bytes;
  damaged[bytes.find("// ptx")] = '#';
  EXPECT_THAT(problem(damaged), HasSubstr("it is damaged: section 'ptx sm_80' or its entry"));
  std::string table = bytes;
  table[20] ^= 1; // size, then mended
  EXPECT_THAT(problem(table), HasSubstr("it is cut off"));
}

/// A package of these sections in place of the right ones.
std::string problemOf(const std::function<void(PackageWriter &)> &fill) {
  PackageWriter writer;
  fill(writer);
  return problem(writer.finish());
}

TEST(Package, WronglyPutTogether) {
  auto start = [](PackageWriter &w) {
    w.add("compiler", "", "", "c");
    w.add("spec", "", "", "s");
  };
  EXPECT_EQ(problemOf([](PackageWriter &w) {
              w.add("compiler", "", "", "c");
              w.add("compiler", "", "", "c");
            }),
            "it has two sections 'compiler '");
  EXPECT_EQ(problemOf([](PackageWriter &w) { w.add("compiler", "", "", "c"); }),
            "it has no section 'spec'");
  EXPECT_EQ(problemOf([&](PackageWriter &w) { start(w), w.add("music", "a", "a", ""); }),
            "it has a section of the unknown kind 'music'");
  EXPECT_EQ(problemOf(start), "it has no section 'info', so that nothing can be launched");
  EXPECT_EQ(problemOf([&](PackageWriter &w) {
              start(w), w.add(richInfo(), "sm_80"), w.add("ptx", "sm_90", "sm_90", "");
            }),
            "section 'ptx sm_90' has no 'info sm_90'");
  EXPECT_EQ(problemOf([&](PackageWriter &w) {
              start(w), w.add(richInfo(), "sm_80"), w.add("object", "sm_80", "sm_80", "");
            }),
            "section 'object sm_80' is no code for 'sm_80'");
  EXPECT_THAT(problemOf([&](PackageWriter &w) { start(w), w.add("info", "avx2", "avx2", "{}"); }),
              HasSubstr("section 'info avx2' cannot be used: 'target' is ''"));
  KernelInfo other = richInfo();
  other.name = "poor";
  EXPECT_EQ(problemOf([&](PackageWriter &w) {
              start(w), w.add(richInfo(), "sm_80"), w.add(other, "sm_90a");
            }),
            "its sections 'info' describe different kernels");
}

/// Tensors for the rich kernel that any changed one may be launched with.
struct RichTensors {
  std::vector<uint16_t> q = std::vector<uint16_t>(1 << 14), o = q;
  std::vector<int32_t> counts{0, 32}, ones = std::vector<int32_t>(64, 1), rows{0, 1},
                                      bits = std::vector<int32_t>(1, 1);
  Bindings bindings() {
    Bindings b;
    b.q = TensorView(q.data(), DType::BF16, {2, 2, 32, 16});
    b.k = TensorView(q.data(), DType::BF16, {2, 1, 32, 16});
    b.v = TensorView(q.data(), DType::BF16, {2, 1, 32, 32});
    b.o = TensorView(o.data(), DType::BF16, {2, 2, 32, 32});
    auto vector = [](std::vector<int32_t> &data, int64_t n) {
      return TensorView(data.data(), DType::I32, {n});
    };
    b.inputs = {
        {"lengths", vector(ones, 2)},    {"starts", vector(ones, 32)},
        {"labels", vector(ones, 32)},    {"packed_q", vector(counts, 2)},
        {"packed_k", vector(counts, 2)}, {"rows", vector(rows, 2)},
        {"blocks", vector(rows, 1)},     {"bits", TensorView(bits.data(), DType::I32, {1, 1})}};
    return b;
  }
};

TEST(Package, ChangedNumbersLaunchOrAreRefused) {
  RichTensors tensors;
  Expected<LaunchPlan> plan = planLaunch(richInfo(), tensors.bindings());
  ASSERT_TRUE(plan) << plan.error().message;
  std::string bytes = packageBytes();
  size_t begin = bytes.find("{\"batch\""), end = bytes.find("// ptx");
  ASSERT_NE(begin, std::string::npos);
  int taken = 0, refused = 0, launched = 0;
  for (size_t at = begin; at < end; ++at) {
    if (!std::isdigit(bytes[at]) || bytes[at - 1] == '_')
      continue;
    for (char digit : {'0', '1', '2', '3', '7', '9'}) {
      std::string changed = bytes;
      changed[at] = digit;
      changed = resealed(std::move(changed));
      Expected<Package> package = Package::read(bytesOf(changed));
      package ? ++taken : ++refused;
      if (package)
        launched += bool(planLaunch(package->kernel(), tensors.bindings()));
    }
  }
  EXPECT_GT(taken, 100);
  EXPECT_GT(refused, 100);
  EXPECT_GT(launched, 50);
}

using PackageFile = TemporaryFolder;

TEST_F(PackageFile, OpenNamesTheFile) {
  EXPECT_TRUE(Package::open(put("good", packageBytes())));
  std::string bad = put("bad", "no package");
  EXPECT_EQ(Package::open(bad).error().message,
            fmt::format("cannot use package '{}': it is no package of attnc", bad));
  EXPECT_THAT(Package::open(path("absent")).error().message, HasSubstr("absent"));
}

} // namespace
} // namespace attn
