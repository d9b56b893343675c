#include "runtime/WorkerPool.h"

#include "runtime/Tensor.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <system_error>

namespace attn {
namespace {

/// The pools whose tickets this thread is in the middle of, the innermost first.
struct Frame {
  const WorkerPool *pool;
  unsigned worker;
  const Frame *outer;
};
thread_local const Frame *innermost = nullptr;

const Frame *frameOf(const WorkerPool *pool) {
  const Frame *frame = innermost;
  while (frame && frame->pool != pool)
    frame = frame->outer;
  return frame;
}

} // namespace

WorkerPool::WorkerPool(unsigned count) {
  if (count == 0)
    count = std::max(1u, std::thread::hardware_concurrency());
  count = std::min(count, kMaxWorkers);
  scratches.resize(count);
  threads.reserve(count - 1);
  try {
    for (unsigned worker = 1; worker < count; ++worker)
      threads.emplace_back([this, worker] { serve(worker); });
  } catch (const std::system_error &) {
    // The system grants no more threads; those that exist do the work.
  }
}

WorkerPool::~WorkerPool() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
  }
  wake.notify_all();
}

Status WorkerPool::reserveScratch(int64_t bytes) {
  assert(!frameOf(this) && "work does not reserve scratch memory, which it may be using");
  constexpr int64_t kLine = 64;
  int64_t rounded = std::max((bytes + kLine - 1) / kLine, int64_t(1)) * kLine;
  std::lock_guard serial(oneRun);
  if (std::ranges::all_of(scratches, [&](const Scratch &one) { return one.bytes >= rounded; }))
    return {};
  if (auto all = checkedByteSize(std::array{int64_t(scratches.size()), rounded}, DType::U8); !all)
    return all.takeError();
  for (Scratch &one : scratches) {
    if (one.bytes >= rounded)
      continue;
    one.bytes = 0;
    one.memory.reset(); // before there are two
    one.memory.reset(std::aligned_alloc(kLine, size_t(rounded)));
    if (!one.memory)
      return makeError("no memory for {} workers with {} bytes each", size(), rounded)
          .withNote("fewer threads take less");
    one.bytes = rounded;
  }
  return {};
}

void WorkerPool::drawTickets(const Job &job, unsigned worker) {
  Frame frame{this, worker, innermost};
  innermost = &frame;
  // The mutex orders memory between the caller and the workers; the counter only hands out numbers.
  for (uint64_t ticket; (ticket = next.fetch_add(1, std::memory_order_relaxed)) < job.tickets;)
    job.function(job.context, ticket, worker);
  innermost = frame.outer;
}

void WorkerPool::serve(unsigned worker) {
  std::unique_lock lock(mutex);
  for (uint64_t served = 0;;) {
    wake.wait(lock, [&] { return stopping || generation != served; });
    if (stopping)
      return;
    served = generation;
    Job mine = job;
    lock.unlock();
    drawTickets(mine, worker);
    lock.lock();
    if (--busy == 0)
      done.notify_one();
  }
}

void WorkerPool::runErased(uint64_t tickets, Function function, void *context) {
  if (const Frame *frame = frameOf(this)) {
    for (uint64_t ticket = 0; ticket < tickets; ++ticket)
      function(context, ticket, frame->worker);
    return;
  }
  if (tickets == 0)
    return;
  std::lock_guard serial(oneRun);
  Job mine{function, context, tickets};
  next.store(0, std::memory_order_relaxed);
  bool alone = threads.empty() || tickets == 1; // not worth waking anybody
  if (!alone) {
    {
      std::lock_guard lock(mutex);
      job = mine;
      ++generation;
      busy = unsigned(threads.size());
    }
    wake.notify_all();
  }
  drawTickets(mine, 0);
  if (!alone) {
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return busy == 0; });
  }
}

} // namespace attn
