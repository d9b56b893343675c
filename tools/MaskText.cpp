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
    bool nested = isa<AndAttr, OrAttr>(operand);
    text += text.empty() ? "" : fmt::format(" {} ", connective);
    text += nested ? "(" + maskText(operand) + ")" : maskText(operand);
  }
  return text;
}

static std::string windowText(WindowAttr window) {
  if (window.getLeft() == window.getRight())
    return fmt::format("window({})", window.getLeft() + 1);
  return fmt::format("window(left = {}, right = {})", window.getLeft(), window.getRight());
}

static std::string neighborhoodText(NeighborhoodAttr mask) {
  auto list = [](llvm::ArrayRef<int64_t> values) {
    return fmt::format("[{}]", fmt::join(values, ", "));
  };
  std::string text = "neighborhood(window = " + list(mask.getWindow());
  for (auto [name, values] :
       {std::pair("stride", mask.getStride()), {"dilation", mask.getDilation()}})
    if (llvm::any_of(values.asArrayRef(), [](int64_t value) { return value != 1; }))
      text += fmt::format(", {} = {}", name, list(values));
  if (llvm::is_contained(mask.getCausal().asArrayRef(), true))
    text += fmt::format(", causal = [{}]", fmt::join(mask.getCausal().asArrayRef(), ", "));
  return text + ")";
}

std::string maskText(Attribute mask) {
  return llvm::TypeSwitch<Attribute, std::string>(mask)
      .Case([](AllAttr) { return "all"; })
      .Case([](CausalAttr m) { return m.getTopLeft() ? "causal(top_left)" : "causal"; })
      .Case([](WindowAttr m) { return windowText(m); })
      .Case([](SinkAttr m) { return fmt::format("sink({})", m.getCount()); })
      .Case([](PrefixAttr m) {
        return m.getInput() ? fmt::format("prefix({})", m.getInput().getValue().str())
                            : fmt::format("prefix({})", m.getCount());
      })
      .Case([](SameAttr m) { return fmt::format("same({})", m.getInput().getValue().str()); })
      .Case([](InputAttr m) { return fmt::format("from({})", m.getInput().getValue().str()); })
      .Case([](NeighborhoodAttr m) { return neighborhoodText(m); })
      .Case([](AndAttr m) { return joined(m.getOperands(), "&"); })
      .Case([](OrAttr m) { return joined(m.getOperands(), "|"); })
      .Case([](NotAttr m) {
        bool nested = isa<AndAttr, OrAttr>(m.getOperand());
        return nested ? "!(" + maskText(m.getOperand()) + ")" : "!" + maskText(m.getOperand());
      });
}

} // namespace attn::tools
