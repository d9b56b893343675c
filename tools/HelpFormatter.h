//===- HelpFormatter.h - help that fits a screen -----------------*- C++ -*-===//
#pragma once

#include <CLI/CLI.hpp>

namespace attn::tools {

/// One line an option or verb, the example last. Every help stays within 24 lines of 100 columns.
class HelpFormatter : public CLI::Formatter {
public:
  std::string make_help(const CLI::App *app, std::string name,
                        CLI::AppFormatMode mode) const override;
};

} // namespace attn::tools
