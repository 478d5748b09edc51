#pragma once
// Names of full pages of the KV cache: what a page holds depends on its tokens and on all before them, so that a page's
// name is a chain of keyed hashes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kedge/tokenizer.h"

namespace kedge::engine {

struct BlockHash {
  uint64_t low = 0, high = 0;
  bool operator==(const BlockHash&) const = default;
};

struct BlockHashHasher {
  size_t operator()(const BlockHash& hash) const { return static_cast<size_t>(hash.low); }
};

using HashKey = std::array<uint64_t, 2>;

/// A key that nobody else knows.
HashKey random_hash_key();

/// SipHash-2-4 with 128 bits (Aumasson and Bernstein 2012): who does not know the key cannot find two inputs alike, so
/// that no request can be made to meet another's pages.
BlockHash siphash128(const HashKey& key, std::span<const std::byte> bytes);

/// What keys and values depend on besides tokens.
struct BlockSalt {
  int64_t rope = 0;       // Runtime::rope_key of the prompt
  std::string_view text;  // requests with another text share nothing with these
  BlockHash adapter;      // LoadedAdapter::digest; 0: none
};

/// One hash for every `block_tokens` tokens; what is left at the end has none.
std::vector<BlockHash> hash_blocks(const HashKey& key, std::span<const TokenId> tokens, int64_t block_tokens,
                                   const BlockSalt& salt);

}  // namespace kedge::engine
