#pragma once
// A tokenizer's tokens as a tree of their bytes: what token masks are computed over.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/limits.h"
#include "grammar/mask_cache.h"
#include "kedge/tokenizer.h"

namespace kedge::grammar {

/// Nodes in the order of a walk that visits parents first; node 0 is the root. `skip[i]`: the first node that is not
/// below i. Tokens that end at node i are tokens[first_token[i] .. first_token[i + 1]).
struct TokenTree {
  std::vector<uint8_t> depth, byte;  // of a node; of the edge to it
  std::vector<uint32_t> skip, first_token;
  std::vector<TokenId> tokens;

  [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(byte.size()); }
  [[nodiscard]] bool has_children(uint32_t node) const { return skip[node] > node + 1; }
};

/// Immutable but for its cache of masks; safe from any thread.
class Vocabulary {
 public:
  /// `end_tokens`: those that end an answer.
  static std::shared_ptr<const Vocabulary> create(const Tokenizer& tokenizer, std::span<const TokenId> end_tokens);

  [[nodiscard]] size_t size() const { return bytes_.size(); }
  [[nodiscard]] size_t mask_words() const { return (size() + 63) / 64; }
  /// Empty for special tokens.
  [[nodiscard]] std::string_view bytes(TokenId token) const;
  [[nodiscard]] std::span<const TokenId> end_tokens() const { return end_tokens_; }
  [[nodiscard]] bool is_end(TokenId token) const;
  /// Tokens of at most kLookaheadBytes, and the longer ones.
  [[nodiscard]] const TokenTree& tree() const { return tree_; }
  [[nodiscard]] const TokenTree& long_tree() const { return long_tree_; }
  /// The first token of an answer loses a space at its start (SentencePiece's dummy prefix).
  [[nodiscard]] bool drops_first_space() const { return drops_first_space_; }
  [[nodiscard]] MaskCache& masks() const { return masks_; }

 private:
  std::vector<std::string> bytes_;
  std::vector<TokenId> end_tokens_;
  TokenTree tree_, long_tree_;
  bool drops_first_space_ = false;
  mutable MaskCache masks_;
};

/// Tokens in any order; `bytes[id]` must not be empty. REQUIRES: shorter than 256 bytes.
TokenTree make_token_tree(const std::vector<std::string>& bytes, std::vector<TokenId> tokens);

}  // namespace kedge::grammar
