#pragma once
// Token masks that do not depend on what called a rule, kept for as long as there is room.

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "grammar/grammar.h"

namespace kedge::grammar {

/// For one state: tokens that its rule allows, and the nodes of the token tree at which the rule may have ended with
/// longer tokens below: what those may be is up to the caller of the rule.
struct StateMask {
  std::vector<uint64_t> allowed;
  std::vector<uint32_t> ends;
  [[nodiscard]] size_t size_bytes() const { return allowed.size() * 8 + ends.size() * 4 + 128; }
};

/// Least recently used ones go first. Thread-safe.
class MaskCache {
 public:
  explicit MaskCache(size_t bytes_max = size_t{256} << 20) : bytes_max_(bytes_max) {}

  [[nodiscard]] std::shared_ptr<const StateMask> find(const MaskKey& key);
  void add(const MaskKey& key, std::shared_ptr<const StateMask> mask);
  [[nodiscard]] size_t size_bytes() const;

 private:
  struct Entry {
    MaskKey key;
    std::shared_ptr<const StateMask> mask;
  };
  struct KeyHash {
    size_t operator()(const MaskKey& key) const { return key.low; }
  };
  const size_t bytes_max_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<MaskKey, std::list<Entry>::iterator, KeyHash> index_;
  size_t bytes_ = 0;
};

}  // namespace kedge::grammar
