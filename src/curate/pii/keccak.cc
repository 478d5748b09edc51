#include "curate/pii/keccak.h"

#include <array>
#include <bit>
#include <cstdint>
#include <utility>

namespace kedge::curate {
namespace {

using State = std::array<uint64_t, 25>;  // lane x + 5 y

constexpr size_t kRateBytes = 136, kDigestBytes = 32;
constexpr int kRounds = 24;

/// The round constants' bits are those of a shift register over x^8 + x^6 + x^5 + x^4 + 1.
uint64_t round_constant(uint8_t& bits) {
  uint64_t constant = 0;
  for (unsigned i = 0; i < 7; ++i) {
    if ((bits & 1) != 0) constant |= uint64_t{1} << ((1U << i) - 1);
    bits = static_cast<uint8_t>(bits << 1 ^ ((bits & 0x80) != 0 ? 0x71 : 0));
  }
  return constant;
}

void mix_columns(State& state) {
  std::array<uint64_t, 5> parity{};
  for (size_t i = 0; i < state.size(); ++i) parity[i % 5] ^= state[i];
  for (size_t i = 0; i < state.size(); ++i) {
    state[i] ^= parity[(i + 4) % 5] ^ std::rotl(parity[(i + 1) % 5], 1);
  }
}

void turn_and_move(State& state) {
  size_t x = 1, y = 0;
  uint64_t carried = state[1];
  for (unsigned t = 0; t < kRounds; ++t) {
    const size_t next = (2 * x + 3 * y) % 5;
    x = y;
    y = next;
    uint64_t& lane = state[x + 5 * y];
    std::swap(carried, lane);
    lane = std::rotl(lane, static_cast<int>((t + 1) * (t + 2) / 2 % 64));
  }
}

void permute(State& state) {
  uint8_t bits = 1;
  for (int round = 0; round < kRounds; ++round) {
    mix_columns(state);
    turn_and_move(state);
    for (size_t row = 0; row < state.size(); row += 5) {
      std::array<uint64_t, 5> old{};
      for (size_t x = 0; x < 5; ++x) old[x] = state[row + x];
      for (size_t x = 0; x < 5; ++x) state[row + x] = old[x] ^ (~old[(x + 1) % 5] & old[(x + 2) % 5]);
    }
    state[0] ^= round_constant(bits);
  }
}

void add_byte(State& state, size_t at, uint8_t byte) {
  state[at / 8] ^= uint64_t{byte} << at % 8 * 8;
}

}  // namespace

std::string keccak256(std::string_view bytes) {
  State state{};
  size_t at = 0;
  for (const char byte : bytes) {
    add_byte(state, at++, static_cast<uint8_t>(byte));
    if (at < kRateBytes) continue;
    permute(state);
    at = 0;
  }
  add_byte(state, at, 0x01);
  add_byte(state, kRateBytes - 1, 0x80);
  permute(state);
  std::string digest;
  for (size_t i = 0; i < kDigestBytes; ++i) digest += static_cast<char>(state[i / 8] >> i % 8 * 8);
  return digest;
}

}  // namespace kedge::curate
