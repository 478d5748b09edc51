#include "engine/block_hash.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

namespace kedge::engine {
namespace {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  }
  void absorb(uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  [[nodiscard]] uint64_t word() const { return v0 ^ v1 ^ v2 ^ v3; }
};

}  // namespace

HashKey random_hash_key() {
  std::random_device device;
  const auto word = [&] { return (static_cast<uint64_t>(device()) << 32) | device(); };
  return {word(), word()};
}

BlockHash siphash128(const HashKey& key, std::span<const std::byte> bytes) {
  SipState state{key[0] ^ 0x736f6d6570736575U, key[1] ^ 0x646f72616e646f6dU ^ 0xeeU, key[0] ^ 0x6c7967656e657261U,
                 key[1] ^ 0x7465646279746573U};
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    state.absorb(word);
  }
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  for (size_t i = 0; at + i < bytes.size(); ++i) last |= static_cast<uint64_t>(bytes[at + i]) << (8 * i);
  state.absorb(last);
  state.v2 ^= 0xeeU;
  state.rounds(4);
  BlockHash hash;
  hash.low = state.word();
  state.v1 ^= 0xddU;
  state.rounds(4);
  hash.high = state.word();
  return hash;
}

std::vector<BlockHash> hash_blocks(const HashKey& key, std::span<const TokenId> tokens, int64_t block_tokens,
                                   const BlockSalt& salt) {
  const auto size = static_cast<size_t>(block_tokens);
  const int64_t fixed[] = {salt.rope, std::bit_cast<int64_t>(salt.adapter.low),
                           std::bit_cast<int64_t>(salt.adapter.high)};
  std::vector<std::byte> input(sizeof(fixed) + salt.text.size());
  std::memcpy(input.data(), fixed, sizeof(fixed));
  std::ranges::copy(std::as_bytes(std::span(salt.text)), input.begin() + sizeof(fixed));
  BlockHash chain = siphash128(key, input);
  input.resize(sizeof(chain) + size * sizeof(TokenId));
  std::vector<BlockHash> hashes;
  hashes.reserve(tokens.size() / size);
  for (size_t first = 0; first + size <= tokens.size(); first += size) {
    std::memcpy(input.data(), &chain, sizeof(chain));
    std::memcpy(input.data() + sizeof(chain), tokens.data() + first, size * sizeof(TokenId));
    chain = siphash128(key, input);
    hashes.push_back(chain);
  }
  return hashes;
}

}  // namespace kedge::engine
