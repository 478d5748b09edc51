#pragma once
// Slots: the places of requests that run, as clients name them. Each remembers the last prompt that was computed there.

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "engine/block_hash.h"
#include "kedge/engine.h"

namespace kedge::engine {

/// A prompt that was computed, with what its pages depend on.
struct SlotPrompt {
  std::vector<TokenId> tokens;    // of full pages; empty: nothing is remembered
  std::vector<BlockHash> hashes;  // of these
  std::string salt;               // Request::cache_salt
  int64_t rope = 0;               // Runtime::rope_key
  bool has_adapter = false;
};

/// Thread-safe.
class SlotTable {
 public:
  explicit SlotTable(size_t count) : slots_(count) {}

  [[nodiscard]] size_t size() const { return slots_.size(); }
  /// A request runs: in the slot that it asks for, or (-1) in the one of those with the fewest that was used longest
  /// ago.
  size_t enter(int32_t wanted);
  void leave(size_t slot);
  void remember(size_t slot, SlotPrompt prompt);
  [[nodiscard]] SlotPrompt prompt(size_t slot) const;
  [[nodiscard]] std::vector<SlotInfo> infos() const;

 private:
  struct Slot {
    SlotPrompt prompt;
    size_t requests = 0;
    uint64_t used = 0;
  };

  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
  uint64_t uses_ = 0;
};

}  // namespace kedge::engine
