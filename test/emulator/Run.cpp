#include "test/emulator/Run.h"

#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace attn::emulator {

static std::string messageOf(const Error &error) {
  std::string text = error.message;
  for (const std::string &note : error.notes)
    text += "\n" + note;
  return text;
}

std::string kernelText(const std::string &body, const std::string &declarations) {
  return ".version 8.0\n.target sm_80\n.address_size 64\n" + declarations +
         R"(
.visible .entry k(.param .u64 .ptr .global in, .param .u64 .ptr .global out)
{
  .reg .pred %p<10>;
  .reg .b16 %h<10>;
  .reg .b32 %r<40>, %lane;
  .reg .b64 %d<20>, %in, %out, %lane4;
  ld.param.u64 %in, [in];
  ld.param.u64 %out, [out];
  mov.u32 %lane, %laneid;
  mul.wide.u32 %lane4, %lane, 4;
)" + body +
         "\n  ret;\n}\n";
}

static Outcome runText(const std::string &text, const std::vector<uint32_t> &in, size_t outWords,
                       const LaunchOptions &options, uint32_t threads, uint64_t shared) {
  Outcome outcome;
  Expected<Module> module = Module::parse(text);
  if (!module) {
    outcome.fault = messageOf(module.error());
    return outcome;
  }
  std::vector<uint32_t> input = in;
  outcome.out.assign(outWords, 0xcccccccc);
  Memory memory;
  uint64_t inAddress = memory.map("in", input.data(), input.size() * 4, true);
  uint64_t outAddress = memory.map("out", outcome.out.data(), outWords * 4);
  std::vector<std::vector<uint8_t>> parameters{parameterOf(inAddress), parameterOf(outAddress)};
  Expected<Counters> counters =
      launch(*module, "k", {}, {threads, 1, 1}, shared, parameters, memory, options);
  if (counters)
    outcome.counters = *counters;
  else
    outcome.fault = messageOf(counters.error());
  return outcome;
}

Outcome runBody(const std::string &body, const std::vector<uint32_t> &in, size_t outWords,
                const LaunchOptions &options, uint32_t threads, const std::string &declarations,
                uint64_t dynamicSharedBytes) {
  return runText(kernelText(body, declarations), in, outWords, options, threads,
                 dynamicSharedBytes);
}

/// Loads the sources, executes the instruction and stores d, widened to 64 bits.
static std::string bodyOf(const OneInstruction &instruction) {
  constexpr const char *kNames[] = {"d", "a", "b", "c", "e"};
  std::string body;
  for (size_t i = 0; i < instruction.widths.size(); ++i) {
    unsigned width = instruction.widths[i];
    body += width == 1 ? fmt::format("  .reg .pred {};\n", kNames[i])
                       : fmt::format("  .reg .b{} {};\n", width, kNames[i]);
    if (i == 0)
      continue;
    if (width == 1)
      body += fmt::format("  ld.global.u32 %r0, [%in+{}];\n  setp.ne.u32 {}, %r0, 0;\n",
                          8 * (i - 1), kNames[i]);
    else
      body += fmt::format("  ld.global.b{} {}, [%in+{}];\n", width, kNames[i], 8 * (i - 1));
  }
  body += "  " + instruction.text + "\n  shl.b64 %d0, %lane4, 1;\n  add.u64 %d0, %out, %d0;\n";
  switch (instruction.widths[0]) {
  case 1:
    body += "  selp.u64 %d1, 1, 0, d;\n";
    break;
  case 16:
    body += "  cvt.u64.u16 %d1, d;\n";
    break;
  case 32:
    body += "  cvt.u64.u32 %d1, d;\n";
    break;
  default:
    body += "  mov.b64 %d1, d;\n";
    break;
  }
  return body + "  st.global.u64 [%d0], %d1;\n";
}

uint64_t evaluate(const OneInstruction &instruction, std::string &fault) {
  std::string body = bodyOf(instruction);
  std::vector<uint32_t> in;
  for (uint64_t value : instruction.sources) {
    in.push_back(static_cast<uint32_t>(value));
    in.push_back(static_cast<uint32_t>(value >> 32));
  }
  Outcome outcome = runBody(body, in, 64);
  fault = outcome.fault;
  if (!fault.empty())
    return 0;
  auto lane = [&](size_t l) { return outcome.out[2 * l] | uint64_t(outcome.out[2 * l + 1]) << 32; };
  for (size_t l = 1; l < 32; ++l)
    if (lane(l) != lane(0))
      fault = fmt::format("lane {} has {:#x}, lane 0 {:#x}", l, lane(l), lane(0));
  return lane(0);
}

std::optional<std::string> assemble(const std::vector<OneInstruction> &instructions) {
  std::string ptxas = ATTN_PTXAS;
  if (ptxas.empty())
    return std::nullopt;
  // Some 16-bit arithmetic is new in sm_90.
  std::string text = ".version 8.0\n.target sm_90\n.address_size 64\n";
  for (size_t i = 0; i < instructions.size(); ++i) {
    std::string kernel = kernelText(bodyOf(instructions[i]));
    kernel.erase(0, kernel.find(".visible"));
    text += kernel.replace(kernel.find(" k("), 3, fmt::format(" k{}(", i));
  }
  std::string path = testing::TempDir() + fmt::format("attn-emulator-{}.ptx", getpid());
  std::ofstream(path) << text;
  std::string output;
  FILE *pipe =
      popen(fmt::format("'{}' -arch=sm_90 '{}' -o /dev/null 2>&1", ptxas, path).c_str(), "r");
  for (int c; pipe && (c = fgetc(pipe)) != EOF;)
    output += static_cast<char>(c);
  int status = pipe ? pclose(pipe) : 1;
  std::remove(path.c_str());
  return status == 0 ? "" : output + "ptxas failed";
}

std::string registerList(const std::string &base, unsigned first, unsigned count) {
  std::string text;
  for (unsigned i = 0; i < count; ++i)
    text += fmt::format("{}%{}{}", i ? ", " : "", base, first + i);
  return text;
}

} // namespace attn::emulator
