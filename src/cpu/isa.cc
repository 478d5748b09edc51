#include "cpu/isa.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>

namespace kedge::cpu {
namespace {

constexpr std::array<std::string_view, std::size(kIsas)> kNames = {"scalar",      "avx2",        "avx_vnni", "avx512",
                                                                   "avx512_vnni", "avx512_bf16", "amx"};

std::atomic<Isa> cap{Isa::amx};

// Clang 16 has no __builtin_cpu_supports("f16c").
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

// Its registers are those of AVX2, which the operating system saves.
bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & 1U << 4) != 0;
}

// Tile registers are 8 KiB of state that Linux keeps for a process only when asked (arch_prctl, since 5.16); it answers
// with an error where CPU, kernel or hypervisor have none.
bool has_amx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  constexpr unsigned kAmxBf16 = 1U << 22, kAmxTile = 1U << 24, kAmxInt8 = 1U << 25;
  if ((edx & (kAmxBf16 | kAmxTile | kAmxInt8)) != (kAmxBf16 | kAmxTile | kAmxInt8)) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// The compiler's reader of CPUID also asks the operating system (XGETBV) whether it saves the registers.
Isa detect() {
  if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c())) return Isa::scalar;
  if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))) {
    return has_avx_vnni() ? Isa::avx_vnni : Isa::avx2;
  }
  if (!__builtin_cpu_supports("avx512vnni")) return Isa::avx512;
  if (!__builtin_cpu_supports("avx512bf16")) return Isa::avx512_vnni;
  return has_amx() ? Isa::amx : Isa::avx512_bf16;
}

}  // namespace

std::string_view name_of(Isa isa) {
  return kNames[static_cast<size_t>(isa)];
}

std::optional<Isa> isa_from_name(std::string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Isa>(found - kNames.begin());
}

Isa detected_isa() {
  static const Isa detected = detect();
  return detected;
}

bool can_run(Isa isa) {
  if (isa != Isa::avx_vnni) return isa <= detected_isa();
  static const bool runs = detected_isa() >= Isa::avx2 && has_avx_vnni();
  return runs;
}

void cap_isa(Isa isa) {
  cap.store(isa, std::memory_order_relaxed);
}

Isa active_isa() {
  const Isa isa = std::min(detected_isa(), cap.load(std::memory_order_relaxed));
  return can_run(isa) ? isa : Isa::avx2;  // a cap between two that it can run
}

}  // namespace kedge::cpu
