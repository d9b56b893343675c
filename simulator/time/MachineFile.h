//===- MachineFile.h - machines as JSON --------------------------*- C++ -*-===//
//
//   { "name": "mine", "base": "h100",
//     "constants": { "sms": 114,
//                    "clock_ghz": { "value": 1.755, "low": 1.4, "high": 1.755, "source": "..." } }
//                    }
//
// With "base", a machine that is built in, constants that are left out are its; without, all must
// be there. A plain number is exact: low and high are the value.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "simulator/time/Machine.h"

namespace attn {

/// `origin` is what errors call the text, the name of its file. An error where it is no JSON, or a
/// key is unknown, missing or there twice, or a number out of its range.
Expected<Machine> parseMachine(const std::string &text, const std::string &origin);

/// All constants, so that parseMachine gives the same machine back.
std::string printMachine(const Machine &machine);

} // namespace attn
