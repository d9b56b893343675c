#include "simulator/time/TimeModel.h"

#include <algorithm>
#include <cmath>

namespace attn {

using enum Constant;

static double matrixRate(const Machine &machine, Precision precision) {
  switch (precision) {
  case Precision::F32:
    return machine[MatrixF32];
  case Precision::F8:
    return machine[MatrixF8];
  default:
    return machine[MatrixF16];
  }
}

/// Of a query tile, as the matrix unit computes them.
static double computedRows(const Machine &machine, const KernelShape &s) {
  double least = machine[MatrixRows];
  return std::ceil(double(s.rows) / least) * least;
}

/// Bytes through shared memory. `reads`: how often a key tile is read, once for every `OperandRows`
/// rows. Backward: five products; p and ds are stored, and read for dv, dk and dq; dq leaves in
/// f32.
static double sharedBytesOfStep(const Machine &machine, const KernelShape &s, double rows) {
  double b = double(bytesOf(s.precision)), n = double(s.columns), d = double(s.headDim),
         dv = double(s.valueDim);
  double reads = std::max(1.0, rows / machine[OperandRows]);
  // Without a tensor memory q is read from shared memory by every product of scores.
  double scores = rows * d * b + reads * n * d * b;
  if (s.pass == Pass::Forward)
    return scores + reads * n * dv * b + (s.probabilitiesInRegisters ? 0 : 2 * rows * n * b);
  double otherReads = std::max(1.0, n / machine[OperandRows]);
  double gradients = otherReads * rows * (d + dv) * b + 2 * n * rows * b; // dk, dv
  double queries = rows * n * b + reads * n * d * b;                      // dq
  return scores + rows * dv * b + reads * n * dv * b + gradients + queries + 2 * rows * n * b +
         8 * rows * d;
}

double overlapPower(const Machine &m, const KernelShape &s) {
  if (s.products == Products::OfWarpgroups)
    return m[OverlapPower];
  constexpr double kSchedulers = 4;
  double warps = std::max(1.0, double(s.warps * s.blocksAtOnce) / kSchedulers);
  return m[WarpOverlapPower] + m[WarpOverlapMore] * (warps - 1);
}

static double norm(double p, std::initializer_list<double> values) {
  double largest = std::max(values), sum = 0;
  if (largest == 0)
    return 0;
  for (double value : values)
    sum += std::pow(value / largest, p);
  return largest * std::pow(sum, 1 / p);
}

/// A warp reads the whole key and value tile for its rows, and q unless its registers hold it; the copies write the
/// tiles. Outputs are rescaled so seldom that it costs nothing.
static StepCycles stepOfWarps(const Machine &m, const KernelShape &s, bool isMasked) {
  double rows = double(s.rows), n = double(s.columns), scores = rows * n, dims = double(s.headDim + s.valueDim),
         b = double(bytesOf(s.precision));
  StepCycles c;
  c.matrix = 2 * scores * dims / m[WarpMatrixF16];
  c.exp = scores / m[ExpPerClock];
  c.alu = scores * m[WarpScoreOps] / m[AluPerClock];
  c.mask = isMasked ? scores * s.maskOps / m[AluPerClock] : 0;
  double reads = rows / double(s.rowsPerWarp) + 1;
  c.shared = (reads * n * dims * b + (s.queryInRegisters ? 0 : rows * double(s.headDim) * b)) / m[SharedBytesPerClock];
  c.l2 = n * dims * b / m[L2BytesPerClock];
  c.bookkeeping = m[WarpStepCycles] / double(s.blocksAtOnce);
  c.all = norm(overlapPower(m, s), {c.matrix, c.exp + c.alu + c.mask, c.shared, c.l2}) + c.bookkeeping;
  return c;
}

StepCycles stepCycles(const Machine &m, const KernelShape &s, bool isMasked) {
  if (s.products == Products::OfWarps)
    return stepOfWarps(m, s, isMasked);
  bool isBackward = s.pass == Pass::Backward;
  double rows = computedRows(m, s), scores = rows * double(s.columns), d = double(s.headDim),
         dv = double(s.valueDim);
  StepCycles c;
  c.matrix = scores * (isBackward ? 6 * d + 4 * dv : 2 * d + 2 * dv) / matrixRate(m, s.precision);
  c.exp = scores * (1 - m[ExpEmulated]) / m[ExpPerClock];
  // Backward neither rescales nor looks for a maximum or a sum, but multiplies by ds = p (dp -
  // delta), adds delta, scales, and rounds two tiles.
  double ops = isBackward ? m[ScoreOps] + 2 : m[ScoreOps];
  double rescales = isBackward ? 0 : rows * dv * m[RescaleOps];
  c.alu = (scores * (ops + m[ExpEmulated] * m[PolynomialOps]) + rescales) / m[AluPerClock];
  c.mask = isMasked ? scores * s.maskOps / m[AluPerClock] : 0;
  c.shared = sharedBytesOfStep(m, s, rows) / m[SharedBytesPerClock];
  double b = double(bytesOf(s.precision));
  c.l2 = double(s.columns) * (d + dv) * b / double(s.sharedBy) / m[L2BytesPerClock];
  double softmax = c.exp + c.alu + c.mask, p = overlapPower(m, s);
  c.all = s.overlap == Overlap::None ? norm(p, {c.matrix + softmax, c.shared, c.l2})
                                     : norm(p, {c.matrix, softmax, c.shared, c.l2});
  return c;
}

double fixedCycles(const Machine &m, const KernelShape &s) {
  if (s.products == Products::OfWarps)
    return m[WarpFixedCycles] / double(s.blocksAtOnce);
  double bytes = double(s.rows * (s.headDim + s.valueDim) * bytesOf(s.precision));
  return m[FixedCycles] + (s.pass == Pass::Backward ? 2 : 1) * bytes / m[L2BytesPerClock];
}

} // namespace attn
