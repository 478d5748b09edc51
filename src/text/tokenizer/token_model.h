#pragma once
// What turns prepared text into ids: the common face of BPE, Unigram and WordPiece.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/tokenizer.h"
#include "text/tokenizer/huge_page_allocator.h"
#include "text/tokenizer/word_cache.h"

namespace kedge::text {

/// Memory that one call of `encode` works in, kept between calls. One thread at a time; belongs to one model.
struct EncodeWorkspace {
  struct Symbol {
    uint32_t id = 0;
    uint32_t begin = 0;   // its bytes in the word
    uint32_t rank = 0;    // of the merge with the next symbol
    uint32_t merged = 0;  // what that merge makes
    uint32_t previous = 0;
    uint32_t next = 0;
  };
  struct BestPath {
    double score = 0;
    uint32_t begin = 0;
    TokenId id = -1;
  };

  // A long word walks all over these.
  using Symbols = std::vector<Symbol, HugePageAllocator<Symbol>>;
  using Paths = std::vector<BestPath, HugePageAllocator<BestPath>>;
  using Candidates = std::vector<uint64_t, HugePageAllocator<uint64_t>>;  // rank << 32 | position

  WordCache cache;
  Symbols symbols;
  Candidates candidates;
  Paths paths;
  std::string normalized;

  /// Gives back what one huge text has left behind.
  void release_large_buffers() {
    constexpr size_t kKeptMax = size_t{1} << 16;
    if (symbols.capacity() > kKeptMax) symbols = {};
    if (candidates.capacity() > kKeptMax) candidates = {};
    if (paths.capacity() > kKeptMax) paths = {};
    if (normalized.capacity() > (kKeptMax << 4)) normalized = {};
  }
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;

  /// Appends the ids of `word`: one piece of the pre-tokenizer, normalized. Any bytes. Safe from any thread that
  /// brings its own workspace.
  virtual void encode(std::string_view word, EncodeWorkspace& workspace, std::vector<TokenId>& ids) const = 0;
};

/// What becomes of a character that no token of the vocabulary covers.
struct UnknownPolicy {
  static constexpr TokenId kNone = -1;

  TokenId unknown = kNone;           // kNone: the character is dropped
  bool fuse = true;                  // a run of such characters is one unknown token
  std::vector<TokenId> byte_tokens;  // 256 ids (kNone for a missing one) or empty: spell the character as bytes instead

  [[nodiscard]] bool has_bytes_for(std::string_view character) const {
    return !byte_tokens.empty() && std::all_of(character.begin(), character.end(), [&](char byte) {
      return byte_tokens[static_cast<uint8_t>(byte)] != kNone;
    });
  }
};

}  // namespace kedge::text
