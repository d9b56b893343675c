#include "tools/SweepText.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

namespace attn::tools {

namespace {

constexpr const char *kExample = "--sweep=window=1024..8192:1024,q_tile=64|128";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// Numbers first, first + step, ... up to last.
struct Range {
  int64_t first, last, step = 1;
  int64_t size() const { return (last - first) / step + 1; }
};

constexpr int64_t kFarthest = int64_t(1) << 40;

bool parseNumber(std::string_view text, int64_t &value) {
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && code == std::errc() && end == text.data() + text.size();
}

Expected<Range> parseRange(std::string_view text, const std::string &name) {
  auto mistake = [&] {
    return makeError("'{}' is no value of {}", text, name)
        .withNote("values are numbers, ranges lo..hi or lo..hi:step, joined by 'x' for several "
                  "dimensions; for example '1..9:2' or '4x8x8|2x8x8'");
  };
  Range range{};
  size_t dots = text.find("..");
  if (!parseNumber(text.substr(0, dots), range.first))
    return mistake();
  range.last = range.first;
  if (dots != text.npos) {
    std::string_view rest = text.substr(dots + 2);
    size_t colon = rest.find(':');
    if (!parseNumber(rest.substr(0, colon), range.last) ||
        (colon != rest.npos && !parseNumber(rest.substr(colon + 1), range.step)))
      return mistake();
  }
  if (std::max(std::abs(range.first), std::abs(range.last)) >= kFarthest)
    return makeError("'{}' of {} is beyond 2^40", text, name);
  if (range.step < 1)
    return makeError("the range '{}' of {} has the step {}, but at least 1 is allowed", text, name,
                     range.step);
  if (range.last < range.first)
    return makeError("the range '{}' of {} is empty", text, name)
        .withNote("the smaller number comes first: '{}..{}'", range.last, range.first);
  return range;
}

Error tooMany(const std::string &name, int64_t most) {
  return makeError("{} has more than {} values", name, most)
      .withNote("a range may have a step: '1024..65536:1024'");
}

/// All combinations of the entries' numbers, the last one fastest.
Status addValues(std::string_view text, const std::string &name, int64_t most,
                 std::vector<std::vector<int64_t>> &values) {
  std::vector<Range> ranges;
  int64_t count = 1;
  for (std::string_view entry : split(text, 'x')) {
    Expected<Range> range = parseRange(entry, name);
    if (!range)
      return range.takeError();
    if (range->size() > most || (count *= range->size()) > most)
      return tooMany(name, most);
    ranges.push_back(*range);
  }
  if (int64_t(values.size()) + count > most)
    return tooMany(name, most);
  for (int64_t number = 0; number < count; ++number) {
    std::vector<int64_t> value(ranges.size());
    int64_t rest = number;
    for (size_t d = ranges.size(); d-- > 0; rest /= ranges[d].size())
      value[d] = ranges[d].first + rest % ranges[d].size() * ranges[d].step;
    values.push_back(std::move(value));
  }
  return {};
}

void dropRepetitions(std::vector<std::vector<int64_t>> &values) {
  std::set<std::vector<int64_t>> seen;
  std::erase_if(values, [&](const auto &value) { return !seen.insert(value).second; });
}

Expected<SweepKey> parseKey(std::string_view text, int64_t most) {
  size_t equals = text.find('=');
  if (equals == text.npos || equals == 0)
    return makeError("'{}' in '--sweep' is no KEY=VALUES", text)
        .withNote("write, for example, '{}'", kExample);
  SweepKey key{std::string(text.substr(0, equals)), {}, false};
  std::string_view values = text.substr(equals + 1);
  if (values == "all") {
    key.isAll = true;
    return key;
  }
  Expected<std::vector<std::vector<int64_t>>> list =
      parseSweepValues(std::string(values), fmt::format("'{}' in '--sweep'", key.name), most);
  if (!list)
    return list.takeError();
  key.values = std::move(*list);
  return key;
}

} // namespace

Expected<std::vector<SweepKey>> parseSweep(const std::string &text, int64_t most) {
  std::vector<SweepKey> keys;
  for (std::string_view part : split(text, ',')) {
    Expected<SweepKey> key = parseKey(part, most);
    if (!key)
      return key.takeError();
    for (const SweepKey &other : keys)
      if (other.name == key->name)
        return makeError("'{}' is twice in '--sweep'", key->name)
            .withNote("join its values by '|': '{0}=...|...'", key->name);
    keys.push_back(std::move(*key));
  }
  return keys;
}

Expected<std::vector<std::vector<int64_t>>> parseSweepValues(const std::string &text,
                                                             const std::string &name,
                                                             int64_t most) {
  std::vector<std::vector<int64_t>> values;
  for (std::string_view value : split(text, '|'))
    if (Status added = addValues(value, name, most, values); !added)
      return added.takeError();
  dropRepetitions(values);
  return values;
}

} // namespace attn::tools
