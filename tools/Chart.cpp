#include "tools/Chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace attn::tools {

double Scale::at(double value) const {
  double share = isLogarithmic ? std::log(std::max(value, low) / low) / std::log(high / low)
                               : (value - low) / (high - low);
  return from + std::clamp(share, 0.0, 1.0) * (to - from);
}

/// 1, 2 and 5 times powers of ten; every decade alone where these are too many.
static std::vector<double> logarithmicTicks(double low, double high, int most) {
  std::vector<double> list, decades;
  for (double decade = std::pow(10, std::floor(std::log10(low))); decade <= high; decade *= 10)
    for (double factor : {1.0, 2.0, 5.0})
      if (double value = decade * factor; value >= low * 0.999 && value <= high * 1.001) {
        list.push_back(value);
        if (factor == 1)
          decades.push_back(value);
      }
  return int(list.size()) <= most || decades.size() < 2 ? list : decades;
}

std::vector<double> Scale::ticks(int most) const {
  if (isLogarithmic)
    return logarithmicTicks(low, high, most);
  double rough = (high - low) / most, power = std::pow(10, std::floor(std::log10(rough)));
  double step = power;
  for (double factor : {1.0, 2.0, 5.0, 10.0})
    if (step = power * factor; step >= rough)
      break;
  std::vector<double> list;
  for (double value = std::ceil(low / step) * step; value <= high * (1 + 1e-9); value += step)
    list.push_back(std::abs(value) < step * 1e-9 ? 0 : value);
  return list;
}

std::string shortNumber(double value) {
  if (std::abs(value) >= 1e6)
    return fmt::format("{:.3g}M", value / 1e6);
  if (std::abs(value) >= 1e4)
    return fmt::format("{:.3g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

std::string escapedText(const std::string &text) {
  std::string out;
  for (char c : text)
    out += c == '&'                  ? "&amp;"
           : c == '<'                ? "&lt;"
           : c == '>'                ? "&gt;"
           : (unsigned char)c < 0x20 ? " "
                                     : std::string(1, c);
  return out;
}

Drawing::Drawing(double width, double height, const std::string &title)
    : content(fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
                          "width=\"{0:.0f}\" height=\"{1:.0f}\" role=\"img\">\n<title>{2}</title>\n",
                          width, height, escapedText(title))) {}

void Drawing::line(double x1, double y1, double x2, double y2, const char *style) {
  content += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n",
                         x1, y1, x2, y2, style);
}

void Drawing::rectangle(double x, double y, double width, double height, const char *style) {
  if (width > 0 && height > 0)
    content += fmt::format(
        "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" class=\"{}\"/>\n", x, y,
        width, height, style);
}

void Drawing::dot(double x, double y, const char *style) {
  content += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" class=\"{}\"/>\n", x, y, style);
}

void Drawing::text(double x, double y, const char *anchor, const std::string &words,
                   const char *style) {
  content += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x,
                         y, anchor, style, escapedText(words));
}

void Drawing::path(const std::vector<std::pair<double, double>> &points, const char *style) {
  std::string list;
  for (auto [x, y] : points)
    list += fmt::format("{:.1f},{:.1f} ", x, y);
  content += fmt::format("<polyline points=\"{}\" class=\"{}\"/>\n", list, style);
}

void Drawing::xAxis(const Scale &scale, double y, double top, const std::string &name, int ticks) {
  for (double value : scale.ticks(ticks)) {
    double x = scale.at(value);
    line(x, y, x, top, "grid");
    text(x, y + 16, "middle", shortNumber(value), "tick");
  }
  line(scale.from, y, scale.to, y, "axis");
  text((scale.from + scale.to) / 2, y + 34, "middle", name, "name");
}

void Drawing::yAxis(const Scale &scale, double x, double right, const std::string &name, int ticks) {
  for (double value : scale.ticks(ticks)) {
    double y = scale.at(value);
    line(x, y, right, y, "grid");
    text(x - 6, y + 4, "end", shortNumber(value), "tick");
  }
  line(x, scale.from, x, scale.to, "axis");
  text(x, scale.to - 12, "start", name, "name");
}

void Drawing::legend(double x, double y,
                     const std::vector<std::pair<const char *, std::string>> &entries) {
  constexpr double kCharacter = 7, kMark = 12, kGap = 22;
  for (const auto &[style, name] : entries) {
    rectangle(x, y - 10, kMark, kMark, style);
    text(x + kMark + 5, y, "start", name, "tick");
    x += kMark + 5 + kCharacter * double(name.size()) + kGap;
  }
}

} // namespace attn::tools
