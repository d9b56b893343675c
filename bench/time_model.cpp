// How many configurations the model of time predicts in a second of one core's time: kernels alone,
// whose classes of query tiles are known, exactly and as sweeps do it; and with the tile map of
// each made first.
//
//   time_model [SECONDS]     of processor time for each case, 1 unless said
#include "simulator/time/TimeModel.h"

#include "dialect/algebra/FormulaBuilder.h"
#include "dialect/algebra/TileMap.h"

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
}
