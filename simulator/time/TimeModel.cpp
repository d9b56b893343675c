#include "simulator/time/TimeModel.h"

#include "simulator/time/Schedule.h"
#include "simulator/time/Timeline.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace attn {

using enum Constant;

const char *nameOf(TermKind kind) {
  static const char *const names[kNumTerms] = {
      "matrix", "exp",       "alu",    "mask",  "shared_memory", "l2",        "hbm",
      "fixed",  "imbalance", "launch", "merge", "permute",       "mask_build"};
  return names[size_t(kind)];
}

//===----------------------------------------------------------------------===//
// All steps
//===----------------------------------------------------------------------===//

namespace {

/// Cycles by what they are spent on: shares of the p-norm, which add up to the time of the steps.
struct Spent {
  double busy[kNumTerms] = {};  ///< that each unit needs by itself
  double share[kNumTerms] = {}; ///< of the steps' time
  double fixed = 0, steps = 0;

  void add(const Machine &machine, const KernelShape &shape, const StepCycles &c, double count);
};

/// What speeding up one unit by 1 % takes off the step, in percent: the elasticities of a p-norm.
void Spent::add(const Machine &machine, const KernelShape &shape, const StepCycles &c,
                double count) {
  if (count == 0 || c.all == 0)
    return;
  double p = overlapPower(machine, shape);
  double softmax = c.exp + c.alu + c.mask, together = c.all - c.bookkeeping;
  auto weight = [&](double unit) { return std::pow(unit / together, p); };
  bool isSerial = shape.overlap == Overlap::None;
  double matrixAndSoftmax = weight(c.matrix + softmax);
  double ofMatrix =
      isSerial ? matrixAndSoftmax * c.matrix / (c.matrix + softmax) : weight(c.matrix);
  double ofSoftmax = isSerial ? matrixAndSoftmax - ofMatrix : weight(softmax);
  auto put = [&](TermKind kind, double cycles, double elasticity) {
    busy[size_t(kind)] += count * cycles;
    share[size_t(kind)] += count * together * elasticity;
  };
  put(TermKind::Matrix, c.matrix, ofMatrix);
  put(TermKind::Exp, c.exp, ofSoftmax * c.exp / softmax);
  put(TermKind::Alu, c.alu, ofSoftmax * c.alu / softmax);
  put(TermKind::Mask, c.mask, ofSoftmax * c.mask / softmax);
  put(TermKind::SharedMemory, c.shared, weight(c.shared));
  put(TermKind::L2, c.l2, weight(c.l2));
  fixed += count * c.bookkeeping;
  steps += count * together;
}

int64_t mostVisits(const Work &w) {
  int64_t most = 0;
  for (const HeadWork &group : w.groups)
    for (const TileClass &c : group.classes)
      most = std::max(most, c.visited());
  return most;
}

/// Thread blocks of a launch whose query tiles are split into so many parts, at most one a visit.
int64_t threadBlocks(const KernelShape &s, const Work &w, int64_t splits) {
  int64_t blocks = 0;
  for (const HeadWork &group : w.groups)
    for (const TileClass &c : group.classes)
      blocks += group.heads / s.packedHeads * w.batch * c.tiles *
                std::clamp<int64_t>(splits, 1, std::max<int64_t>(c.visited(), 1));
  return blocks;
}

/// The shape with as many thread blocks on a multiprocessor as there are.
KernelShape crowded(const Machine &m, KernelShape s, const Work &w, int64_t splits) {
  if (s.products == Products::OfWarpgroups) {
    s.blocksAtOnce = 1;
    return s;
  }
  int64_t blocks = threadBlocks(s, w, splits), sms = int64_t(m[Sms]);
  s.blocksAtOnce = std::clamp<int64_t>((blocks + sms - 1) / sms, 1, s.blocksAtOnce);
  return s;
}

/// A kernel on a machine, the keys of a query tile in so many parts.
class Model {
public:
  Model(const Machine &m, const KernelShape &shape, const Work &w, const System &system, int64_t parts)
      : m(m), w(w), system(system), splits(std::clamp<int64_t>(parts, 1, std::max<int64_t>(mostVisits(w), 1))),
        s(crowded(m, shape, w, splits)), plain(stepCycles(m, s, false)), masked(stepCycles(m, s, true)),
        fixed(fixedCycles(m, s)) {}

  Prediction run(Scheduling scheduling) const;
  std::vector<TileJob> tileJobs() const;

private:
  struct Steps {
    double plain, masked;
  };
  Steps stepsOf(const HeadWork &group, const TileClass &c) const;
  std::vector<Job> jobs(Spent &spent) const;
  double makespanOf(std::vector<Job> list, Scheduling scheduling) const;
  void addSplit(const TileClass &c, Steps steps, int64_t heads, std::vector<Job> &out) const;
  double ownBytes() const;
  double keyBytes(double requested) const;
  double hbmSpeed() const { return m[HbmGbs] * m[HbmEfficiency] * 1e3; } // bytes per us
  void addAround(Prediction &p) const;

  const Machine &m;
  const Work &w;
  const System &system;
  int64_t splits;
  KernelShape s;
  StepCycles plain, masked;
  double fixed;
};

Model::Steps Model::stepsOf(const HeadWork &group, const TileClass &c) const {
  bool isMasked = s.masksEveryTile && std::any_of(group.classes.begin(), group.classes.end(),
                                                  [](const TileClass &t) { return t.partial > 0; });
  return isMasked ? Steps{0, double(c.visited())} : Steps{double(c.full), double(c.partial)};
}

/// The parts of a query tile differ by one step at most; partial tiles are spread over them.
void Model::addSplit(const TileClass &c, Steps steps, int64_t heads, std::vector<Job> &out) const {
  int64_t visited = c.visited(),
          parts = std::clamp<int64_t>(splits, 1, std::max<int64_t>(visited, 1));
  double cost = steps.plain * plain.all + steps.masked * masked.all;
  int64_t tiles = c.tiles * heads * w.batch, longer = visited % parts;
  for (auto [length, count] :
       {std::pair(visited / parts + 1, longer), std::pair(visited / parts, parts - longer)})
    if (count > 0)
      out.push_back(
          {fixed + (visited ? cost * double(length) / double(visited) : 0), tiles * count});
}

std::vector<Job> Model::jobs(Spent &spent) const {
  std::vector<Job> list;
  double plainSteps = 0, maskedSteps = 0;
  for (const HeadWork &group : w.groups) {
    int64_t heads = group.heads / s.packedHeads;
    for (const TileClass &c : group.classes) {
      Steps steps = stepsOf(group, c);
      double tiles = double(c.tiles) * double(heads) * double(w.batch);
      plainSteps += tiles * steps.plain;
      maskedSteps += tiles * steps.masked;
      size_t before = list.size();
      addSplit(c, steps, heads, list);
      for (size_t i = before; i < list.size(); ++i)
        spent.fixed += fixed * double(list[i].count);
    }
  }
  spent.add(m, s, plain, plainSteps);
  spent.add(m, s, masked, maskedSteps);
  return list;
}

std::vector<TileJob> Model::tileJobs() const {
  std::vector<TileJob> list;
  std::vector<Job> parts;
  for (size_t g = 0; g < w.groups.size(); ++g)
    for (const TileClass &c : w.groups[g].classes) {
      Steps steps = stepsOf(w.groups[g], c);
      double all = steps.plain * plain.all + steps.masked * masked.all;
      double ofPlain = all > 0 ? steps.plain * plain.all / all : 0;
      parts.clear();
      addSplit(c, steps, w.groups[g].heads / s.packedHeads, parts);
      for (const Job &part : parts)
        list.push_back({g, part.count, fixed, (part.cost - fixed) * ofPlain,
                        (part.cost - fixed) * (1 - ofPlain)});
    }
  return list;
}

/// Tensors of the queries: once each. Backward: q, o, do and lse are read, dq is written in f32; dk
/// and dv of the keys are written once.
double Model::ownBytes() const {
  double b = double(bytesOf(s.precision)), d = double(s.headDim), dv = double(s.valueDim);
  double rows = double(w.batch) * double(w.heads()) * double(w.queries);
  if (s.pass == Pass::Forward)
    return rows * ((d + dv) * b + 4);
  double keys = double(w.batch) * double(w.kvHeads) * double(w.keys) * (d + dv) * b;
  return rows * ((d + 2 * dv) * b + 4 * d + 8) + keys;
}

/// Keys and values come from memory once where those of the heads that run at a time fit into half
/// of L2, else as many times as they are larger than L2; never more than are asked for.
double Model::keyBytes(double requested) const {
  double perHead = double(w.keys * (s.headDim + s.valueDim) * bytesOf(s.precision));
  double heads = double(w.batch) * double(w.kvHeads);
  double tilesOfHead = std::max(1.0, double(w.queryTiles) * double(w.heads()) / double(w.kvHeads));
  double live = std::min(heads, std::ceil(m[Sms] / tilesOfHead)) * perHead, l2 = m[L2Mb] * 1e6;
  double times = live <= l2 / 2 ? 1 : std::max(1.0, std::ceil(live / l2));
  return std::min(times * heads * perHead, std::max(requested, 0.0));
}

static double &us(Prediction &p, TermKind kind) { return p.terms[size_t(kind)].us; }

/// Kernels before and after.
void Model::addAround(Prediction &p) const {
  double b = double(bytesOf(s.precision)), d = double(s.headDim), dv = double(s.valueDim);
  double lanes = m[AluPerClock] * m[Sms] * m[ClockGhz] * 1e3; // operations per us
  double rows = double(w.batch) * double(w.heads()) * double(w.queries);
  if (p.splits > 1) {
    double bytes = 2 * rows * double(p.splits) * (dv + 1) * 4;
    us(p, TermKind::Merge) = m[LaunchUs] + bytes / hbmSpeed();
  }
  if (system.permutesTokens) {
    double keys = double(w.batch) * double(w.kvHeads) * double(w.keys);
    double elements = (rows + keys) * (d + dv);
    double moved = 2 * elements * b / hbmSpeed();
    us(p, TermKind::Permute) = std::max(moved, elements * system.permuteOps / lanes) +
                               m[LaunchUs] * (system.permutesInPlainCopies ? 4 : 2);
  }
  if (system.maskPairs > 0 || system.maskBytes > 0)
    us(p, TermKind::MaskBuild) =
        (m[LaunchUs] + std::max(system.maskPairs * system.maskPairOps / lanes,
                                2 * system.maskBytes / hbmSpeed())) /
        std::max(1.0, system.maskUses);
}

static void rank(Prediction &p) {
  auto before = [&](size_t a, size_t b) {
    const Term &x = p.terms[a], &y = p.terms[b];
    return x.share != y.share ? x.share > y.share : x.us > y.us;
  };
  std::array<size_t, kNumTerms> order;
  for (size_t i = 0; i < kNumTerms; ++i)
    order[i] = i;
  std::partial_sort(order.begin(), order.begin() + 2, order.end(), before);
  p.limiter = TermKind(order[0]);
  p.next = TermKind(order[1]);
}

/// Thread blocks that share a multiprocessor take turns: each takes as many times longer as there are.
double Model::makespanOf(std::vector<Job> list, Scheduling scheduling) const {
  if (scheduling == Scheduling::Coarse)
    list = coarsened(std::move(list), kCoarseClasses);
  for (Job &job : list)
    job.cost *= double(s.blocksAtOnce);
  int64_t workers = int64_t(m[Sms]) * s.blocksAtOnce;
  return scheduling == Scheduling::ByHeap ? makespanByHeap(std::move(list), workers, s.order)
                                          : makespan(std::move(list), workers, s.order);
}

Prediction Model::run(Scheduling scheduling) const {
  Prediction p;
  p.splits = splits;
  Spent spent;
  double cycles = makespanOf(jobs(spent), scheduling);
  double sms = m[Sms], b = double(bytesOf(s.precision)), d = double(s.headDim),
         dv = double(s.valueDim);
  double matrix = spent.busy[size_t(TermKind::Matrix)];
  double visits = w.visitedTiles() / double(s.packedHeads);
  p.requestedBytes = visits * double(s.columns) * (d + dv) * b / double(s.sharedBy);
  p.hbmBytes = ownBytes() + keyBytes(p.requestedBytes);
  double flopsOfPair = s.pass == Pass::Forward ? 2 * (d + dv) : 6 * d + 4 * dv;
  p.neededFlops = w.visiblePairs * flopsOfPair;
  p.executedFlops = visits * double(s.rows * s.columns) * flopsOfPair;

  double hbm = p.hbmBytes / hbmSpeed();
  double load = cycles > 0 ? matrix / sms / cycles : 0;
  p.clockGhz = m[ClockGhz] / (1 + m[ClockDrop] * load);
  double perUs = p.clockGhz * 1e3, computing = cycles / perUs;
  for (size_t i = 0; i < kNumTerms; ++i)
    p.terms[i].us = spent.busy[i] / sms / perUs;
  us(p, TermKind::Hbm) = hbm;
  us(p, TermKind::Fixed) = spent.fixed / sms / perUs;
  us(p, TermKind::Imbalance) = std::max(0.0, cycles - (spent.fixed + spent.steps) / sms) / perUs;
  us(p, TermKind::Launch) = m[LaunchUs];
  addAround(p);

  auto share = [&](TermKind kind) -> double & { return p.terms[size_t(kind)].share; };
  double kernel = std::max(computing, hbm);
  p.us = kernel;
  for (TermKind kind : {TermKind::Launch, TermKind::Merge, TermKind::Permute, TermKind::MaskBuild})
    p.us += share(kind) = us(p, kind);
  if (hbm > computing) {
    share(TermKind::Hbm) = hbm;
  } else {
    for (size_t i = 0; i < kNumTerms; ++i)
      p.terms[i].share += spent.share[i] / sms / perUs;
    share(TermKind::Fixed) = us(p, TermKind::Fixed);
    share(TermKind::Imbalance) = us(p, TermKind::Imbalance);
  }
  for (Term &term : p.terms)
    term.share = p.us > 0 ? term.share / p.us : 0;
  rank(p);
  return p;
}

} // namespace

Prediction predict(const Machine &machine, const KernelShape &shape, const Work &work,
                   const System &system, Scheduling scheduling) {
  auto with = [&](int64_t splits) { return Model(machine, shape, work, system, splits).run(scheduling); };
  if (shape.splits > 0)
    return with(shape.splits);
  Prediction best = with(1);
  int64_t places = int64_t(machine[Sms]) * (shape.products == Products::OfWarps ? shape.blocksAtOnce : 1);
  // Doubling: time has one minimum in the number of parts, but for waves. Where thread blocks fill the multiprocessors,
  // more only add to the merge; launches split no further either.
  for (int64_t splits = 2; splits <= mostVisits(work) && threadBlocks(shape, work, splits / 2) < places; splits *= 2)
    if (Prediction p = with(splits); p.us < best.us)
      best = p;
  return best;
}

std::vector<TileJob> tileJobs(const Machine &machine, const KernelShape &shape, const Work &work,
                              int64_t splits) {
  assert(shape.products == Products::OfWarpgroups && "one thread block at a time on a multiprocessor");
  return Model(machine, shape, work, {}, splits).tileJobs();
}

Prediction predictWithRange(const Machine &machine, const KernelShape &shape, const Work &work,
                            const System &system, Scheduling scheduling) {
  Prediction p = predict(machine, shape, work, system, scheduling);
  KernelShape fixedSplits = shape;
  fixedSplits.splits = p.splits;
  double slower = 0, faster = 0;
  for (size_t i = 0; i < kNumConstants; ++i) {
    const ConstantValue &c = machine.constants[i];
    for (double end : {c.low, c.high}) {
      if (end == c.value)
        continue;
      Machine other = machine;
      other.constants[i].value = end;
      double change = predict(other, fixedSplits, work, system).us - p.us;
      (change > 0 ? slower : faster) += change * change;
    }
  }
  p.low = std::max(0.0, p.us - std::sqrt(faster));
  p.high = p.us + std::sqrt(slower);
  return p;
}

} // namespace attn
