//===- run_ptx.cpp - runs PTX kernels on the emulator, from files ---------===//
//
// run_ptx JOBS.json: runs a list of launches, one after another, and prints a JSON object a line
// for each, in order. A job that fails has "error"; the next one runs all the same.
//
//   [{"ptx": "k.ptx", "entry": "k", "grid": [8,1,1], "block": [128,1,1], "shared": 0,
//     "args": [{"in": "in.bin"}, {"out": "out.bin", "bytes": 4096}, {"u32": 7}]}]
//
// An "in" buffer is read-only to the kernel. An "out" buffer begins as 0xcc and is written to the
// file afterwards, also where the launch failed. Needs the emulator alone.
//
//===----------------------------------------------------------------------===//
#include "runtime/emulator/Emulator.h"

#include "nlohmann/json.hpp"

#include <cstdio>
#include <deque>
#include <fmt/format.h>
#include <fstream>
#include <iterator>

using namespace attn;
using nlohmann::json;

namespace {

std::string textOf(const Error &error) {
  std::string text = error.message;
  for (const std::string &note : error.notes)
    text += "\nnote: " + note;
  return text;
}

std::string readAll(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw std::runtime_error(fmt::format("'{}' cannot be read", path));
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Output {
  std::string path;
  std::vector<char> bytes;
};

/// The buffers and parameters of a launch.
struct Arguments {
  emulator::Memory memory;
  std::deque<std::string> inputs;
  std::deque<Output> outputs;
  std::vector<std::vector<uint8_t>> parameters;

  void add(const json &arg, size_t number) {
    std::string name = fmt::format("argument {}", number);
    if (arg.contains("in")) {
      std::string &bytes = inputs.emplace_back(readAll(arg["in"].get<std::string>()));
      parameters.push_back(
          emulator::parameterOf(memory.map(name, bytes.data(), bytes.size(), true)));
    } else if (arg.contains("out")) {
      Output &output = outputs.emplace_back();
      output.path = arg["out"].get<std::string>();
      output.bytes.assign(arg["bytes"].get<size_t>(), char(0xcc));
      parameters.push_back(
          emulator::parameterOf(memory.map(name, output.bytes.data(), output.bytes.size())));
    } else if (arg.contains("u32")) {
      parameters.push_back(emulator::parameterOf(arg["u32"].get<uint32_t>()));
    } else {
      parameters.push_back(emulator::parameterOf(arg.at("u64").get<uint64_t>()));
    }
  }
};

emulator::Dim3 dimOf(const json &value) {
  return {value.at(0).get<uint32_t>(), value.at(1).get<uint32_t>(), value.at(2).get<uint32_t>()};
}

json run(const json &job) {
  Expected<emulator::Module> module =
      emulator::Module::parse(readAll(job.at("ptx").get<std::string>()));
  if (!module)
    return {{"error", textOf(module.error())}, {"stage", "parse"}};
  Arguments arguments;
  for (const json &arg : job.at("args"))
    arguments.add(arg, arguments.parameters.size());
  Expected<emulator::Counters> counters = emulator::launch(
      *module, job.at("entry").get<std::string>(), dimOf(job.at("grid")), dimOf(job.at("block")),
      job.value("shared", uint64_t(0)), arguments.parameters, arguments.memory);
  for (const Output &output : arguments.outputs) {
    std::ofstream file(output.path, std::ios::binary);
    file.write(output.bytes.data(), std::streamsize(output.bytes.size()));
    if (!file)
      throw std::runtime_error(fmt::format("'{}' cannot be written", output.path));
  }
  if (!counters)
    return {{"error", textOf(counters.error())}, {"stage", "launch"}};
  return {{"instructions", counters->total()}};
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fputs("usage: run_ptx JOBS.json\n", stderr);
    return 2;
  }
  try {
    json jobs = json::parse(readAll(argv[1]));
    for (const json &job : jobs) {
      json result;
      try {
        result = run(job);
      } catch (const std::exception &error) {
        result = {{"error", error.what()}, {"stage", "job"}};
      }
      std::puts(result.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
      std::fflush(stdout);
    }
  } catch (const std::exception &error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
