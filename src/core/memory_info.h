#pragma once
// How much memory this process may still take.

#include <cstdint>

namespace kedge {

/// The smaller of what the machine has available (MemAvailable) and what the control group leaves. Bytes.
uint64_t available_memory_bytes();

}  // namespace kedge
