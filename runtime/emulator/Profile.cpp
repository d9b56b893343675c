//===- Profile.cpp --------------------------------------------------------===//
#include "runtime/emulator/Profile.h"

#include "runtime/emulator/Types.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace attn::emulator {

void InstProfile::add(const InstProfile &other) {
  executed += other.executed;
  lanes += other.lanes;
  sharedBytes += other.sharedBytes;
  wavefronts += other.wavefronts;
  leastWavefronts += other.leastWavefronts;
  globalBytes += other.globalBytes;
  requests += other.requests;
  sectors += other.sectors;
  leastSectors += other.leastSectors;
  asyncBytes += other.asyncBytes;
}

/// The most different words that `lanes` want of one bank.
static uint64_t mostOfABank(const uint64_t *offsets, uint32_t lanes, uint32_t bytes) {
  constexpr unsigned kBanks = 32;
  uint32_t words[kBanks][kBanks];
  uint8_t counts[kBanks] = {};
  unsigned most = 0;
  for (; lanes != 0; lanes &= lanes - 1) {
    uint64_t offset = offsets[std::countr_zero(lanes)];
    uint32_t last = static_cast<uint32_t>((offset + bytes - 1) / 4);
    for (uint32_t word = static_cast<uint32_t>(offset / 4); word <= last; ++word) {
      uint32_t *ofBank = words[word % kBanks];
      uint8_t &count = counts[word % kBanks];
      if (std::find(ofBank, ofBank + count, word) == ofBank + count)
        ofBank[count++] = word;
      most = std::max<unsigned>(most, count);
    }
  }
  return most;
}

void InstProfile::addShared(const uint64_t *offsets, uint32_t mask, uint32_t bytes) {
  sharedBytes += uint64_t(std::popcount(mask)) * bytes;
  const unsigned together = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
  const uint32_t group = together == 32 ? 0xffffffff : (1u << together) - 1;
  for (unsigned first = 0; first < 32; first += together) {
    uint32_t lanes = mask & group << first;
    if (lanes == 0)
      continue;
    wavefronts += mostOfABank(offsets, lanes, bytes);
    ++leastWavefronts;
  }
}

/// How many different values the lanes have.
static uint64_t countDistinct(uint64_t *values, unsigned count) {
  if (!std::is_sorted(values, values + count))
    std::sort(values, values + count);
  return static_cast<uint64_t>(std::unique(values, values + count) - values);
}

void InstProfile::addGlobal(const uint64_t *addresses, uint32_t mask, uint32_t bytes) {
  constexpr uint64_t kSector = 32;
  uint64_t places[32], sectorsOf[32];
  unsigned count = 0;
  for (uint32_t lanes = mask; lanes != 0; lanes &= lanes - 1) {
    uint64_t address = addresses[std::countr_zero(lanes)];
    places[count] = address;
    sectorsOf[count++] = address / kSector;
  }
  ++requests;
  globalBytes += uint64_t(count) * bytes;
  sectors += countDistinct(sectorsOf, count);
  leastSectors += (countDistinct(places, count) * bytes + kSector - 1) / kSector;
}

void InstProfile::addAsync(const uint64_t *offsets, uint32_t mask, uint32_t bytes) {
  addShared(offsets, mask, bytes);
  asyncBytes += uint64_t(std::popcount(mask)) * bytes;
}

InstProfile Profile::total() const {
  InstProfile total;
  for (const Line &line : lines)
    total.add(line.counts);
  return total;
}

static double ratio(uint64_t a, uint64_t b) { return b == 0 ? 0 : double(a) / double(b); }

static void writeClasses(fmt::memory_buffer &out, const Profile &profile) {
  auto at = std::back_inserter(out);
  std::vector<size_t> classes;
  for (size_t i = 0; i < kInstClasses; ++i)
    if (profile.counters.instructions[i] != 0)
      classes.push_back(i);
  const auto &counts = profile.counters.instructions;
  std::sort(classes.begin(), classes.end(),
            [&](size_t a, size_t b) { return std::pair(counts[b], a) < std::pair(counts[a], b); });
  fmt::format_to(at, "  {:<14} {:>14} {:>7}\n", "class", "instructions", "share");
  for (size_t i : classes)
    fmt::format_to(at, "  {:<14} {:>14} {:>6.1f}%\n", instClassName(InstClass(i)), counts[i],
                   100 * ratio(counts[i], profile.counters.total()));
}

/// The lines for which `cost` is not zero, the costliest first.
template <class F>
static std::vector<const Profile::Line *> costliest(const Profile &profile, size_t most, F cost) {
  std::vector<const Profile::Line *> lines;
  for (const Profile::Line &line : profile.lines)
    if (cost(line.counts) != 0)
      lines.push_back(&line);
  std::sort(lines.begin(), lines.end(), [&](const auto *a, const auto *b) {
    return std::pair(cost(b->counts), a->line) < std::pair(cost(a->counts), b->line);
  });
  if (lines.size() > most)
    lines.resize(most);
  return lines;
}

std::string Profile::text(size_t mostLines) const {
  fmt::memory_buffer out;
  auto at = std::back_inserter(out);
  const InstProfile all = total();
  fmt::format_to(at, "kernel '{}', {} blocks of {} warps\n", kernel, blocks, warps);
  fmt::format_to(at, "{} warp instructions, {} lane instructions ({:.1f} lanes each)\n",
                 counters.total(), counters.laneInstructions,
                 ratio(counters.laneInstructions, counters.total()));
  writeClasses(out, *this);
  fmt::format_to(at, "shared memory: {} bytes, {} wavefronts, {} of them bank conflicts\n",
                 all.sharedBytes, all.wavefronts, all.conflicts());
  auto conflicting =
      costliest(*this, mostLines, [](const InstProfile &p) { return p.conflicts(); });
  if (!conflicting.empty())
    fmt::format_to(at, "  {:>6} {:>12} {:>12} {:>9}\n", "line", "wavefronts", "conflicts",
                   "per inst");
  for (const Line *line : conflicting)
    fmt::format_to(at, "  {:>6} {:>12} {:>12} {:>9.2f}  {}\n", line->line, line->counts.wavefronts,
                   line->counts.conflicts(), ratio(line->counts.wavefronts, line->counts.executed),
                   line->text);
  fmt::format_to(
      at,
      "global memory: {} bytes in {} requests, {} sectors of 32 bytes ({:.2f} a request); "
      "cp.async {} bytes\n",
      all.globalBytes, all.requests, all.sectors, ratio(all.sectors, all.requests), all.asyncBytes);
  auto moving = costliest(*this, mostLines, [](const InstProfile &p) { return p.sectors; });
  if (!moving.empty())
    fmt::format_to(at, "  {:>6} {:>12} {:>9} {:>9} {:>9}\n", "line", "sectors", "per req.",
                   "at least", "B/lane");
  for (const Line *line : moving)
    fmt::format_to(at, "  {:>6} {:>12} {:>9.2f} {:>9.2f} {:>9.1f}  {}{}\n", line->line,
                   line->counts.sectors, ratio(line->counts.sectors, line->counts.requests),
                   ratio(line->counts.leastSectors, line->counts.requests),
                   ratio(line->counts.globalBytes, line->counts.lanes), line->text,
                   line->counts.coalesced() ? "" : "  (not coalesced)");
  return fmt::to_string(out);
}

static std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      result += c;
  }
  return result + '"';
}

/// `"name":1,..` of what is not zero, after `executed` and `lanes`.
static std::string members(const InstProfile &p) {
  std::string text = fmt::format("\"executed\":{},\"lanes\":{}", p.executed, p.lanes);
  if (p.wavefronts != 0)
    text += fmt::format(",\"sharedBytes\":{},\"wavefronts\":{},\"leastWavefronts\":{}",
                        p.sharedBytes, p.wavefronts, p.leastWavefronts);
  if (p.requests != 0)
    text += fmt::format(",\"globalBytes\":{},\"requests\":{},\"sectors\":{},\"leastSectors\":{}",
                        p.globalBytes, p.requests, p.sectors, p.leastSectors);
  if (p.asyncBytes != 0)
    text += fmt::format(",\"asyncBytes\":{}", p.asyncBytes);
  return text;
}

std::string Profile::json() const {
  std::string classes, instructions;
  for (size_t i = 0; i < kInstClasses; ++i)
    if (counters.instructions[i] != 0)
      classes += fmt::format("{}{}:{}", classes.empty() ? "" : ",",
                             quoted(instClassName(InstClass(i))), counters.instructions[i]);
  for (const Line &line : lines)
    instructions += fmt::format("{}{{\"line\":{},\"text\":{},\"class\":{},{}}}",
                                instructions.empty() ? "" : ",", line.line, quoted(line.text),
                                quoted(instClassName(line.instClass)), members(line.counts));
  return fmt::format("{{\"kernel\":{},\"blocks\":{},\"warpsPerBlock\":{},\"instructions\":{{{}}},"
                     "\"laneInstructions\":{},\"total\":{{{}}},\"lines\":[{}]}}",
                     quoted(kernel), blocks, warps, classes, counters.laneInstructions,
                     members(total()), instructions);
}

} // namespace attn::emulator
