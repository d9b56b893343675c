#include "jit/KernelMemo.h"

namespace attn {

Expected<Kernel> KernelMemo::get(const std::string &key, const std::function<Made()> &make) {
  std::promise<Made> promise;
  for (;;) {
    std::unique_lock lock(mutex);
    auto [it, isNew] = slots.try_emplace(key);
    if (isNew) {
      uses.push_front(&it->first);
      it->second = {promise.get_future().share(), uses.begin()};
      break;
    }
    uses.splice(uses.begin(), uses, it->second.use);
    Answer answer = it->second.answer;
    lock.unlock();
    if (const Made &made = answer.get(); !made.isGivenUp)
      return made.kernel;
  }
  Made made = make();
  {
    std::lock_guard lock(mutex);
    if (!made.isKept)
      forget(key);
    // Whoever waits for one that is forgotten has its answer already.
    while (slots.size() > most)
      forget(*uses.back());
  }
  promise.set_value(made);
  return std::move(made.kernel);
}

void KernelMemo::forget(const std::string &key) {
  auto it = slots.find(key);
  if (it == slots.end())
    return;
  uses.erase(it->second.use);
  slots.erase(it);
}

} // namespace attn
