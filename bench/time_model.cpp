// How many configurations a second the model of time predicts on one core: kernels alone, whose classes of
// query tiles are known, and with the tile map of each made first.
//
//   time_model [SECONDS]     for each case, 1 unless said
#include "simulator/time/TimeModel.h"

#include "dialect/algebra/FormulaBuilder.h"
#include "dialect/algebra/TileMap.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <functional>

using namespace attn;

namespace {

/// Times a second that `step(i)` runs, i = 0, 1, ...; the sum of the results keeps them from being left out.
double rate(double seconds, const std::function<double(int64_t)> &step) {
  using Clock = std::chrono::steady_clock;
  double sum = 0, elapsed = 0;
  int64_t steps = 0;
  for (auto begun = Clock::now(); elapsed < seconds;
       elapsed = std::chrono::duration<double>(Clock::now() - begun).count())
    for (int i = 0; i < 64; ++i)
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
  auto kernel = [&](const Work &work) {
    return [&](int64_t i) {
      shape.maskOps = double(i % 16);
      return predict(*h100, shape, work).us;
    };
  };
  fmt::print("configurations a second on one core\n");
  fmt::print("{:48} {:10.0f}\n", "dense, 16,384 tokens, 1 class", rate(seconds, kernel(dense)));
  fmt::print("{:48} {:10.0f}\n", "window of 4,096, 1,048,576 tokens", rate(seconds, kernel(window)));
  fmt::print("{:48} {:10.0f}\n", "causal, 16,384 tokens, 128 classes", rate(seconds, kernel(causal)));
  fmt::print("{:48} {:10.0f}\n", "causal, 1,048,576 tokens, 8,192 classes", rate(seconds, kernel(longCausal)));
  for (int64_t tokens : {8192, 65536})
    fmt::print("{:48} {:10.0f}\n", fmt::format("windows, {} tokens, with their tile maps", tokens),
               rate(seconds, [&](int64_t i) {
                 return predict(*h100, shape, windowWork(tokens, 128 + i % 4096, shape)).us;
               }));
}
