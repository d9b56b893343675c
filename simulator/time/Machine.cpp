#include "simulator/time/Machine.h"

#include <vector>

namespace attn {

std::span<const ConstantInfo, kNumConstants> constantInfos() {
  static const ConstantInfo infos[kNumConstants] = {
      {"sms", "1", "streaming multiprocessors", 1, 4096, true},
      {"clock_ghz", "GHz", "clock of the multiprocessors without tensor load", 0.1, 10, false},
      {"clock_drop", "1",
       "k of clock / (1 + k u), u the share of time in which the matrix units work", 0, 2, false},
      {"matrix_f32", "flop/clock/SM", "dense matrix products of tf32 operands", 1, 1 << 20, false},
      {"matrix_f16", "flop/clock/SM", "dense matrix products of f16 or bf16 operands", 1, 1 << 20,
       false},
      {"matrix_f8", "flop/clock/SM",
       "dense matrix products of f8 operands; 0: the machine has none", 0, 1 << 20, false},
      {"matrix_rows", "rows", "fewest rows of a query tile that the matrix unit computes", 1, 1024,
       true},
      {"exp_per_clock", "1/clock/SM", "exponentials of the special-function units", 1, 1024, false},
      {"exp_emulated", "1", "share of the exponentials computed by a polynomial instead", 0, 1,
       false},
      {"alu_per_clock", "1/clock/SM", "f32 operations outside the matrix units", 1, 4096, false},
      {"score_ops", "1", "operations per score of the softmax, without its exponential", 0.5, 64,
       false},
      {"rescale_ops", "1", "operations per element of the output accumulator and step", 0, 64,
       false},
      {"polynomial_ops", "1", "operations of an emulated exponential", 0, 64, false},
      {"shared_bytes_per_clock", "B/clock/SM", "shared memory", 1, 4096, false},
      {"shared_kb", "KB", "shared memory that one thread block may have", 1, 4096, false},
      {"register_kb", "KB", "registers of a multiprocessor", 1, 65536, false},
      {"tensor_memory_columns", "columns",
       "tensor memory, 128 words of 32 bits each; 0: accumulators "
       "lie in registers",
       0, 65536, true},
      {"operand_rows", "rows",
       "rows of scores that one read of a key or value tile from shared memory "
       "serves",
       1, 1024, true},
      {"l2_bytes_per_clock", "B/clock/SM", "from L2 to one multiprocessor, all reading", 1, 1024,
       false},
      {"l2_mb", "MB", "L2 cache", 0.1, 16384, false},
      {"hbm_gbs", "GB/s", "device memory, by its data sheet", 1, 1e6, false},
      {"hbm_efficiency", "1", "share of it that a streaming kernel reaches", 0.1, 1, false},
      {"overlap", "1", "p of the p-norm of the times of concurrent units: 1 none, large all", 1, 16,
       false},
      {"fixed_cycles", "cycles", "first load, last store and bookkeeping of a query tile", 0, 1e6,
       false},
      {"launch_us", "us", "of a kernel", 0, 1000, false},
      {"warp_matrix_f16", "flop/clock/SM", "the same by mma.sync", 1, 1 << 20, false},
      {"warp_score_ops", "1", "score_ops of kernels that multiply with mma.sync, addresses included", 0.5, 64, false},
      {"warp_overlap", "1", "overlap of such a kernel with one warp a scheduler", 1, 16, false},
      {"warp_overlap_more", "1", "by which every further warp a scheduler raises it", 0, 16, false},
      {"warp_fixed_cycles", "cycles", "fixed_cycles of such a kernel", 0, 1e6, false},
      {"warp_step_cycles", "cycles", "barriers and bookkeeping of a step of such a kernel", 0, 1e5, false},
  };
  return infos;
}

namespace {

const char *const kHopperSheet = "NVIDIA H100 data sheet";
const char *const kHopperFit =
    "fitted on the 6 rows of FlashAttention-3 at head_dim 128 without a mask (PublishedRows.cpp)";
const char *const kInstructions =
    "instruction count: FFMA, FMNMX, FADD, half an F2FP, and half an instruction of bookkeeping";
const char *const kWarpFit = "fitted on kernels measured on an H200 (bench/gpu/results/h200)";
const char *const kTuningGuide = "CUDA programming guide, throughput of arithmetic instructions";

using Constants = std::array<ConstantValue, kNumConstants>;

/// In the order of Constant.
Constants hopper() {
  return {{
      {132, 132, 132, kHopperSheet},
      {1.98, 1.755, 1.98, "highest clock that nvidia-smi reports"},
      {0.2, 0.1, 0.3, "middle of what published fits leave open"},
      {2048, 2048, 2048, "495 TFLOP/s at 1.83 GHz, NVIDIA H100 data sheet"},
      {4096, 4096, 4096, "989 TFLOP/s at 1.83 GHz, NVIDIA H100 data sheet"},
      {8192, 8192, 8192, "1979 TFLOP/s at 1.83 GHz, NVIDIA H100 data sheet"},
      {64, 64, 64, "wgmma, PTX ISA"},
      {16, 16, 16, kTuningGuide},
      {0, 0, 0, "FlashAttention-3 computes all by the special-function units"},
      {128, 128, 128, kTuningGuide},
      {4, 3, 6, kInstructions},
      {1, 0.1, 2, "one FMUL per element; 0.1 where it is left out while the maximum hardly moves"},
      {4, 3, 5, "Cody-Waite and a polynomial of degree 3"},
      {128, 128, 128, "32 banks of 4 bytes"},
      {227, 227, 227, "CUDA programming guide"},
      {256, 256, 256, "CUDA programming guide"},
      {0, 0, 0, "wgmma accumulates in registers"},
      {64, 64, 64, "wgmma reads its B operand once for 64 rows"},
      {43, 35, 50, "middle of what published fits leave open; a port has 64"},
      {50, 50, 50, kHopperSheet},
      {3350, 3350, 3350, kHopperSheet},
      {0.92, 0.85, 0.95, "streaming kernels"},
      {2.35, 1.6, 3.0, kHopperFit},
      {2700, 1000, 5000, kHopperFit},
      {3, 2, 6, "empty kernels back to back on a stream"},
      {2713, 2700, 2731, "mma.m16n8k16 every 6.04 cycles a sub-partition, measured on an H200"},
      {9, 6, 13, kWarpFit},
      {2, 1.4, 2.4, kWarpFit},
      {0.63, 0.3, 1.2, kWarpFit},
      {5800, 2000, 9000, kWarpFit},
      {310, 130, 490, kWarpFit},
  }};
}

void change(Constants &table, Constant c, ConstantValue value) {
  table[size_t(c)] = std::move(value);
}

Machine h100() {
  return {"h100", "NVIDIA H100 SXM5 80 GB",
          "overlap and fixed_cycles on 6 published rows; the rest from data sheets and "
          "instruction counts",
          hopper()};
}

Machine h200() {
  Machine machine = h100();
  machine.name = "h200";
  machine.title = "NVIDIA H200 SXM 141 GB";
  machine.calibration = "warp constants on 101 kernels measured on it; the rest as the H100, whose chip it has";
  change(machine.constants, Constant::HbmEfficiency, {0.886, 0.85, 0.95, "bench/gpu/results/h200: 4253 GB/s read"});
  change(machine.constants, Constant::HbmGbs, {4800, 4800, 4800, "NVIDIA H200 data sheet"});
  return machine;
}

Machine a100() {
  const char *sheet = "NVIDIA A100 data sheet";
  const char *guess = "a guess within the range of the other machines";
  Constants t = hopper();
  change(t, Constant::Sms, {108, 108, 108, sheet});
  change(t, Constant::ClockGhz, {1.41, 1.41, 1.41, sheet});
  change(t, Constant::ClockDrop, {0.05, 0, 0.2, guess});
  change(t, Constant::MatrixF32,
         {1024, 1024, 1024, "156 TFLOP/s at 1.41 GHz, NVIDIA A100 data sheet"});
  change(t, Constant::MatrixF16,
         {2048, 2048, 2048, "312 TFLOP/s at 1.41 GHz, NVIDIA A100 data sheet"});
  change(t, Constant::MatrixF8, {0, 0, 0, sheet});
  change(t, Constant::MatrixRows, {16, 16, 16, "mma.m16n8k16, PTX ISA"});
  change(t, Constant::AluPerClock,
         {96, 64, 128,
          "64 f32 lanes beside 64 integer lanes, which compare "
          "and select"});
  change(t, Constant::ExpEmulated,
         {0, 0, 0, "FlashAttention-2 computes all by the special-function units"});
  change(t, Constant::SharedKb, {163, 163, 163, "CUDA programming guide"});
  change(t, Constant::TensorMemoryColumns, {0, 0, 0, "mma accumulates in registers"});
  change(t, Constant::OperandRows, {32, 16, 64, "4 warps of 32 rows each, FlashAttention-2"});
  change(t, Constant::L2BytesPerClock,
         {40, 25, 47, "5120 B/clock for all multiprocessors at most"});
  change(t, Constant::L2Mb, {40, 40, 40, sheet});
  change(t, Constant::HbmGbs, {2039, 1555, 2039, "NVIDIA A100 80 GB data sheet; 40 GB have 1555"});
  change(t, Constant::OverlapPower, {2, 1.2, 3, guess});
  change(t, Constant::FixedCycles, {2700, 1000, 5000, guess});
  change(t, Constant::WarpMatrixF16, {2048, 2048, 2048, "312 TFLOP/s at 1.41 GHz, NVIDIA A100 data sheet"});
  return {"a100", "NVIDIA A100 SXM4 80 GB",
          "uncalibrated: data sheets, and guesses for overlap, clock_drop and fixed_cycles", t};
}

Machine b200() {
  const char *sheet = "NVIDIA B200 data sheet";
  const char *guess = "a guess, not fitted to any figure of this machine";
  Constants t = hopper();
  change(t, Constant::Sms, {148, 148, 148, sheet});
  change(t, Constant::ClockGhz, {1.85, 1.7, 1.965, guess});
  change(t, Constant::ClockDrop, {0.1, 0, 0.3, guess});
  change(t, Constant::MatrixF32, {4096, 4096, 4096, "half of f16"});
  change(t, Constant::MatrixF16, {8192, 8192, 8192, "2250 TFLOP/s, NVIDIA B200 data sheet"});
  change(t, Constant::MatrixF8, {16384, 16384, 16384, "4500 TFLOP/s, NVIDIA B200 data sheet"});
  change(t, Constant::MatrixRows, {128, 128, 128, "tcgen05.mma, PTX ISA"});
  change(t, Constant::ExpEmulated,
         {0.15, 0, 0.3,
          "FlashAttention-4 emulates one group in 10 to 16, and "
          "a quarter in its paper"});
  change(t, Constant::AluPerClock,
         {192, 128, 256, "packed f32x2 doubles FFMA, FMUL and FADD alone"});
  change(t, Constant::RescaleOps,
         {0.2, 0.1, 1, "left out while the maximum moves by less than 2^8"});
  change(t, Constant::TensorMemoryColumns, {512, 512, 512, "256 KB, PTX ISA"});
  change(t, Constant::OperandRows,
         {128, 128, 256, "tcgen05.mma reads its B operand once for 128 rows"});
  change(t, Constant::L2BytesPerClock, {43, 32, 64, guess});
  change(t, Constant::L2Mb, {126, 120, 126, sheet});
  change(t, Constant::HbmGbs, {8000, 7700, 8000, sheet});
  change(t, Constant::OverlapPower, {3, 2, 8, guess});
  change(t, Constant::FixedCycles, {2700, 1000, 6000, guess});
  change(t, Constant::WarpMatrixF16, {2048, 2048, 4096, guess});
  return {"b200", "NVIDIA B200", "uncalibrated: data sheets and guesses; trust the range alone", t};
}

} // namespace

static const std::vector<Machine> &builtinMachines() {
  static const std::vector<Machine> machines{a100(), h100(), h200(), b200()};
  return machines;
}

std::string builtinMachineNames() {
  std::string text;
  for (const Machine &machine : builtinMachines())
    text += (text.empty() ? "" : ", ") + machine.name;
  return text;
}

Expected<Machine> builtinMachine(const std::string &name) {
  for (const Machine &machine : builtinMachines())
    if (machine.name == name)
      return machine;
  return makeError("unknown machine '{}'", name)
      .withNote("known are {}; any other comes from a file whose name ends in '.json'",
                builtinMachineNames());
}

} // namespace attn
