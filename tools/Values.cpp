#include "tools/Values.h"

#include "tools/Report.h"

#include <algorithm>
#include <charconv>

namespace attn::tools {

template <class Int> static std::optional<Int> parseInteger(std::string_view text) {
  Int value;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

void Values::mistake(Error e) {
  if (!error)
    error = std::move(e);
}

void Values::count(const char *option, const std::string &text, int64_t lo, int64_t hi,
                   int64_t &value) {
  if (text.empty())
    return;
  std::optional<int64_t> number = parseInteger<int64_t>(text);
  if (!number || *number < lo || *number > hi)
    return mistake(makeError("'{}' is no value for '{}': a whole number from {} to {} is wanted",
                             text, option, lo, hi));
  value = *number;
}

void Values::seed(const char *option, const std::string &text, std::optional<uint64_t> &value) {
  if (text.empty())
    return;
  value = parseInteger<uint64_t>(text);
  if (!value)
    mistake(makeError("'{}' is no value for '{}': a whole number, zero or more, is wanted", text,
                      option));
}

void Values::extents(const char *option, const std::string &text, int64_t lo,
                     std::vector<int64_t> &value) {
  if (text.empty())
    return;
  value.clear();
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find('x', begin), text.size());
    std::optional<int64_t> length =
        parseInteger<int64_t>(std::string_view(text).substr(begin, end - begin));
    if (!length || *length < lo || value.size() == 4)
      return mistake(makeError("'{}' is no value for '{}': one to four lengths of at least {} are "
                               "wanted, joined by 'x'",
                               text, option, lo)
                         .withNote("for example '{}=30x48x80'", option));
    value.push_back(*length);
    begin = end + 1;
  }
}

void Values::choice(const char *option, const std::string &text,
                    const std::vector<std::string> &allowed, std::string &value) {
  if (text.empty())
    return;
  for (const std::string &name : allowed)
    if (name == text) {
      value = text;
      return;
    }
  mistake(unknownName(fmt::format("value of '{}':", option), text, allowed));
}

/// "sm_" and a number, perhaps with a letter.
static bool isChip(std::string_view name) {
  if (!name.starts_with("sm_"))
    return false;
  name.remove_prefix(3);
  if (!name.empty() && (name.back() == 'a' || name.back() == 'f'))
    name.remove_suffix(1);
  return name.size() >= 2 && name.size() <= 3 &&
         name.find_first_not_of("0123456789") == std::string_view::npos;
}

void Values::chips(const char *option, const std::string &text, std::vector<std::string> &value) {
  if (text.empty())
    return;
  value.clear();
  if (text == "none")
    return void(value.push_back(text));
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    std::string name = text.substr(begin, end - begin);
    if (!isChip(name) || std::find(value.begin(), value.end(), name) != value.end())
      return mistake(makeError("'{}' is no value for '{}': different chips are wanted, joined by ','",
                               text, option)
                         .withNote("for example '{}=sm_80,sm_90'", option));
    value.push_back(name);
    begin = end + 1;
  }
}

void Values::format(const std::string &text, bool json, const std::vector<std::string> &allowed,
                    std::string &value) {
  if (json && !text.empty() && text != "json")
    return mistake(makeError("'--json' and '--format={}' contradict each other", text));
  choice("--format", json ? "json" : text, allowed, value);
}

} // namespace attn::tools
