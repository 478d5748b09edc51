#include "cpu/caches.h"

#include <unistd.h>

namespace kedge::cpu {
namespace {

int64_t size_of(int level, int64_t otherwise) {
  const long bytes = ::sysconf(level);
  return bytes > 0 ? bytes : otherwise;
}

}  // namespace

const CacheSizes& cache_sizes() {
  static const CacheSizes sizes{size_of(_SC_LEVEL1_DCACHE_SIZE, 32 << 10), size_of(_SC_LEVEL2_CACHE_SIZE, 512 << 10)};
  return sizes;
}

}  // namespace kedge::cpu
