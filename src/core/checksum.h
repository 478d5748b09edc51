#pragma once
// A fast checksum of large buffers: finds torn and damaged files, not forged ones.

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/thread_pool.h"

namespace kedge {

/// XXH3 (64 bits) of the XXH3s of pieces of 16 MiB, taken on all workers.
uint64_t checksum(WorkerPool& pool, std::span<const std::byte> bytes);
/// XXH3 (64 bits).
uint64_t checksum(std::span<const std::byte> bytes);

}  // namespace kedge
