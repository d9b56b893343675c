#include "tools/SimulateTime.h"

#include "simulator/time/MachineFile.h"

#include "tools/BoundSpec.h"
#include "tools/NamedOrRead.h"
#include "tools/Report.h"

#include "nlohmann/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace attn::tools {

using Json = nlohmann::ordered_json;

Expected<std::optional<TimeQuestion>> timeQuestion(const SimulateOptions &options) {
  if (options.gpu.empty()) {
    for (auto [option, isThere] : {std::pair("--model", !options.model.empty()),
                                   std::pair("--pass", options.pass != "forward"),
                                   std::pair("--dense-steps", options.denseSteps.has_value()),
                                   std::pair("--sweep", !options.sweep.empty()),
                                   std::pair("--html", !options.html.empty())})
      if (isThere)
        return makeError("'{}' speaks of times, which a machine decides", option)
            .withNote("add, for example, '--gpu=h100'");
    return std::optional<TimeQuestion>();
  }
  if (!options.html.empty() && !options.sweep.empty())
    return makeError("'--html' shows one configuration, and '--sweep' tries many")
        .withNote("leave out one of them");
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

/// Halves the longest extent of a key tile that nobody asked for, where a tile does not fit the
/// machine.
static bool shrinkKeyTile(const Problem &problem, const BoundOptions &options, BoundOptions &next) {
  next.keyTile.assign(problem.tiles.keyTile.begin(), problem.tiles.keyTile.end());
  next.queryTile.assign(problem.tiles.queryTile.begin(), problem.tiles.queryTile.end());
  auto longest = std::max_element(next.keyTile.begin(), next.keyTile.end());
  *longest /= 2;
  constexpr int64_t kLeast = 16;
  return options.keyTile.empty() && *longest >= 1 &&
         std::accumulate(next.keyTile.begin(), next.keyTile.end(), int64_t(1),
                         std::multiplies<>()) >= kLeast;
}

mlir::FailureOr<Problem> bindForMachine(Compilation &compilation, const BoundOptions &options,
                                        const TimeQuestion *question) {
  mlir::FailureOr<Problem> problem = bindSpec(compilation, options);
  BoundOptions next = options;
  while (succeeded(problem) && question) {
    KernelShape shape =
        shapeOf(compilation.attention(), *problem, question->pass, problem->groups.size());
    Status fits = checkShape(shape, question->machine);
    if (fits)
      break;
    if (!shrinkKeyTile(*problem, options, next))
      return fail(fits.error()), mlir::failure();
    problem = bindKernel(compilation, next);
  }
  return problem;
}

AttentionBefore attentionBefore(const TimeQuestion &question, const KernelShape &shape,
                                const Work &work, int64_t heads, double denseUs) {
  if (!question.model->causal)
    return {denseUs, question.model->sparseShareAt(work.keys, 1)};
  Work causal = causalWork(work.queries, work.keys, shape.rows, shape.columns, heads, work.kvHeads,
                           work.batch);
  double pairs = double(work.batch) * double(heads) * double(work.queries) * double(work.keys);
  double density = pairs > 0 ? causal.visiblePairs / pairs : 1;
  return {predict(question.machine, shape, causal, {}, Scheduling::ByHeap).us,
          question.model->sparseShareAt(work.keys, density)};
}

TimeAnswer answerOf(const TimeQuestion &question, const KernelShape &shape, const Work &work) {
  TimeAnswer answer{shape, {}, {}, {}, {}};
  Work dense = denseWork(work.queries, work.keys, shape.rows, shape.columns, work.heads(),
                         work.kvHeads, work.batch);
  answer.sparse = predictWithRange(question.machine, shape, work, {}, Scheduling::ByHeap);
  answer.dense = predictWithRange(question.machine, shape, dense, {}, Scheduling::ByHeap);
  if (!question.model)
    return answer;
  AttentionBefore before = attentionBefore(question, shape, work, work.heads(), answer.dense.us);
  answer.attentionShare = before.sparseShare;
  answer.endToEnd = endToEndSpeedUp(before.sparseShare, before.us / answer.sparse.us);
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

std::string microseconds(double us) {
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
