#include "curate/dedup/finders.h"

#include <algorithm>
#include <bit>

namespace kedge::curate {

MarkedRanges::MarkedRanges(const std::filesystem::path& folder, uint64_t memory_bytes, uint32_t documents)
    : sorter_(folder, memory_bytes, 32U + static_cast<unsigned>(std::bit_width(documents))) {}

Status MarkedRanges::add(uint32_t document, uint32_t begin, uint32_t end) {
  return sorter_.add({uint64_t{document} << 32 | begin, end, 0});
}

Status MarkedRanges::finish() {
  return sorter_.runs([this](std::span<const KeyRecord> run) -> Status {
    const Range range{static_cast<uint32_t>(run[0].high >> 32), static_cast<uint32_t>(run[0].high),
                      static_cast<uint32_t>(run[0].low)};
    if (!ranges_.empty() && ranges_.back().document == range.document && range.begin <= ranges_.back().end) {
      ranges_.back().end = std::max(ranges_.back().end, range.end);
    } else {
      ranges_.push_back(range);
    }
    return Done{};
  });
}

std::span<const MarkedRanges::Range> MarkedRanges::of(uint32_t document) const {
  const auto found = std::ranges::equal_range(ranges_, document, {}, &Range::document);
  return {found.begin(), found.end()};
}

}  // namespace kedge::curate
