//===- MicroBenchmarks.h - what the model says of a micro-benchmark -*- C++ -*-===//
#pragma once

#include "simulator/time/Machine.h"

#include <optional>
#include <vector>

namespace attn {

/// One measured number. Names and units are those of bench/gpu (calibrate.py), and
///   "kernel ROWSxCOLUMNS head_dim=D steps=N [masked=OPS] [shared_by=C]"   cycles of one query
///   tile, f16
struct Measurement {
  std::string name;
  double value = 0;
  double error = 0.02; ///< relative, one standard deviation
};

/// Empty where the name is not one that constants of the model follow from.
std::optional<double> predictMeasurement(const Machine &machine, const std::string &name);

/// `results.json` of bench/gpu, of which the rows of "calibration" with the status "measured"
/// count, or lines "name,value[,error]" where a name with commas stands in quotes and lines that
/// begin with '#' are left out. An error says which line or row is wrong.
Expected<std::vector<Measurement>> parseMeasurements(const std::string &text,
                                                     const std::string &origin);

} // namespace attn
