#pragma once
// How many products a core makes at best: chains of multiply-adds that never leave the registers.

#include <cstddef>
#include <cstdint>

#include "cpu/kernel_table.h"

namespace kedge::cpu {
namespace {

// Enough chains to hide the latency of every multiply-add on two ports (Intel and AMD: 4 to 6 cycles), and with two
// operands they fit sixteen registers.
constexpr int kPeakChains = 12;

/// `Products` has the vector types Sum and Operand, none(), ones(), add(sum, ones) and total(sum).
// Bound: kPeakChains * rounds multiply-adds over the ports that have them; nothing is loaded or stored.
template <typename Products>
double peak(int64_t rounds) {
  typename Products::Sum sums[kPeakChains];
  for (auto& sum : sums) sum = Products::none();
  typename Products::Operand ones = Products::ones();
  for (int64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) {
      asm volatile("" : "+v"(ones));  // a value that the compiler does not know, so that it computes every product
      sum = Products::add(sum, ones);
    }
  }
  double total = 0.0;
  for (const auto& sum : sums) total += Products::total(sum);
  return total;
}

/// The total of a register of floats or of 32-bit integers.
template <typename Element, typename Register>
double total_of(const Register& sum) {
  Element lanes[sizeof(Register) / sizeof(Element)];
  __builtin_memcpy(lanes, &sum, sizeof(lanes));
  double total = 0.0;
  for (const Element lane : lanes) total += static_cast<double>(lane);
  return total;
}

}  // namespace
}  // namespace kedge::cpu
