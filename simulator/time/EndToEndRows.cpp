#include "simulator/time/EndToEndRows.h"

#include "simulator/time/PublishedRows.h"

#include <charconv>

namespace attn {

static constexpr std::string_view kPrefix = "attention ";

bool isEndToEndRow(const std::string &name) { return name.starts_with(kPrefix); }

/// The next word, off the front of `text`.
static std::string_view takeWord(std::string_view &text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

static Status parseWord(std::string_view word, EndToEndRow &row) {
  if (word == "causal") {
    row.isCausal = true;
    return {};
  }
  constexpr int64_t kMost = int64_t(1) << 30;
  for (auto [key, field] : {std::pair("tokens", &row.tokens), std::pair("heads", &row.heads),
                            std::pair("head_dim", &row.headDim), std::pair("kv_heads", &row.kvHeads),
                            std::pair("batch", &row.batch)}) {
    if (!word.starts_with(std::string(key) + "="))
      continue;
    std::string_view number = word.substr(std::string_view(key).size() + 1);
    auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), *field);
    if (code == std::errc() && end == number.data() + number.size() && *field >= 1 && *field <= kMost)
      return {};
    return makeError("'{}' of an end-to-end row is '{}', but 1 to {} are allowed", key, number, kMost);
  }
  return makeError("unknown word '{}' in an end-to-end row", word)
      .withNote("a row is called, for example, 'attention tokens=4096 heads=16 head_dim=128 "
                "kv_heads=4 batch=2 causal'");
}

Expected<EndToEndRow> parseEndToEndRow(const std::string &name) {
  EndToEndRow row;
  std::string_view rest = std::string_view(name).substr(kPrefix.size());
  for (std::string_view word = takeWord(rest); !word.empty(); word = takeWord(rest))
    if (Status parsed = parseWord(word, row); !parsed)
      return parsed.takeError();
  if (row.kvHeads == 0)
    row.kvHeads = row.heads;
  if (row.tokens == 0 || row.heads == 0 || row.headDim == 0)
    return makeError("the end-to-end row '{}' lacks tokens=, heads= or head_dim=", name);
  if (row.heads % row.kvHeads != 0)
    return makeError("the end-to-end row '{}' has {} heads, no multiple of its {} kv_heads", name,
                     row.heads, row.kvHeads);
  constexpr int64_t kMostHeadDim = 512;
  if (row.headDim > kMostHeadDim)
    return makeError("the end-to-end row '{}' has head_dim {}, but at most {} is allowed", name,
                     row.headDim, kMostHeadDim);
  return row;
}

double predictRow(const Machine &machine, const EndToEndRow &row) {
  KernelShape shape = flashAttention3(row.headDim, row.isCausal);
  auto make = row.isCausal ? causalWork : denseWork;
  Work work = make(row.tokens, row.tokens, shape.rows, shape.columns, row.heads, row.kvHeads,
                   row.batch);
  return predict(machine, shape, work).us;
}

std::vector<Measurement> publishedRows() {
  std::vector<Measurement> rows;
  for (const FlashAttentionRow &row : flashAttentionRows()) {
    if (row.isExtra())
      continue;
    Work work = workOf(row);
    rows.push_back({fmt::format("attention tokens={} heads={} head_dim={} batch={}{}", row.tokens,
                                work.kvHeads, row.headDim, work.batch, row.causal ? " causal" : ""),
                    flopsOf(row) / row.tflops / 1e6});
  }
  return rows;
}

} // namespace attn
