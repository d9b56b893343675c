#include "tools/SimulateTime.h"

#include "runtime/File.h"
#include "simulator/time/MachineFile.h"

#include "nlohmann/json.hpp"

#include <fmt/format.h>

namespace attn::tools {

using Json = nlohmann::ordered_json;

namespace {

/// Machine and model files are small.
constexpr uint64_t kMostBytes = 1 << 20;

/// A name that is built in, or a file.
template <class T>
Expected<T> namedOrRead(const std::string &name, Expected<T> (*builtin)(const std::string &),
                        Expected<T> (*parse)(const std::string &, const std::string &)) {
  if (!name.ends_with(".json"))
    return builtin(name);
  Expected<std::string> text = readFile(name, kMostBytes);
  if (!text)
    return text.takeError();
  return parse(*text, name);
}

int64_t productOf(llvm::ArrayRef<int64_t> extents) {
  int64_t product = 1;
  for (int64_t extent : extents)
    product *= extent;
  return product;
}

Precision precisionOf(mlir::Type type) {
  if (type.isF32())
    return Precision::F32;
  if (type.isBF16())
    return Precision::BF16;
  return type.isF16() ? Precision::F16 : Precision::F8;
}

} // namespace

Expected<std::optional<TimeQuestion>> timeQuestion(const SimulateOptions &options) {
  if (options.gpu.empty()) {
    for (auto [option, isThere] : {std::pair("--model", !options.model.empty()),
                                   std::pair("--pass", options.pass != "forward"),
                                   std::pair("--dense-steps", options.denseSteps.has_value())})
      if (isThere)
        return makeError("'{}' speaks of times, which a machine decides", option)
            .withNote("add, for example, '--gpu=h100'");
    return std::optional<TimeQuestion>();
  }
  TimeQuestion question;
  Expected<Machine> machine = namedOrRead(options.gpu, builtinMachine, parseMachine);
  if (!machine)
    return machine.takeError();
  question.machine = std::move(*machine);
  question.pass = options.pass == "backward" ? Pass::Backward : Pass::Forward;
  if (options.model.empty() && options.denseSteps)
    return makeError("'--dense-steps' are steps of a model")
        .withNote("add, for example, '--model=hunyuan-video'");
  if (!options.model.empty()) {
    Expected<ModelDescription> model = namedOrRead(options.model, builtinModel, parseModel);
    if (!model)
      return model.takeError();
    question.model = std::move(*model);
    if (options.denseSteps)
      question.model->denseSteps = *options.denseSteps;
    if (question.model->denseSteps > question.model->steps)
      return makeError("'--dense-steps' is {}, but '{}' has {} steps", question.model->denseSteps,
                       question.model->name, question.model->steps);
  }
  return std::optional(std::move(question));
}

Work workOf(const Problem &problem, llvm::ArrayRef<Counts> counts) {
  Work work;
  work.batch = problem.batch;
  work.kvHeads = problem.kvHeads;
  work.queries = problem.numQueries;
  work.keys = problem.numKeys;
  work.queryTiles = problem.tiling.numQueryTiles();
  work.keyTiles = problem.tiling.numKeyTiles();
  for (auto [group, count] : llvm::zip_equal(problem.groups, counts)) {
    work.groups.push_back({int64_t(group.heads.size()), classesOf(group.map)});
    work.visiblePairs +=
        double(problem.batch) * double(group.heads.size()) * double(count.visiblePairs);
  }
  return work;
}

KernelShape shapeOf(AttentionOp op, const Problem &problem, Pass pass) {
  KernelShape shape;
  shape.pass = pass;
  shape.precision = precisionOf(op.getQuery().getType().getElementType());
  shape.rows = productOf(problem.tiles.queryTile);
  shape.columns = productOf(problem.tiles.keyTile);
  shape.headDim = op.getQuery().getType().getDimSize(3);
  shape.valueDim = op.getValue().getType().getDimSize(3);
  shape.splits = pass == Pass::Forward ? 0 : 1;
  // A launch packs the heads of one key head where their queries fit one tile and see the same
  // keys.
  int64_t perKeyHead = problem.heads / std::max<int64_t>(problem.kvHeads, 1);
  if (pass == Pass::Forward && problem.groups.size() == 1 && perKeyHead > 1 &&
      problem.numQueries * perKeyHead <= shape.rows)
    shape.packedHeads = perKeyHead;
  return shape;
}

TimeAnswer answerOf(const TimeQuestion &question, const KernelShape &shape, const Work &work) {
  TimeAnswer answer{shape, {}, {}, {}, {}};
  Work dense = denseWork(work.queries, work.keys, shape.rows, shape.columns, work.heads(),
                         work.kvHeads, work.batch);
  answer.sparse = predictWithRange(question.machine, shape, work, {}, Scheduling::ByHeap);
  answer.dense = predictWithRange(question.machine, shape, dense, {}, Scheduling::ByHeap);
  if (!question.model)
    return answer;
  double before = answer.dense.us, density = 1;
  if (question.model->causal) {
    Work causal = causalWork(work.queries, work.keys, shape.rows, shape.columns, work.heads(),
                             work.kvHeads, work.batch);
    before = predict(question.machine, shape, causal, {}, Scheduling::ByHeap).us;
    density = dense.visiblePairs > 0 ? causal.visiblePairs / dense.visiblePairs : 1;
  }
  answer.attentionShare = question.model->sparseShareAt(work.keys, density);
  answer.endToEnd = endToEndSpeedUp(*answer.attentionShare, before / answer.sparse.us);
  return answer;
}

//===----------------------------------------------------------------------===//
// Output
//===----------------------------------------------------------------------===//

static Json predictionJson(const Prediction &p) {
  Json terms = Json::object();
  for (size_t i = 0; i < kNumTerms; ++i)
    terms[nameOf(TermKind(i))] = {{"us", p.terms[i].us}, {"share", p.terms[i].share}};
  return {{"us", p.us},
          {"us_low", p.low},
          {"us_high", p.high},
          {"tflops", p.tflops()},
          {"clock_ghz", p.clockGhz},
          {"splits", p.splits},
          {"needed_flops", p.neededFlops},
          {"executed_flops", p.executedFlops},
          {"hbm_bytes", p.hbmBytes},
          {"l2_bytes", p.requestedBytes},
          {"limiter", nameOf(p.limiter)},
          {"next", nameOf(p.next)},
          {"terms", std::move(terms)},
          {"fraction_of_peak",
           {{"matrix", p.fractionOfPeak(TermKind::Matrix)},
            {"exp", p.fractionOfPeak(TermKind::Exp)},
            {"shared_memory", p.fractionOfPeak(TermKind::SharedMemory)},
            {"l2", p.fractionOfPeak(TermKind::L2)},
            {"hbm", p.fractionOfPeak(TermKind::Hbm)}}}};
}

std::string timeJson(const TimeQuestion &question, const TimeAnswer &answer) {
  Json json = {{"machine", question.machine.name},
               {"calibration", question.machine.calibration},
               {"calibrated", question.machine.isCalibrated()},
               {"pass", question.pass == Pass::Forward ? "forward" : "backward"},
               {"speed_up_over_dense", answer.speedUp()},
               {"sparse", predictionJson(answer.sparse)},
               {"dense", predictionJson(answer.dense)},
               {"model", nullptr}};
  if (question.model)
    json["model"] = {{"name", question.model->name},
                     {"dense_attention", question.model->causal ? "causal" : "full"},
                     {"sparse_share", *answer.attentionShare},
                     {"end_to_end_speed_up", *answer.endToEnd}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

static std::string microseconds(double us) {
  return us < 1e4 ? fmt::format("{:.1f} us", us) : fmt::format("{:.2f} ms", us / 1e3);
}

std::string timeText(const TimeQuestion &question, const TimeAnswer &answer) {
  const Prediction &p = answer.sparse;
  auto share = [&](TermKind kind) {
    return fmt::format("{} {:.0f} %", nameOf(kind), 100 * p[kind].share);
  };
  auto peak = [&](TermKind kind) {
    return fmt::format("{} {:.0f} %", nameOf(kind), 100 * p.fractionOfPeak(kind));
  };
  std::string text =
      fmt::format("time on {}{}, one batch of all heads, {}\n", question.machine.name,
                  question.machine.isCalibrated() ? "" : " (uncalibrated)",
                  question.pass == Pass::Forward ? "forward" : "backward");
  text += fmt::format("  predicted  {} ({} to {}), {:.0f} TFLOP/s of the visible pairs\n",
                      microseconds(p.us), microseconds(p.low), microseconds(p.high), p.tflops());
  text += fmt::format("  dense      {}: speed-up {:.2f}x\n", microseconds(answer.dense.us),
                      answer.speedUp());
  text += fmt::format("  limited by {}, next {}\n", share(p.limiter), share(p.next));
  text +=
      fmt::format("  of peak    {}, {}, {}, {}, {}\n", peak(TermKind::Matrix), peak(TermKind::Exp),
                  peak(TermKind::SharedMemory), peak(TermKind::L2), peak(TermKind::Hbm));
  if (question.model)
    text += fmt::format("  {}: {:.2f}x end to end, {:.1f} % of its time becomes sparse attention\n",
                        question.model->name, *answer.endToEnd, 100 * *answer.attentionShare);
  return text;
}

} // namespace attn::tools
