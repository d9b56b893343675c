#include "tools/SimulateTime.h"

#include "simulator/TileChooser.h"
#include "simulator/time/MachineFile.h"

#include "tools/BoundSpec.h"
#include "tools/NamedOrRead.h"
#include "tools/Report.h"

#include "nlohmann/json.hpp"

#include <fmt/format.h>

namespace attn::tools {

using Json = nlohmann::ordered_json;

Expected<std::optional<TimeQuestion>> timeQuestion(const SimulateOptions &options) {
  if (options.gpu.empty()) {
    for (auto [option, isThere] : {std::pair("--model", !options.model.empty()),
                                   std::pair("--pass", options.pass != "forward"),
                                   std::pair("--dense-steps", options.denseSteps.has_value()),
                                   std::pair("--target", !options.target.empty()),
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
  if (!options.target.empty()) {
    question.target = findTarget(options.target);
    if (!question.target || question.target->kind != TargetKind::Gpu)
      return makeError("'--target={}' is no GPU target", options.target).withNote("known is sm_80; absent: a kernel of the machine's own kind");
    if (!options.html.empty())
      return makeError("'--html' draws kernels of the machine's own kind").withNote("leave out '--html' or '--target'");
    if (question.pass == Pass::Backward)
      return makeError("there is no backward pass for '{}' yet", options.target)
          .withNote("without '--target=' a kernel of the machine's own kind is predicted");
  }
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

Expected<KernelShape> wholeKernelOf(AttentionOp op, const Problem &problem, const TimeQuestion &question, size_t masks) {
  if (question.target)
    return compiledShapeOf(op, problem, masks, *question.target, question.machine);
  return shapeOf(op, problem, question.pass, masks);
}

Expected<AskedKernel> kernelOf(AttentionOp op, const Problem &problem, const TimeQuestion &question, size_t masks) {
  Expected<KernelShape> shape = wholeKernelOf(op, problem, question, masks);
  if (!shape)
    return shape.takeError();
  AskedKernel kernel{*shape, {}};
  Expected<TileParts> parts = fitShape(kernel.shape, question.machine);
  if (!parts)
    return parts.takeError();
  kernel.parts = *parts;
  return kernel;
}

/// Fills in the tiles that 'attnc compile' would choose for the machine. Failure comes after a diagnostic.
static mlir::LogicalResult chooseTiles(Compilation &compilation, const TimeQuestion &question, BoundOptions &options) {
  AttentionOp op = compilation.attention();
  ProblemRequest request;
  request.queryTile = options.queryTile;
  request.keyTile = options.keyTile;
  mlir::FailureOr<TileChoice> tiles = tilesOfSpec(op, request);
  if (failed(tiles))
    return mlir::failure();
  AskedTiles asked{!options.queryTile.empty(), !options.keyTile.empty()};
  suitGpu(op, *tiles, asked, *question.target, question.machine);
  options.queryTile.assign(tiles->queryTile.begin(), tiles->queryTile.end());
  options.keyTile.assign(tiles->keyTile.begin(), tiles->keyTile.end());
  return mlir::success();
}

mlir::FailureOr<Problem> bindForMachine(Compilation &compilation, const BoundOptions &options,
                                        const TimeQuestion *question) {
  if (!question || !question->target)
    return bindSpec(compilation, options);
  BoundOptions chosen = options;
  if (failed(compilation.loadFile(options.spec)) || failed(compilation.selectKernel(options.kernel)) ||
      failed(chooseTiles(compilation, *question, chosen)))
    return mlir::failure();
  return bindKernel(compilation, chosen);
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

Work workFor(const AskedKernel &kernel, const Work &ofProblem) {
  return cutInto(ofProblem, kernel.parts.queries, kernel.parts.keys);
}

TimeAnswer answerOf(const TimeQuestion &question, const AskedKernel &kernel, const Work &work) {
  const KernelShape &shape = kernel.shape;
  TimeAnswer answer{shape, kernel.parts, {}, {}, {}, {}};
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
               {"kernel",
                {{"target", question.target ? Json(question.target->name.str()) : Json(nullptr)},
                 {"query_rows", answer.shape.rows},
                 {"keys", answer.shape.columns},
                 {"thread_blocks_per_query_tile", answer.parts.queries},
                 {"steps_per_key_tile", answer.parts.keys}}},
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
  if (question.target)
    text += fmt::format("  kernel     as compiled for {}, {} thread blocks at a time on a multiprocessor\n",
                        question.target->name.str(), answer.shape.blocksAtOnce);
  if (answer.parts.queries * answer.parts.keys > 1)
    text += fmt::format("  kernel     {} thread blocks share a query tile, a key tile takes {} steps\n",
                        answer.parts.queries, answer.parts.keys);
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
