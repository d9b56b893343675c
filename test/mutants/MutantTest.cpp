// Every mutant of three kernels is found, by a report of the emulator or by wrong numbers, or is
// known to be the same program in other words. Prints by what and where; the whole list goes to
// mutants-<kernel>.txt in the build folder of this test.
#include "test/codegen/PtxExperiment.h"
#include "test/mutants/Equivalents.h"

#include <atomic>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <thread>

namespace attn::mutants {
namespace {

namespace ref = attn::reference;
using emulator::AsyncMode;
using emulator::LaunchOptions;

/// Mutants of a kind in a kernel, for kinds with one site a fragment or an address.
constexpr size_t kMostSites = 8;

/// The lengths of a launch, how much the queries lie further than at the end of the keys, the parts
/// of the keys, and the magnitude of the scores.
struct Sizes {
  int64_t queries, keys, further = 0, splits = 1;
  double magnitude = 1;
};

/// The first: several tiles of both. Then key tiles far apart, the second one full, and keys in
/// parts, also with scores
/// so large that a sum of exponentials needs its maximum. Then the last key in each pair of columns
/// of a tile of 128, in the first tile or in the second, with queries that end in each group of
/// rows, and many offsets between the two: so every bound is met somewhere.
const std::vector<Sizes> kSizes = [] {
  std::vector<Sizes> sizes{{300, 300}, {1, 700}, {33, 300, 0, 3}, {70, 450, 0, 2, 128}};
  for (int64_t group = 0; group < 16; ++group)
    for (int64_t parity : {0, 1}) {
      int64_t tiles = (group + parity) % 2 * 128;
      sizes.push_back({tiles + 128 - (5 * group + parity) % 16 * 8 - (3 * group + parity) % 8,
                       tiles + 8 * group + 2 + parity, 1 + 5 * group % 16});
    }
  return sizes;
}();

/// How a mutant is run, one after the other until it is found: copies late and early first, warps
/// in order; what that misses may need another schedule, or other sizes.
struct Run {
  size_t sizes; ///< index of kSizes
  AsyncMode mode;
  uint64_t seed;
};
const std::vector<Run> kRuns = [] {
  std::vector<Run> runs;
  for (uint64_t seed = 0; seed < 3; ++seed)
    for (AsyncMode mode : {AsyncMode::Late, AsyncMode::Early, AsyncMode::Random})
      runs.push_back({0, mode, seed});
  for (size_t i = 1; i < kSizes.size(); ++i)
    runs.push_back({i, AsyncMode::Late, 0});
  return runs;
}();

const char *nameOf(AsyncMode mode) {
  return mode == AsyncMode::Late ? "late" : mode == AsyncMode::Early ? "early" : "random";
}

/// What sort of report a fault is.
const char *classOf(const test::PtxVerdict &verdict) {
  static constexpr std::pair<const char *, const char *> kClasses[] = {
      {"while the cp.async", "in flight"},
      {"race", "race"},
      {"never written", "unwritten"},
      {"outside of", "out of bounds"},
      {" bytes of ", "out of bounds"},
      {"read-only", "out of bounds"},
      {"not a multiple", "misaligned"},
      {"does not end", "deadlock"},
      {"warp instructions", "endless"},
      {"member mask", "divergence"},
      {"divergent", "divergence"},
      {"must execute it together", "divergence"},
      {"'.uni'", "divergence"},
      {"the kernel traps", "trap"},
  };
  if (verdict.fault.empty())
    return verdict.wrong.empty() ? "" : "wrong numbers";
  for (const auto &[text, name] : kClasses)
    if (verdict.fault.find(text) != std::string::npos)
      return name;
  return "other";
}

/// What became of a mutant.
struct Finding {
  std::string by; ///< the class; empty: it survived
  Run run = {};
  std::string what;
  bool reached = true;         ///< a run executes what was changed; asked of survivors alone
  std::string equivalent = {}; ///< why it may survive
};

/// The same label now and then, so that labels are not sorted.
test::KernelCase caseAt(const ref::Kernel &kernel, const Sizes &sizes) {
  ref::Draw draw(1);
  test::KernelCase c = test::caseOf(draw, kernel);
  c.splits = sizes.splits;
  c.magnitude = sizes.magnitude;
  c.queryOffset = c.context.qOffset = sizes.keys - sizes.queries + sizes.further;
  for (auto &[name, labels] : c.context.labels)
    for (size_t i = 0; i < labels.size(); ++i)
      labels[i] = int32_t(i + (name == "doc" ? *c.queryOffset : 0)) / 50 % 7;
  c.inputs = test::DrawnInputs(kernel, c.context);
  return c;
}

/// A kernel for any length, and what it must compute at each of kSizes.
class Subject {
public:
  Subject(const char *name, ref::Kernel kernel) : name(name) {
    for (const Sizes &sizes : kSizes) {
      kernel.shape.tokens = {sizes.queries};
      kernel.shape.kvTokens = {sizes.keys};
      test::KernelCase c = caseAt(kernel, sizes);
      if (experiments.empty())
        compile(c.spec, sizes.queries);
      ref::Draw draw(experiments.size());
      experiments.push_back(std::make_unique<test::PtxExperiment>(c, draw));
    }
    if (!testing::Test::HasFailure())
      expectSound();
  }

  const std::string &ptx() const { return compiled.ptx; }

  Finding examine(const Mutant &mutant) const {
    Expected<emulator::Module> module = emulator::Module::parse(mutant.ptx);
    if (!module)
      return {"no PTX", {}, module.error().message};
    for (const Run &r : kRuns) {
      test::PtxVerdict verdict = run(*module, r);
      if (!verdict.ok())
        return {classOf(verdict), r, verdict.fault + verdict.wrong};
    }
    Finding finding;
    module = emulator::Module::parse(withTrapAt(compiled.ptx, mutant.statement));
    finding.reached = module && std::any_of(kRuns.begin(), kRuns.end(), [&](const Run &r) {
                        return classOf(run(*module, r)) == std::string("trap");
                      });
    return finding;
  }

  const char *name;

private:
  /// Runs the kernel as it is. Mutants that execute far more instructions are endless.
  void expectSound() {
    Expected<emulator::Module> module = emulator::Module::parse(compiled.ptx);
    ASSERT_TRUE(module) << module.error().message;
    limit = 4 * run(*module, kRuns.front()).counters.total();
    for (const Run &r : kRuns) {
      test::PtxVerdict verdict = run(*module, r);
      ASSERT_TRUE(verdict.ok()) << name << " as it is with " << kSizes[r.sizes].queries
                                << " queries and " << kSizes[r.sizes].keys
                                << " keys: " << verdict.fault << verdict.wrong;
    }
  }

  void compile(std::string spec, int64_t length) {
    std::string fixed = fmt::format("tokens [{}]", length);
    for (size_t at = 0; (at = spec.find(fixed, at)) != std::string::npos;)
      spec.replace(at, fixed.size(), "tokens [?]");
    // The largest tiles, of which kSizes end at every place.
    TilingOptions tiling;
    tiling.queryTile = {128};
    tiling.keyTile = {64};
    test::PtxCompilation compilation = test::compileToPtx(spec, "sm_80", tiling);
    ASSERT_TRUE(compilation.kernel) << compilation.diagnostics << spec;
    compiled = std::move(*compilation.kernel);
  }

  test::PtxVerdict run(const emulator::Module &module, const Run &r) const {
    LaunchOptions options{.mode = r.mode, .seed = r.seed, .threads = 1};
    if (limit)
      options.instructionLimit = limit;
    return experiments[r.sizes]->run(compiled.info, module, options);
  }

  nvvm::PtxKernel compiled;
  std::vector<std::unique_ptr<test::PtxExperiment>> experiments;
  uint64_t limit = 0;
};

std::vector<Finding> examineAll(const Subject &subject, const std::vector<Mutant> &mutants) {
  std::vector<Finding> findings(mutants.size());
  std::vector<PtxStatement> statements = statementsOf(subject.ptx());
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i; (i = next++) < mutants.size();) {
      findings[i] = subject.examine(mutants[i]);
      findings[i].equivalent = whyEquivalent(statements, mutants[i]);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
  return findings;
}

/// A row a kind: how many mutants, by what they were found and in which modes.
void print(const Subject &subject, const std::vector<Mutant> &mutants,
           const std::vector<Finding> &findings) {
  struct Row {
    size_t mutants = 0, survivors = 0;
    std::map<std::string, size_t> by;
    std::set<std::string> modes;
  };
  std::vector<std::pair<std::string, Row>> rows;
  for (size_t i = 0; i < mutants.size(); ++i) {
    if (rows.empty() || rows.back().first != mutants[i].kind)
      rows.emplace_back(mutants[i].kind, Row());
    Row &row = rows.back().second;
    ++row.mutants;
    if (findings[i].by.empty()) {
      ++row.survivors;
      continue;
    }
    ++row.by[findings[i].by];
    const Run &r = findings[i].run;
    row.modes.insert(r.sizes ? "sizes"
                             : nameOf(r.mode) + (r.seed ? fmt::format("/{}", r.seed) : ""));
  }
  fmt::print("\n{}: {} mutants\n{:34} {:>7} {:>10}  {:14} found by\n", subject.name, mutants.size(),
             "kind", "mutants", "equivalent", "copies/seed");
  for (const auto &[kind, row] : rows) {
    std::string by;
    for (const auto &[name, count] : row.by)
      by += fmt::format("{}{} {}", by.empty() ? "" : ", ", count, name);
    fmt::print("{:34} {:7} {:10}  {:14} {}\n", kind, row.mutants, row.survivors,
               fmt::join(row.modes, " "), by);
  }
}

void save(const Subject &subject, const std::vector<Mutant> &mutants,
          const std::vector<Finding> &findings) {
  std::ofstream(fmt::format(ATTN_MUTANTS_FOLDER "/mutants-{}.ptx", subject.name)) << subject.ptx();
  std::ofstream file(fmt::format(ATTN_MUTANTS_FOLDER "/mutants-{}.txt", subject.name));
  for (size_t i = 0; i < mutants.size(); ++i) {
    const auto &[mutant, finding] = std::tie(mutants[i], findings[i]);
    const auto &[sizes, mode, seed] = finding.run;
    std::string end =
        finding.by.empty()
            ? (finding.equivalent.empty() ? "SURVIVES" : "equivalent: " + finding.equivalent)
            : fmt::format("{} ({} queries, {} keys, copies {}, seed {}): {}", finding.by,
                          kSizes[sizes].queries, kSizes[sizes].keys, nameOf(mode), seed,
                          finding.what);
    file << fmt::format("{} {} of {} | {} => {} | {}\n", mutant.kind, mutant.site + 1, mutant.sites,
                        mutant.before, mutant.after, end);
  }
}

void check(const char *name, const ref::Kernel &kernel) {
  Subject subject(name, kernel);
  if (testing::Test::HasFailure())
    return;
  std::vector<Mutant> mutants = mutantsOf(subject.ptx(), kMostSites);
  std::vector<Finding> findings = examineAll(subject, mutants);
  print(subject, mutants, findings);
  save(subject, mutants, findings);
  EXPECT_GE(mutants.size(), 60u);
  for (size_t i = 0; i < mutants.size(); ++i) {
    const auto &[mutant, finding] = std::tie(mutants[i], findings[i]);
    std::string title = fmt::format("{}: {} {} of {}: {} => {}", name, mutant.kind, mutant.site + 1,
                                    mutant.sites, mutant.before, mutant.after);
    EXPECT_TRUE(finding.by != "other" && finding.by != "no PTX") << title << "\n" << finding.what;
    if (finding.by.empty())
      EXPECT_NE(finding.equivalent, "")
          << title << (finding.reached ? "\nsurvives" : "\nis not reached");
    else
      EXPECT_EQ(finding.equivalent, "") << title << "\nis found after all: " << finding.what;
  }
}

ref::Shape shapeOf(ref::Type type, int64_t heads, int64_t headDim) {
  ref::Shape shape;
  shape.heads = heads;
  shape.headDim = headDim;
  shape.dtype = type;
  return shape;
}

TEST(Mutants, OfADenseKernel) { check("dense", {shapeOf(ref::Type::F16, 1, 64), ref::all(), {}}); }

TEST(Mutants, OfACausalKernel) {
  check("causal", {shapeOf(ref::Type::BF16, 1, 128), ref::causal(), {}});
}

TEST(Mutants, OfAKernelWithLabelsAndHeadParameters) {
  auto mask = [](int64_t window) { return ref::window(window) | ref::same("doc", "key_doc"); };
  ref::Kernel kernel{shapeOf(ref::Type::BF16, 2, 64), mask(188), {}};
  kernel.headMasks = {{{1}, mask(30)}};
  check("labels", kernel);
}

} // namespace
} // namespace attn::mutants
