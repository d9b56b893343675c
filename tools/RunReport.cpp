#include "tools/RunReport.h"

#include "runtime/LaunchChecks.h"
#include "tools/BoundSpec.h"

#include "nlohmann/json.hpp"

#include <cstdio>

namespace attn::tools {

double Outcome::tileGflops() const {
  if (!hasPeak())
    return 0;
  double pairs = double(tensors.q.shape()[0]) * double(info.heads) * double(tensors.numQueries) *
                 double(tensors.numKeys);
  double share = double(run.visitedTiles) / double(run.allTiles);
  return 2.0 * pairs * share * double(info.headDimQk + info.headDimV) / run.seconds / 1e9;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string placeText(const TensorError &error) {
  return fmt::format("[{}]: {} instead of {}", fmt::join(error.at, ", "), error.value,
                     error.expected);
}

static void printError(const char *name, const TensorError &error) {
  fmt::print("  {:<4} max error {:.2e}, {:.3f} of what is allowed\n", name, error.maxError,
             error.ratio);
  if (error.ratio > 1)
    fmt::print("       worst at {}{}\n", name, placeText(error));
}

static void printCheck(const char *what, const CheckReport &check, bool withLse) {
  fmt::print("{:<9}{}, {} of {} rows\n", what, check.ok ? "ok" : "FAILED", check.rows,
             check.allRows);
  printError("o", check.o);
  if (withLse)
    printError("lse", check.lse);
  // An RMS error is nobody's worst element.
  if (!check.ok && check.o.ratio <= 1 && check.lse.ratio <= 1)
    fmt::print("  {}\n", check.message);
}

Error comparisonError(const Outcome &out) {
  bool isCheck = out.check && !out.check->ok;
  const CheckReport &report = isCheck ? *out.check : *out.expected;
  const char *what = isCheck ? "the reference" : "what was expected";
  for (const auto &[name, error] : {std::pair("o", &report.o), std::pair("lse", &report.lse)})
    if (error->ratio > 1)
      return makeError("'{}' differs from {} by {:.1f} times what is allowed, at {}{}", name, what,
                       error->ratio, name, placeText(*error));
  return makeError("the result differs from {}: {}", what, report.message);
}

/// How fast it was; how fast the emulator computes says nothing of a kernel.
static std::string speedText(const Outcome &out) {
  if (out.device == "emulator")
    return "";
  std::string text = fmt::format(", {:.1f} GFLOP/s", out.gflops());
  if (out.hasPeak())
    text += fmt::format(", {:.0f} % of peak, {:.0f} % of the tile bound", 100 * out.ofPeak(),
                        100 * out.ofTileBound());
  return text;
}

void printText(const Outcome &out) {
  const KernelInfo &info = out.info;
  fmt::print("kernel   {}: {}, batch {}, heads {}, kv_heads {}, head_dim {}", info.name,
             dtypeName(info.dtype), info.batch, info.heads, info.kvHeads, info.headDimQk);
  if (info.headDimV != info.headDimQk)
    fmt::print(", value_dim {}", info.headDimV);
  fmt::print("\ntokens   {}", shapeText(out.tensors.tokens));
  if (info.bounded)
    fmt::print(", {} of them in token groups", out.tensors.numQueries);
  if (out.tensors.kvTokens != out.tensors.tokens)
    fmt::print(", kv_tokens {}", shapeText(out.tensors.kvTokens));
  fmt::print("\ntiles    {} of {} visited, {} of them full\n", out.run.visitedTiles,
             out.run.allTiles, out.run.fullTiles);
  if (!out.blindHeads.empty())
    fmt::print("blind    {} {} see{} no key: the output is 0 there\n",
               out.blindHeads.size() == 1 ? "head" : "heads", headsText(out.blindHeads),
               out.blindHeads.size() == 1 ? "s" : "");
  if (out.compileSeconds > 0)
    fmt::print("compile  {:.1f} ms for {}{}\n", out.compileSeconds * 1e3,
               out.isa.empty() ? info.target : out.isa,
               out.isFromCache ? ", from the cache" : "");
  if (!out.from.empty())
    fmt::print("load     {:.1f} ms, {}\n", out.loadSeconds * 1e3, out.from);
  if (out.splits > 1)
    fmt::print("splits   {} parts of the keys, merged\n", out.splits);
  std::string where = out.threads ? fmt::format("{} threads", out.threads) : out.device;
  fmt::print("run      {:.3f} ms on {}{}\n", out.run.seconds * 1e3, where, speedText(out));
  if (out.check)
    printCheck("check", *out.check, true);
  if (out.expected)
    printCheck("expected", *out.expected, false);
  if (!out.profileText.empty())
    fmt::print("\n{}", out.profileText);
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static nlohmann::json toJson(const TensorError &error) {
  return {{"max_error", error.maxError}, {"ratio", error.ratio}, {"at", error.at}};
}

static nlohmann::json toJson(const CheckReport &check, bool withLse) {
  nlohmann::json json{{"ok", check.ok}, {"rows", check.rows}, {"all_rows", check.allRows}};
  json["o"] = toJson(check.o);
  if (withLse)
    json["lse"] = toJson(check.lse);
  return json;
}

void printJson(const Outcome &out) {
  const KernelInfo &info = out.info;
  nlohmann::ordered_json json;
  json["kernel"] = info.name;
  json["dtype"] = dtypeName(info.dtype);
  json["batch"] = info.batch;
  json["heads"] = info.heads;
  json["kv_heads"] = info.kvHeads;
  json["head_dim"] = info.headDimQk;
  json["value_dim"] = info.headDimV;
  json["tokens"] = out.tensors.tokens;
  json["kv_tokens"] = out.tensors.kvTokens;
  json["tiles"] = {
      {"visited", out.run.visitedTiles}, {"full", out.run.fullTiles}, {"all", out.run.allTiles}};
  json["blind_heads"] = out.blindHeads;
  json["device"] = out.device;
  if (!out.from.empty())
    json["from"] = out.from;
  if (out.threads) {
    json["isa"] = out.isa;
    json["threads"] = out.threads;
  }
  json["splits"] = out.splits;
  json["from_cache"] = out.isFromCache;
  json["seconds"] = {{"compile", out.compileSeconds},
                     {"load", out.loadSeconds},
                     {"plan", out.planSeconds},
                     {"run", out.run.seconds}};
  json["gflops"] = out.gflops();
  if (out.hasPeak()) {
    json["peak_gflops"] = out.peakGflops;
    json["of_peak"] = out.ofPeak();
    json["of_tile_bound"] = out.ofTileBound();
  }
  if (out.check)
    json["check"] = toJson(*out.check, true);
  if (out.expected)
    json["expected"] = toJson(*out.expected, false);
  if (!out.profileJson.empty())
    json["profile"] = nlohmann::ordered_json::parse(out.profileJson);
  fmt::print("{}\n", json.dump(2));
}

} // namespace attn::tools
