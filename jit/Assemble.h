//===- Assemble.h - PTX to a cubin, by ptxas ---------------------*- C++ -*-===//
#pragma once

#include "runtime/Error.h"

#include <string>
#include <string_view>

namespace attn {

/// Where ptxas is: on PATH, in the CUDA toolkit, or in the project's .venv; empty if nowhere.
std::string findPtxas();

/// Assembles the PTX for a chip ("sm_80"). An error holds what ptxas printed and the command that
/// repeats it, with the PTX kept for it.
Expected<std::string> assemble(std::string_view ptx, const std::string &chip);

} // namespace attn
