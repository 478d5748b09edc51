#include "grammar/vocabulary.h"

#include <algorithm>

namespace kedge::grammar {
namespace {

constexpr size_t kTokenBytesMax = 255;

/// Whether decoding takes a space off the start of a text that begins with such a token.
bool drops_space(const Tokenizer& tokenizer, const std::vector<std::string>& bytes) {
  for (size_t id = 0; id < bytes.size(); ++id) {
    if (bytes[id].size() < 2 || bytes[id][0] != ' ' || bytes[id][1] == ' ') continue;
    const std::unique_ptr<StreamDecoder> stream = tokenizer.stream(true);
    std::string text = stream->push(static_cast<TokenId>(id));
    text += stream->flush();
    return !text.starts_with(' ');
  }
  return false;
}

}  // namespace

TokenTree make_token_tree(const std::vector<std::string>& bytes, std::vector<TokenId> tokens) {
  const auto bytes_of = [&](TokenId token) -> const std::string& { return bytes[static_cast<size_t>(token)]; };
  std::ranges::sort(tokens, [&](TokenId a, TokenId b) {
    const int order = bytes_of(a).compare(bytes_of(b));
    return order != 0 ? order < 0 : a < b;
  });
  TokenTree tree;
  std::vector<uint32_t> path;  // the node at each depth
  const auto add_node = [&](uint8_t depth, uint8_t byte) {
    path.resize(depth);
    path.push_back(tree.size());
    tree.depth.push_back(depth);
    tree.byte.push_back(byte);
    tree.first_token.push_back(static_cast<uint32_t>(tree.tokens.size()));
  };
  add_node(0, 0);
  std::string_view before;
  for (const TokenId token : tokens) {
    const std::string_view text = bytes_of(token);
    const auto common = static_cast<size_t>(std::ranges::mismatch(before, text).in1 - before.begin());
    // Equal bytes: one node has both.
    for (size_t i = common; i < text.size(); ++i) {
      add_node(static_cast<uint8_t>(i + 1), static_cast<uint8_t>(text[i]));
    }
    tree.tokens.push_back(token);
    before = text;
  }
  tree.first_token.push_back(static_cast<uint32_t>(tree.tokens.size()));
  tree.skip.resize(tree.size());
  std::vector<uint32_t> open;
  for (uint32_t node = 0; node < tree.size(); ++node) {
    while (!open.empty() && tree.depth[open.back()] >= tree.depth[node]) {
      tree.skip[open.back()] = node;
      open.pop_back();
    }
    open.push_back(node);
  }
  for (const uint32_t node : open) tree.skip[node] = tree.size();
  return tree;
}

std::shared_ptr<const Vocabulary> Vocabulary::create(const Tokenizer& tokenizer, std::span<const TokenId> end_tokens) {
  auto vocabulary = std::make_shared<Vocabulary>();
  const size_t size = tokenizer.vocabulary_size();
  vocabulary->bytes_.resize(size);
  std::vector<TokenId> short_tokens, long_tokens;
  for (size_t i = 0; i < size; ++i) {
    const auto id = static_cast<TokenId>(i);
    if (tokenizer.is_special(id) || std::ranges::find(end_tokens, id) != end_tokens.end()) continue;
    std::string bytes = tokenizer.token_bytes(id);
    if (bytes.empty() || bytes.size() > kTokenBytesMax) continue;
    (bytes.size() > kLookaheadBytes ? long_tokens : short_tokens).push_back(id);
    vocabulary->bytes_[i] = std::move(bytes);
  }
  for (const TokenId token : end_tokens) {
    if (token >= 0 && static_cast<size_t>(token) < size) vocabulary->end_tokens_.push_back(token);
  }
  vocabulary->tree_ = make_token_tree(vocabulary->bytes_, std::move(short_tokens));
  vocabulary->long_tree_ = make_token_tree(vocabulary->bytes_, std::move(long_tokens));
  vocabulary->drops_first_space_ = drops_space(tokenizer, vocabulary->bytes_);
  return vocabulary;
}

std::string_view Vocabulary::bytes(TokenId token) const {
  return token >= 0 && static_cast<size_t>(token) < bytes_.size() ? std::string_view(bytes_[static_cast<size_t>(token)])
                                                                  : std::string_view();
}

bool Vocabulary::is_end(TokenId token) const {
  return std::ranges::find(end_tokens_, token) != end_tokens_.end();
}

}  // namespace kedge::grammar
