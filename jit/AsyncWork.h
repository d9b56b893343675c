//===- AsyncWork.h - compilations on other threads ---------------*- C++ -*-===//
#pragma once

#include "jit/Engine.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

namespace attn {

/// What the copies of a Compiling share with the work that it waits for.
struct Compiling::Task {
  std::atomic<bool> isCancelled = false;
  std::promise<Expected<Kernel>> promise;
  const std::shared_future<Expected<Kernel>> kernel{promise.get_future()};

  /// Made once, by whoever asks first. Does not keep the engine.
  const Expected<Kernel> &generic() {
    std::call_once(genericIsMade, [&] { genericKernel.emplace(makeGeneric()); });
    return *genericKernel;
  }
  std::function<Expected<Kernel>()> makeGeneric;

private:
  std::once_flag genericIsMade;
  std::optional<Expected<Kernel>> genericKernel;
};

/// Work that answers a task exactly once: where it is destroyed unfinished, with an error.
class AsyncWork {
public:
  AsyncWork(std::shared_ptr<Compiling::Task> task, std::function<Expected<Kernel>()> compile)
      : task(std::move(task)), compile(std::move(compile)) {}
  AsyncWork(const AsyncWork &) = delete;
  ~AsyncWork();
  /// A second call does nothing.
  void run();

private:
  std::shared_ptr<Compiling::Task> task;
  std::function<Expected<Kernel>()> compile;
  std::atomic<bool> isBegun = false;
};

/// A thread that does work in the order of its coming; started by the first. Thread-safe.
class WorkQueue {
public:
  WorkQueue() = default;
  WorkQueue(const WorkQueue &) = delete;
  /// Drops what has not begun and waits for what has.
  ~WorkQueue();
  void add(std::shared_ptr<AsyncWork> work);

private:
  void serve();

  std::mutex mutex; ///< guards what follows
  std::condition_variable wake;
  std::deque<std::shared_ptr<AsyncWork>> waiting;
  bool isStopping = false;
  std::thread thread;
};

} // namespace attn
