#pragma once
// Which document a record is, where some records hold none.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace kedge::curate {

/// Filled by one walk over the documents, asked by the threads of a later one.
class DocumentNumbers {
 public:
  /// number: Document::number, ascending.
  void add(uint64_t number) {
    for (; next_ < number; ++next_) skipped_.push_back(next_);
    ++next_;
  }
  /// Those that were added.
  [[nodiscard]] uint32_t documents() const { return static_cast<uint32_t>(next_ - 1 - skipped_.size()); }
  /// Which of them, from 0.
  [[nodiscard]] uint32_t of(uint64_t number) const {
    const auto before = std::ranges::lower_bound(skipped_, number) - skipped_.begin();
    return static_cast<uint32_t>(number - 1 - static_cast<uint64_t>(before));
  }

 private:
  uint64_t next_ = 1;
  std::vector<uint64_t> skipped_;
};

}  // namespace kedge::curate
