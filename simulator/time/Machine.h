//===- Machine.h - what the model of time knows about a GPU ------*- C++ -*-===//
//
// One number for each physical constant, with a plausible range and a source. Nothing here belongs
// to one measurement: a constant means the same for every kernel and every mask.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Error.h"

#include <array>
#include <span>
#include <string>

namespace attn {

/// Order of the table in Machine.cpp.
enum class Constant : uint8_t {
  Sms,
  ClockGhz,
  ClockDrop,
  MatrixF32,
  MatrixF16,
  MatrixF8,
  MatrixRows,
  ExpPerClock,
  ExpEmulated,
  AluPerClock,
  ScoreOps,
  RescaleOps,
  PolynomialOps,
  SharedBytesPerClock,
  SharedKb,
  RegisterKb,
  TensorMemoryColumns,
  OperandRows,
  L2BytesPerClock,
  L2Mb,
  HbmGbs,
  HbmEfficiency,
  OverlapPower,
  FixedCycles,
  LaunchUs,
  // Of kernels that multiply with mma.sync.
  WarpMatrixF16,
  WarpScoreOps,
  WarpOverlapPower,
  WarpOverlapMore,
  WarpFixedCycles,
  WarpStepCycles
};
constexpr size_t kNumConstants = size_t(Constant::WarpStepCycles) + 1;

/// What is true of a constant on every machine.
struct ConstantInfo {
  const char *key; ///< in files
  const char *unit;
  const char *meaning;
  double lowest, highest; ///< allowed in files
  bool whole;             ///< an integer
};
std::span<const ConstantInfo, kNumConstants> constantInfos();

/// Where it lies, and who says so. low <= value <= high.
struct ConstantValue {
  double value = 0, low = 0, high = 0;
  std::string source;
};

struct Machine {
  std::string name;
  std::string title; ///< "NVIDIA H100 SXM5 80 GB"
  std::string
      calibration; ///< on what it was calibrated; starts with "uncalibrated" where on nothing
  std::array<ConstantValue, kNumConstants> constants;

  double operator[](Constant c) const { return constants[size_t(c)].value; }
  void set(Constant c, double value) { constants[size_t(c)].value = value; }
  bool isCalibrated() const { return !calibration.starts_with("uncalibrated"); }
};

/// "a100, h100, h200, b200".
std::string builtinMachineNames();
/// By name; an error lists the names.
Expected<Machine> builtinMachine(const std::string &name);

} // namespace attn
