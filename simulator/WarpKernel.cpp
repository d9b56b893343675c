#include "simulator/WarpKernel.h"

namespace attn {

KernelShape warpKernel(const WarpPlan &plan, Precision precision, const Machine &machine) {
  KernelShape shape;
  shape.products = Products::OfWarps;
  shape.precision = precision;
  shape.rows = plan.queryRows;
  shape.columns = plan.keyRows;
  shape.headDim = plan.headDimQk;
  shape.valueDim = plan.headDimV;
  shape.stages = plan.stages;
  shape.warps = plan.warps;
  shape.rowsPerWarp = plan.rowsPerWarp();
  shape.queryInRegisters = plan.queryInRegisters;
  shape.sharedBytes = plan.sharedBytes();
  shape.blocksAtOnce = plan.blocksAtOnce(int64_t(machine[Constant::SharedKb] * 1024));
  shape.maskOps = 0;
  return shape;
}

double maskOps(const Formula &formula) {
  constexpr double kInterval = 5.5, kDivision = 14, kRead = 27;
  double ops = 0;
  for (const Atom &atom : formula.atoms) {
    if (atom.kind != AtomKind::Box) {
      ops += kRead;
      continue;
    }
    for (int d = 0; d < formula.rank; ++d)
      ops += kInterval + (atom.dims[d].modulus > 1 ? kDivision : 0);
  }
  return ops;
}

} // namespace attn
