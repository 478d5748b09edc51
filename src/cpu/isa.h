#pragma once
// Instruction sets that kedge has kernels for, and the one in use.

#include <cstdint>
#include <optional>
#include <string_view>

namespace kedge::cpu {

/// From the narrowest. Each includes those before it, but for avx_vnni: CPUs with any of AVX-512 may lack it.
enum class Isa : uint8_t { scalar, avx2, avx_vnni, avx512, avx512_vnni, avx512_bf16, amx };
inline constexpr Isa kIsas[] = {Isa::scalar,      Isa::avx2,        Isa::avx_vnni, Isa::avx512,
                                Isa::avx512_vnni, Isa::avx512_bf16, Isa::amx};

/// Whether whatever runs `isa` runs kernels of `other` too.
constexpr bool includes(Isa isa, Isa other) {
  return other <= isa && (other != Isa::avx_vnni || isa == Isa::avx_vnni);
}

std::string_view name_of(Isa isa);
std::optional<Isa> isa_from_name(std::string_view name);

/// The widest that this CPU can run (CPUID).
Isa detected_isa();
bool can_run(Isa isa);

/// Caps the instruction set of every later call (KEDGE_ISA, tests). Call before any kernel runs.
void cap_isa(Isa isa);

/// The instruction set whose kernels run: the widest that the CPU can run and the cap allows.
Isa active_isa();

}  // namespace kedge::cpu
