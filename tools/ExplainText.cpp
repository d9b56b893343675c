#include "tools/BoundSpec.h"
#include "tools/Explanation.h"
#include "tools/ShowFormats.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

namespace attn::tools {

namespace {

constexpr size_t kColumns = 100, kLabel = 12;

/// Characters, not bytes.
size_t widthOf(std::string_view text) {
  size_t width = 0;
  for (char c : text)
    width += (c & 0xc0) != 0x80;
  return width;
}

/// Words after `line`, in lines of at most kColumns; those after the first begin at `margin`.
std::string wrapped(std::string line, const std::string &text, size_t margin) {
  std::string lines;
  bool fresh = true;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find(' ', begin), text.size());
    std::string word = text.substr(begin, end - begin);
    if (!fresh && widthOf(line) + 1 + widthOf(word) > kColumns) {
      lines += line + "\n";
      line = std::string(margin, ' ');
      fresh = true;
    }
    line += (fresh ? "" : " ") + word;
    fresh = false;
    begin = end + 1;
  }
  return lines + line + "\n";
}

/// "  visits    key tiles ..": text beside a label.
std::string paragraph(const std::string &label, const std::string &text, size_t hanging = 0) {
  std::string start = "  " + label;
  start += std::string(kLabel - std::min(widthOf(start), kLabel), ' ');
  return wrapped(start, text, kLabel + hanging);
}

std::string indented(const std::string &start, const std::string &text) {
  return wrapped(start, text, start.size());
}

class Writer {
public:
  explicit Writer(const Explanation &explanation) : e(explanation) {}

  std::string run() {
    std::string text = title();
    for (const Fact &fact : e.words)
      text += indented("  ", fact.text);
    for (size_t i = 0; i < e.groups.size(); ++i)
      text += groupText(i);
    if (e.groups.size() > 1 && e.total)
      text += "\nall heads together\n" + workText(*e.total, "");
    text += codeText();
    text += list("made at every launch", e.atLaunch);
    text += list("computed by the kernel", e.inKernel);
    return text + list("never computed", e.never);
  }

private:
  static std::string extents(llvm::ArrayRef<int64_t> values) {
    return fmt::format("{}", fmt::join(values, "x"));
  }

  std::string title() const {
    std::string text =
        fmt::format("kernel {}: tokens {}", readable(e.kernel), layoutText(e.tokens));
    if (e.kvTokens != e.tokens)
      text += ", keys " + layoutText(e.kvTokens);
    text += fmt::format(", {} head{}", e.heads, e.heads == 1 ? "" : "s");
    if (e.kvHeads != e.heads)
      text += fmt::format(" on {} key head{}", e.kvHeads, e.kvHeads == 1 ? "" : "s");
    text += fmt::format(", query tile {}, key tile {}", extents(e.queryTile), extents(e.keyTile));
    if (e.batchEntry)
      text += fmt::format(", batch entry {}", *e.batchEntry);
    return wrapped("", text, 4);
  }

  //===--- One mask ---===//

  std::string groupText(size_t number) const {
    const GroupFact &group = e.groups[number];
    std::string text = "\n" + wrapped("", headsTitle(group.heads) + ": " + readable(group.mask), 4);
    if (const GroupFact *same = alike(number))
      text += paragraph("sees", "and visits by the formulas of " + headsTitle(same->heads));
    else
      text += seesText(group) + visitsText(group);
    for (const Fact &note : group.notes)
      text += paragraph(note.id == "span" ? "with" : "note", note.text, 2);
    if (group.counts)
      text += workText(*group.counts, group.seesNothing ? "" : listText(*group.list));
    else
      text += paragraph(
          "work", fmt::format("counts need the number of tokens: give it with '{}'", e.binding));
    for (const Fact &gap : group.gaps)
      text += paragraph("≈", gap.text);
    return text;
  }

  /// An earlier group with the same formulas, where these have names in place of what differs.
  const GroupFact *alike(size_t number) const {
    const GroupFact &group = e.groups[number];
    for (const GroupFact &other : llvm::ArrayRef(e.groups).take_front(number))
      if (!other.atoms.empty() && other.truth == group.truth && other.atoms == group.atoms &&
          other.visits == group.visits)
        return &other;
    return nullptr;
  }

  static std::string headsTitle(llvm::ArrayRef<int64_t> heads) {
    return (heads.size() > 1 ? "heads " : "head ") + headsText(heads);
  }

  std::string seesText(const GroupFact &group) const {
    if (group.seesNothing)
      return paragraph("sees", "no key: its output is 0 and its lse -inf");
    if (group.atoms.empty() || group.truth == "every key")
      return paragraph("sees", "every key");
    if (group.atoms.size() > kMostAtoms)
      return paragraph("sees",
                       fmt::format("key k by a formula of {} intervals: '--json' lists them",
                                   group.atoms.size()));
    bool isAlone = group.atoms.size() == 1 && group.truth == group.atoms[0].name;
    if (isAlone && group.atoms[0].rules.size() > 1)
      return dimensionsText(group.atoms[0]);
    if (isAlone)
      return paragraph("sees", "key k when " + atomText(group.atoms[0]), 2);
    std::string text = paragraph("sees", "key k when " + group.truth, 2);
    for (const AtomFact &atom : group.atoms)
      text += paragraph("", fmt::format("  {}: {}", atom.name, atomText(atom)), 5);
    return text;
  }

  /// A box, a line for each dimension.
  static std::string dimensionsText(const AtomFact &atom) {
    std::string text = paragraph("sees", "key k when");
    for (const std::string &rule : atom.rules)
      text += paragraph("", "  " + rule, 6);
    return atom.words.empty() ? text : text + paragraph("", "  (" + atom.words + ")", 3);
  }

  static std::string atomText(const AtomFact &atom) {
    return atom.rule + (atom.words.empty() ? "" : " (" + atom.words + ")");
  }

  std::string visitsText(const GroupFact &group) const {
    if (group.seesNothing)
      return "";
    if (!group.visits.why.empty())
      return paragraph("visits",
                       fmt::format("no formula says which key tiles: {}; the launch makes a "
                                   "list",
                                   group.visits.why));
    std::string text;
    for (const std::vector<RangeFact> &range : group.visits.ranges)
      for (size_t d = 0; d < range.size(); ++d) {
        std::string where = range.size() > 1 ? fmt::format("dimension {}: ", d) : "";
        bool isNext = d == 0 && !text.empty();
        text += paragraph(text.empty() ? "visits" : "",
                          where + (isNext ? "then " : "") + tilesText(range[d]), 4);
      }
    return text + paragraph("", "checked on " + group.visits.checked);
  }

  /// "key tiles max(0, T - 32) to T, keys max(0, 128*T - 4095) to 128*T + 127"
  static std::string tilesText(const RangeFact &range) {
    if (range.isEverything)
      return "every key tile";
    return span("key tile", range.begin, range.last) + ", " +
           span("key", range.keyBegin, range.keyLast);
  }

  static std::string span(const char *what, const std::string &first, const std::string &last) {
    return first == last ? fmt::format("{} {}", what, first)
                         : fmt::format("{}s {} to {}", what, first, last);
  }

  static std::string listText(const ListFact &list) {
    std::string count = list.least == list.most ? fmt::format("{}", list.most)
                                                : fmt::format("{} to {}", list.least, list.most);
    return fmt::format("listed as {} range{} for a query tile, {} bytes in all", count,
                       list.most == 1 ? "" : "s, full and partial ones apart,",
                       grouped(list.bytes));
  }

  static std::string percent(int64_t part, int64_t whole) {
    return fmt::format("{:.1f} %", whole ? 100 * double(part) / double(whole) : 0.0);
  }

  static std::string boundText(double bound) {
    return std::isfinite(bound) ? fmt::format("{:.2f}x", bound) : "nothing to do";
  }

  static std::string workText(const Counts &counts, const std::string &listed) {
    const TileCounts &tiles = counts.tiles;
    const char *about = counts.exact ? "" : "≈ ", *aboutPairs = counts.exactPairs ? "" : "≈ ";
    int64_t partial = tiles.visited - tiles.full;
    std::string text = fmt::format("{}{} of {} tiles visited ({})", about, grouped(tiles.visited),
                                   grouped(tiles.all), percent(tiles.visited, tiles.all));
    if (tiles.visited > 0)
      text +=
          fmt::format(": {}{} full, {}{} partial ({} of the visited)", about, grouped(tiles.full),
                      about, grouped(partial), percent(partial, tiles.visited));
    std::string all = paragraph("work", text);
    all += paragraph("", fmt::format("{}{:.4g} % of the pairs are visible{}", aboutPairs,
                                     100 * counts.density(), listed.empty() ? "" : "; " + listed));
    return all + paragraph("bounds", fmt::format("{}flop {}, "
                                                 "tile_mean {}, tile_worst {}",
                                                 counts.exact && counts.exactPairs ? "" : "≈ ",
                                                 boundText(counts.flopBound()),
                                                 boundText(counts.tileMeanBound()),
                                                 boundText(counts.tileWorstBound())));
  }

  //===--- The kernel ---===//

  std::string codeText() const {
    size_t masks = 0;
    for (const CodeFact &code : e.code)
      masks += code.heads.size();
    if (masks < 2)
      return "";
    std::string text = fmt::format("\n{} masks, {} piece{} of code\n", masks, e.code.size(),
                                   e.code.size() == 1 ? "" : "s");
    for (const CodeFact &code : e.code)
      text += indented("  - ", codeLine(code));
    return text;
  }

  /// "heads 0..3 with 1023; head 4 with 255: one code, they differ in constants alone"
  static std::string codeLine(const CodeFact &code) {
    std::string line;
    for (size_t i = 0; i < code.heads.size(); ++i) {
      if (i == kMostConstants && code.heads.size() > kMostConstants + 1) {
        line += fmt::format("; and {} more", code.heads.size() - i);
        break;
      }
      bool several = code.heads[i].find_first_of(".,") != std::string::npos;
      line +=
          fmt::format("{}{} {}{}", line.empty() ? "" : "; ", several ? "heads" : "head",
                      code.heads[i], code.constants[i].empty() ? "" : " with " + code.constants[i]);
    }
    if (code.heads.size() == 1)
      return line;
    bool differ = code.constants.front() != "";
    return line + ": one code" + (differ ? ", they differ in constants alone" : "");
  }

  static std::string list(const char *title, const std::vector<Fact> &facts) {
    std::string text = fmt::format("\n{}\n", title);
    for (const Fact &fact : facts)
      text += indented("  - ", fact.text);
    return text;
  }

  static constexpr size_t kMostAtoms = 12, kMostConstants = 6;
  const Explanation &e;
};

} // namespace

std::string explanationText(const Explanation &explanation) { return Writer(explanation).run(); }

} // namespace attn::tools
