#pragma once
// What documents are compared by: a hash of the text, or keys of bands and, to be verified, shingles.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "curate/dedup/deduplicate.h"

namespace kedge::curate {

struct TextHash {
  uint64_t high = 0, low = 0;
  bool operator==(const TextHash&) const = default;
  auto operator<=>(const TextHash&) const = default;
};

struct DocumentKeys {
  TextHash hash;                   // exact; 0: equal to nothing
  std::vector<uint64_t> bands;     // fuzzy: one a band
  std::vector<uint64_t> shingles;  // fuzzy with verify: a sorted set
};

/// Immutable; safe from any thread.
class KeyMaker {
 public:
  explicit KeyMaker(const DedupOptions& options);
  ~KeyMaker();

  [[nodiscard]] DocumentKeys keys_of(const data::Document& document) const;
  /// 0: exact.
  [[nodiscard]] size_t bands() const;

 private:
  DedupOptions options_;
  std::unique_ptr<class MinHash> minhash_;
};

}  // namespace kedge::curate
