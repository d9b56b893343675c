//===- KernelMemo.h - kernels that this process has already ------*- C++ -*-===//
#pragma once

#include "jit/Engine.h"

#include <functional>
#include <future>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

namespace attn {

/// The kernels used last, by what was asked for. Thread-safe: of several threads that ask for the
/// same one makes it, and the others wait for it.
class KernelMemo {
public:
  explicit KernelMemo(size_t most) : most(most) {}

  struct Made {
    Expected<Kernel> kernel;
    bool isKept = false; ///< for the next one who asks; else only for those who wait
    bool isGivenUp = false; ///< by the one who made it: those who wait make theirs
  };
  Expected<Kernel> get(const std::string &key, const std::function<Made()> &make);

private:
  using Answer = std::shared_future<Made>;
  struct Slot {
    Answer answer;
    std::list<const std::string *>::iterator use;
  };

  void forget(const std::string &key);

  const size_t most;
  std::mutex mutex; ///< guards what follows
  std::unordered_map<std::string, Slot> slots;
  std::list<const std::string *> uses; ///< keys of the slots, the last used first
};

} // namespace attn
