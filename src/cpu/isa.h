#pragma once
// Instruction sets that kedge has kernels for, and the one in use.

#include <cstdint>
#include <optional>
#include <string_view>

namespace kedge::cpu {

/// Each includes those before it.
enum class Isa : uint8_t { scalar, avx2, avx512, avx512_vnni, avx512_bf16, amx };

std::string_view name_of(Isa isa);
std::optional<Isa> isa_from_name(std::string_view name);

/// What this CPU can run (CPUID).
Isa detected_isa();

/// Caps the instruction set of every later call (KEDGE_ISA, tests). Call before any kernel runs.
void cap_isa(Isa isa);

/// The instruction set whose kernels run: the smaller of detected and capped.
Isa active_isa();

}  // namespace kedge::cpu
