// How many configurations the model of time predicts in a second of one core's time: kernels alone,
// whose classes of query tiles are known, exactly and as sweeps do it; and with the tile map of
// each made first, from formulas, and in sweeps as `attnc simulate --sweep=` makes them, from the
// attributes of a spec.
//
//   time_model [SECONDS]     of processor time for each case but the sweeps, 1 unless said
#include "dialect/algebra/FormulaBuilder.h"
#include "dialect/algebra/TileMap.h"
#include "frontend/Frontend.h"
#include "simulator/ParameterSweep.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/SourceMgr.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <functional>

using namespace attn;

namespace {

/// Times a second that `step(i)` runs, i = 0, 1, ...; the sum of the results keeps them from being
/// left out.
double rate(double seconds, const std::function<double(int64_t)> &step) {
  double sum = 0, elapsed = 0;
  int64_t steps = 0;
  for (std::clock_t begun = std::clock(); elapsed < seconds;
       elapsed = double(std::clock() - begun) / CLOCKS_PER_SEC)
    for (int i = 0; i < 16; ++i)
      sum += step(steps++);
  return sum > 0 ? double(steps) / elapsed : 0;
}

/// Keys q - window < k <= q of a sequence.
Work windowWork(int64_t tokens, int64_t window, const KernelShape &shape) {
  FormulaBuilder builder({tokens});
  TermId mask = builder.interval(LinearBound{true, 1 - window, {}}, LinearBound{true, 1, {}});
  Formula formula = *builder.finish(mask);
  std::vector<int64_t> symbols;
  for (const Symbol &symbol : formula.symbols)
    symbols.push_back(symbol.kind == SymbolKind::NumKeys ? tokens : 0);
  TileGeometry geometry;
  geometry.queries[0] = geometry.keys[0] = tokens;
  geometry.queryTile[0] = shape.rows;
  geometry.keyTile[0] = shape.columns;
  TileMap map(std::move(formula), geometry, symbols);
  Work work = denseWork(tokens, tokens, shape.rows, shape.columns, 16, 16, 1);
  work.groups.front().classes = classesOf(map);
  return work;
}

//===----------------------------------------------------------------------===//
// Sweeps
//===----------------------------------------------------------------------===//

using Values = std::vector<llvm::SmallVector<int64_t>>;
using Tiles = std::pair<std::vector<int64_t>, std::vector<int64_t>>;

struct SweepCase {
  const char *name, *body;
  std::vector<std::pair<const char *, Values>> axes;
  std::vector<Tiles> tiles;
};

Values range(int64_t first, int64_t last, int64_t step) {
  Values values;
  for (int64_t value = first; value <= last; value += step)
    values.push_back({value});
  return values;
}

/// All combinations of `counts` multiples of `steps`.
Values box(llvm::ArrayRef<int64_t> steps, llvm::ArrayRef<int64_t> counts) {
  Values values;
  for (int64_t a = 1; a <= counts[0]; ++a)
    for (int64_t b = 1; b <= counts[1]; ++b)
      for (int64_t c = 1; c <= counts[2]; ++c)
        values.push_back({a * steps[0], b * steps[1], c * steps[2]});
  return values;
}

Values powers(llvm::ArrayRef<int64_t> counts) {
  Values values;
  for (int64_t a = 0; a < counts[0]; ++a)
    for (int64_t b = 0; b < counts[1]; ++b)
      for (int64_t c = 0; c < counts[2]; ++c)
        values.push_back({int64_t(1) << a, int64_t(1) << b, int64_t(1) << c});
  return values;
}

std::vector<SweepCase> sweepCases() {
  std::vector<Tiles> flat{{{128}, {128}}, {{128}, {64}}, {{64}, {128}}, {{64}, {64}}};
  std::vector<Tiles> boxes{{{2, 8, 8}, {2, 8, 8}}, {{4, 4, 8}, {4, 4, 8}}, {{8, 4, 4}, {4, 4, 8}}};
  return {{"16,384 tokens, windows", "tokens [16384] mask window(64)", {{"window", range(16, 16384, 16)}}, flat},
          {"65,536 tokens, causal windows", "tokens [65536] mask causal & window(64)",
           {{"window", range(64, 65536, 64)}}, flat},
          {"65,536 tokens, causal windows and sinks",
           "tokens [65536] mask causal & (window(64) | sink(4))",
           {{"window", range(256, 65536, 256)}, {"sink", {{4}, {64}, {128}, {1024}}}}, flat},
          {"65,536 tokens, windows with strides", "tokens [65536] mask neighborhood(window = [2048])",
           {{"window", range(512, 8192, 512)}, {"stride", range(1, 512, 8)}}, flat},
          {"30 x 48 x 80, windows and strides",
           "tokens [30, 48, 80] mask neighborhood(window = [18, 24, 24])",
           {{"window", box({6, 8, 8}, {4, 5, 9})}, {"stride", powers({3, 4, 4})}}, boxes},
          {"16 x 44 x 80, windows and strides",
           "tokens [16, 44, 80] mask neighborhood(window = [16, 24, 16])",
           {{"window", box({8, 8, 8}, {2, 5, 10})}, {"stride", powers({2, 4, 5})}}, boxes}};
}

/// Configurations a second of processor time in one thread, plan and maps and predictions.
void printSweep(const SweepCase &sweep, const Machine &machine) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  llvm::SourceMgr sources;
  std::string text = fmt::format("kernel k {{ heads 24 head_dim 128 dtype bf16 {} }}", sweep.body);
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(text, "sweep"), {});
  mlir::OwningOpRef<mlir::ModuleOp> module = parseSpec(sources, &context);
  AttentionOp op;
  module->walk([&](AttentionOp found) { op = found; });
  std::clock_t begun = std::clock();
  std::vector<SweepAxis> axes;
  for (const auto &[name, values] : sweep.axes)
    for (const SweptParameter &p : parametersOf(op))
      if (p.parameter.name == name)
        axes.push_back({p.mask, name, values, false});
  std::vector<SweepTiles> tiles;
  for (const auto &[queryTile, keyTile] : sweep.tiles) {
    Problem problem = *bindSizes(op, {{}, {}, {}, queryTile, keyTile});
    KernelShape shape = shapeOf(op, problem, Pass::Forward, 1);
    tiles.push_back({std::move(problem), shape, 0});
  }
  SweepPlan plan = *planSweep(op, axes, std::move(tiles));
  double planned = double(std::clock() - begun) / CLOCKS_PER_SEC;
  std::vector<SweepResult> results = runSweep(op, plan, machine, 1);
  double elapsed = double(std::clock() - begun) / CLOCKS_PER_SEC;
  fmt::print("{:44} {:10} {:10.0f} {:9.0f} %\n", sweep.name, results.size(),
             double(results.size()) / elapsed, 100 * planned / elapsed);
}

} // namespace

int main(int argc, char **argv) {
  double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  Expected<Machine> h100 = builtinMachine("h100");
  KernelShape shape;
  Work dense = denseWork(16384, 16384, 128, 128, 16, 16, 1);
  Work causal = causalWork(16384, 16384, 128, 128, 16, 16, 1);
  Work longCausal = causalWork(1 << 20, 1 << 20, 128, 128, 32, 8, 1);
  Work window = windowWork(1 << 20, 4096, shape);
  fmt::print("configurations a second of one core\n{:44} {:>10} {:>10}\n", "", "exact", "coarse");
  auto print = [&](const std::string &name, auto work) {
    fmt::print("{:44}", name);
    for (Scheduling scheduling : {Scheduling::ByClass, Scheduling::Coarse})
      fmt::print(" {:10.0f}", rate(seconds, [&](int64_t i) {
                   shape.maskOps = double(i % 16);
                   return predict(*h100, shape, work(i), {}, scheduling).us;
                 }));
    fmt::print("\n");
  };
  auto known = [](const Work &work) { return [&](int64_t) -> const Work & { return work; }; };
  print("dense, 16,384 tokens, 1 class", known(dense));
  print("window of 4,096, 1,048,576 tokens", known(window));
  print("causal, 16,384 tokens, 128 classes", known(causal));
  print("causal, 1,048,576 tokens, 8,192 classes", known(longCausal));
  for (int64_t tokens : {8192, 65536, 1 << 20})
    print(fmt::format("windows of {} tokens, each with its map", tokens),
          [&](int64_t i) { return windowWork(tokens, 128 + 16 * i % 4096, shape); });
  fmt::print("\nsweeps, each with its tile maps, in one thread\n{:44} {:>10} {:>10} {:>11}\n", "",
             "configs", "a second", "plan");
  for (const SweepCase &sweep : sweepCases())
    printSweep(sweep, *h100);
}
