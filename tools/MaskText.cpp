#include "tools/MaskText.h"

#include "dialect/Attn.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace mlir;

namespace attn::tools {

static std::string joined(llvm::ArrayRef<Attribute> operands, const char *connective) {
  std::string text;
  for (Attribute operand : operands) {
    bool nested = isa<AndAttr, OrAttr, WhereAttr>(operand);
    text += text.empty() ? "" : fmt::format(" {} ", connective);
    text += nested ? "(" + maskText(operand) + ")" : maskText(operand);
  }
  return text;
}

static std::string causalText(CausalAttr mask) {
  if (mask.getDim() >= 0)
    return fmt::format("causal(dim = {})", mask.getDim());
  return mask.getTopLeft() ? "causal(top_left)" : "causal";
}

static std::string windowText(WindowAttr window) {
  std::string dilation =
      window.getDilation() > 1 ? fmt::format(", dilation = {}", window.getDilation()) : "";
  if (window.getLeft() == window.getRight())
    return fmt::format("window({}{})", window.getLeft() + 1, dilation);
  return fmt::format("window(left = {}, right = {}{})", window.getLeft(), window.getRight(),
                     dilation);
}

/// "keys(first = 5, count = 4)".
static std::string rangeText(const char *kind, int64_t first, int64_t count) {
  return first == 0 ? fmt::format("{}(count = {})", kind, count)
                    : fmt::format("{}(first = {}, count = {})", kind, first, count);
}

template <class Range> static std::string rangeText(const char *kind, Range mask) {
  return mask.getGroup() ? fmt::format("{}({})", kind, mask.getGroup().getValue().str())
                         : rangeText(kind, mask.getFirst(), mask.getCount());
}

static std::string list(llvm::ArrayRef<int64_t> values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

static std::string blockText(BlockAttr mask) {
  bool shifted =
      llvm::any_of(mask.getOffset().asArrayRef(), [](int64_t value) { return value != 0; });
  return fmt::format("block({}{})", list(mask.getSize()),
                     shifted ? ", offset = " + list(mask.getOffset()) : "");
}

/// "document", or "of_queries, of_keys".
template <class Mask> static std::string inputsText(Mask mask) {
  std::string text = mask.getInput().getValue().str();
  return mask.getKeyInput() ? text + ", " + mask.getKeyInput().getValue().str() : text;
}

static std::string classesText(ClassesAttr mask) {
  std::string rows;
  llvm::ArrayRef<bool> allow = mask.getAllow();
  for (int64_t row = 0; row < mask.getCount(); ++row) {
    auto cells = llvm::map_range(allow.slice(row * mask.getCount(), mask.getCount()),
                                 [](bool shown) { return shown ? 1 : 0; });
    rows += fmt::format("{}[{}]", row ? ", " : "",
                        fmt::join(std::vector<int>(cells.begin(), cells.end()), ", "));
  }
  return fmt::format("classes({}, allow = [{}])", inputsText(mask), rows);
}

static std::string blocksText(BlocksAttr mask) {
  std::string inputs = mask.getRows().getValue().str();
  if (mask.getKeys())
    inputs += ", " + mask.getKeys().getValue().str();
  return fmt::format("blocks({}, size = {})", inputs, mask.getSize());
}

/// What a plan says of one head; a spec names the plan.
static std::string spanText(SpanAttr mask) {
  std::string text = fmt::format("span(alpha = {}, beta = {}", mask.getAlpha().getValueAsDouble(),
                                 mask.getBeta().getValueAsDouble());
  return text +
         (mask.getNewTokens() ? fmt::format(", max_new_tokens = {})", mask.getNewTokens()) : ")");
}

/// The kernel's item and the mask inside the sequences.
static std::string packedText(PackedAttr mask) {
  std::string queries = mask.getQueries().getValue().str(), keys = mask.getKeys().getValue().str();
  return fmt::format("packed {} mask {}",
                     queries == keys ? queries : "(" + queries + ", " + keys + ")",
                     maskText(mask.getMask()));
}

static std::string neighborhoodText(NeighborhoodAttr mask) {
  std::string text = "neighborhood(window = " + list(mask.getWindow());
  for (auto [name, values] :
       {std::pair("stride", mask.getStride()), {"dilation", mask.getDilation()}})
    if (llvm::any_of(values.asArrayRef(), [](int64_t value) { return value != 1; }))
      text += fmt::format(", {} = {}", name, list(values));
  if (llvm::is_contained(mask.getCausal().asArrayRef(), true))
    text += fmt::format(", causal = [{}]", fmt::join(mask.getCausal().asArrayRef(), ", "));
  if (mask.getBorder() != Border::Shift)
    text += mask.getBorder() == Border::Clip ? ", border = clip" : ", border = zero";
  return text + ")";
}

std::string maskText(Attribute mask) {
  return llvm::TypeSwitch<Attribute, std::string>(mask)
      .Case([](AllAttr) { return "all"; })
      .Case([](CausalAttr m) { return causalText(m); })
      .Case([](WindowAttr m) { return windowText(m); })
      .Case([](SinkAttr m) { return fmt::format("sink({})", m.getCount()); })
      .Case([](PrefixAttr m) {
        return m.getInput() ? fmt::format("prefix({})", m.getInput().getValue().str())
                            : fmt::format("prefix({})", m.getCount());
      })
      .Case([](KeysAttr m) { return rangeText("keys", m); })
      .Case([](QueriesAttr m) { return rangeText("queries", m); })
      .Case([](GlobalAttr m) {
        return m.getFirst() ? rangeText("global", m.getFirst(), m.getCount())
                            : fmt::format("global({})", m.getCount());
      })
      .Case([](StridedAttr m) { return fmt::format("strided({})", m.getStride()); })
      .Case([](FixedAttr m) { return fmt::format("fixed({}, {})", m.getStride(), m.getCount()); })
      .Case([](BlockAttr m) { return blockText(m); })
      .Case([](SpanAttr m) { return spanText(m); })
      .Case([](SpansAttr) { return "spans"; })
      .Case([](SameAttr m) { return fmt::format("same({})", inputsText(m)); })
      .Case([](ClassesAttr m) { return classesText(m); })
      .Case([](BlocksAttr m) { return blocksText(m); })
      .Case([](WhereAttr m) { return m.getText().str(); })
      .Case([](PackedAttr m) { return packedText(m); })
      .Case([](InputAttr m) { return fmt::format("from({})", m.getInput().getValue().str()); })
      .Case([](NeighborhoodAttr m) { return neighborhoodText(m); })
      .Case([](AndAttr m) { return joined(m.getOperands(), "&"); })
      .Case([](OrAttr m) { return joined(m.getOperands(), "|"); })
      .Case([](NotAttr m) {
        bool nested = isa<AndAttr, OrAttr, WhereAttr>(m.getOperand());
        return nested ? "!(" + maskText(m.getOperand()) + ")" : "!" + maskText(m.getOperand());
      });
}

} // namespace attn::tools
