#include "jit/AsyncWork.h"

namespace attn {

AsyncWork::~AsyncWork() {
  if (!isBegun.exchange(true))
    task->promise.set_value(
        makeError("the compilation was cancelled: whoever should have done it is gone"));
}

void AsyncWork::run() {
  if (!isBegun.exchange(true))
    task->promise.set_value(task->isCancelled ? makeError("the compilation was cancelled")
                                              : compile());
}

WorkQueue::~WorkQueue() {
  {
    std::lock_guard lock(mutex);
    isStopping = true;
  }
  wake.notify_all();
  if (thread.joinable())
    thread.join();
}

void WorkQueue::add(std::shared_ptr<AsyncWork> work) {
  std::lock_guard lock(mutex);
  waiting.push_back(std::move(work));
  if (!thread.joinable())
    thread = std::thread([this] { serve(); });
  wake.notify_one();
}

void WorkQueue::serve() {
  for (;;) {
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return isStopping || !waiting.empty(); });
    if (isStopping)
      return;
    std::shared_ptr<AsyncWork> work = std::move(waiting.front());
    waiting.pop_front();
    lock.unlock();
    work->run();
  }
}

bool Compiling::isReady() const { return waitFor({}); }
bool Compiling::waitFor(std::chrono::nanoseconds time) const {
  return task->kernel.wait_for(time) == std::future_status::ready;
}
Expected<Kernel> Compiling::get() const { return task->kernel.get(); }
Expected<Kernel> Compiling::getOrGeneric() const {
  if (isReady())
    return get();
  const Expected<Kernel> &generic = task->generic();
  return generic && !isReady() ? generic : get();
}
void Compiling::cancel() const { task->isCancelled = true; }

} // namespace attn
