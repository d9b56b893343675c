//===- WorkerPool.h - threads that draw tickets -----------------*- C++ -*-===//
//
// Work is numbered: ticket 0, 1, 2, ... Whoever is free draws the next one, so the order in which
// the caller numbers its work (longest first) is the order in which it starts, and no worker waits
// while tickets are left.
//
//===----------------------------------------------------------------------===//
#pragma once

#include "runtime/Error.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace attn {

/// Threads that live as long as the pool. Every member is thread-safe; the destructor is called
/// when no run() is under way.
class WorkerPool {
public:
  static constexpr unsigned kMaxWorkers = 1024;

  /// `threads` counts the thread that calls run(): 1 creates none, 0 means one per hardware thread.
  /// More than kMaxWorkers, or more than the system grants, are fewer: see size().
  explicit WorkerPool(unsigned threads = 0);
  ~WorkerPool();
  WorkerPool(const WorkerPool &) = delete;
  WorkerPool &operator=(const WorkerPool &) = delete;

  /// Workers, the calling thread included; at least 1.
  unsigned size() const { return unsigned(threads.size()) + 1; }

  /// Calls `work(uint64_t ticket, unsigned worker)` once per ticket below `tickets` and returns
  /// when all calls have returned; what they wrote is then visible to the caller. `worker` <
  /// size(), and no two calls run at once under the same number, so it may index scratch memory.
  /// The caller is worker 0. `work` must not throw. Concurrent calls of run() wait for one another;
  /// a call from within `work` on the same pool does its tickets there and then, under the worker's
  /// own number.
  template <class Work> void run(uint64_t tickets, Work &&work) {
    using Callee = std::remove_reference_t<Work>;
    runErased(
        tickets,
        [](void *context, uint64_t ticket, unsigned worker) noexcept {
          (*static_cast<Callee *>(context))(ticket, worker);
        },
        const_cast<void *>(static_cast<const void *>(std::addressof(work))));
  }

  /// Gives every worker so many bytes of its own, aligned to 64, which stay for later runs; they only grow. Waits
  /// for a run that is under way, so `work` must not call it. An error where there is no memory.
  Status reserveScratch(int64_t bytes);
  /// The worker's; what is in it is unspecified. For calls from within `work`, with its worker. Null where nothing
  /// was reserved.
  void *scratch(unsigned worker) const { return scratches[worker].memory.get(); }

private:
  struct Free {
    void operator()(void *memory) const { std::free(memory); }
  };
  struct Scratch {
    std::unique_ptr<void, Free> memory;
    int64_t bytes = 0;
  };
  using Function = void (*)(void *context, uint64_t ticket, unsigned worker) noexcept;
  struct Job {
    Function function = nullptr;
    void *context = nullptr;
    uint64_t tickets = 0;
  };

  void runErased(uint64_t tickets, Function function, void *context);
  void serve(unsigned worker);
  void drawTickets(const Job &job, unsigned worker);

  std::vector<Scratch> scratches;             ///< of each worker
  std::mutex oneRun;                          ///< held by run()
  alignas(64) std::atomic<uint64_t> next = 0; ///< ticket; alone on its cache line
  alignas(64) std::mutex mutex;               ///< guards what follows
  std::condition_variable wake, done;
  Job job;
  uint64_t generation = 0; ///< of the job; a worker serves each generation once
  unsigned busy = 0;       ///< workers that have not finished this generation
  bool stopping = false;
  std::vector<std::jthread> threads; ///< last: joined while the rest still lives
};

} // namespace attn
