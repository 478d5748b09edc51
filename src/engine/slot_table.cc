#include "engine/slot_table.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace kedge::engine {

size_t SlotTable::enter(int32_t wanted) {
  const std::lock_guard lock(mutex_);
  auto slot = wanted >= 0
                  ? slots_.begin() + wanted
                  : std::ranges::min_element(slots_, {}, [](const Slot& s) { return std::tie(s.requests, s.used); });
  ++slot->requests;
  slot->used = ++uses_;
  return static_cast<size_t>(slot - slots_.begin());
}

void SlotTable::leave(size_t slot) {
  const std::lock_guard lock(mutex_);
  --slots_[slot].requests;
  slots_[slot].used = ++uses_;
}

void SlotTable::remember(size_t slot, SlotPrompt prompt) {
  const std::lock_guard lock(mutex_);
  slots_[slot].prompt = std::move(prompt);
}

SlotPrompt SlotTable::prompt(size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slots_[slot].prompt;
}

std::vector<SlotInfo> SlotTable::infos() const {
  const std::lock_guard lock(mutex_);
  std::vector<SlotInfo> infos;
  for (const Slot& slot : slots_) infos.push_back({slot.requests, slot.prompt.tokens.size()});
  return infos;
}

}  // namespace kedge::engine
