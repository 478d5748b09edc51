#include "core/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <vector>

namespace kedge {

uint64_t checksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t checksum(WorkerPool& pool, std::span<const std::byte> bytes) {
  constexpr size_t kPiece = size_t{16} << 20;
  std::vector<uint64_t> pieces((bytes.size() + kPiece - 1) / kPiece);
  pool.parallel_for(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end, unsigned) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      pieces[i] = checksum(bytes.subspan(i * kPiece, std::min(kPiece, bytes.size() - i * kPiece)));
    }
  });
  return checksum(std::as_bytes(std::span(pieces)));
}

}  // namespace kedge
