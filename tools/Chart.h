//===- Chart.h - axes, lines and bars as SVG ---------------------*- C++ -*-===//
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace attn::tools {

/// From numbers to lengths, linear or logarithmic.
struct Scale {
  double low, high;  ///< numbers; low < high, above 0 where logarithmic
  double from, to;   ///< lengths
  bool isLogarithmic = false;
  double at(double value) const;
  /// Round numbers within the scale: at most about `most`.
  std::vector<double> ticks(int most) const;
};

/// "0.5", "20", "3k", "1.2M".
std::string shortNumber(double value);
/// Text between tags: no <, > or &, no control characters.
std::string escapedText(const std::string &text);

/// One drawing of fixed size, in the style of the page's classes. Coordinates grow to the right and
/// down.
class Drawing {
public:
  Drawing(double width, double height, const std::string &title);

  void line(double x1, double y1, double x2, double y2, const char *style);
  void rectangle(double x, double y, double width, double height, const char *style);
  void dot(double x, double y, const char *style);
  /// `anchor`: start, middle or end.
  void text(double x, double y, const char *anchor, const std::string &content,
            const char *style = "");
  void path(const std::vector<std::pair<double, double>> &points, const char *style);

  /// Lines, ticks and a name below, and left.
  void xAxis(const Scale &scale, double y, double top, const std::string &name, int ticks);
  void yAxis(const Scale &scale, double x, double right, const std::string &name, int ticks);
  /// A coloured mark with its name for each, in a row from (x, y); names are short.
  void legend(double x, double y, const std::vector<std::pair<const char *, std::string>> &entries);

  std::string finished() const { return content + "</svg>\n"; }

private:
  std::string content;
};

} // namespace attn::tools
