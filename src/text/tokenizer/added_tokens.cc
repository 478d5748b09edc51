#include "text/tokenizer/added_tokens.h"

#include <fmt/format.h>

#include "text/tokenizer/limits.h"
#include "text/unicode/character.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

bool begins_with_word(std::string_view text) {
  return !text.empty() && is_word_character(decode_character(text).code);
}

/// The last character of `text`. REQUIRES: not empty.
DecodedCharacter last_character(std::string_view text) {
  for (size_t size = 1; size <= std::min<size_t>(4, text.size()); ++size) {
    const DecodedCharacter character = decode_character(text.substr(text.size() - size));
    if (character.code != kInvalidCharacter && character.size == size) return character;
  }
  return {};
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && is_word_character(last_character(text).code);
}

size_t leading_space(std::string_view text) {
  size_t size = 0;
  while (size < text.size()) {
    const DecodedCharacter character = decode_character(text.substr(size));
    if ((character_flags(character.code) & kSpace) == 0) break;
    size += character.size;
  }
  return size;
}

/// White space at the end of `text`, counting at most down to its first `settled` bytes.
size_t trailing_space(std::string_view text, size_t settled) {
  size_t size = 0;
  while (text.size() > settled) {
    const DecodedCharacter character = last_character(text);
    if ((character_flags(character.code) & kSpace) == 0) break;
    size += character.size;
    text.remove_suffix(character.size);
  }
  return size;
}

}  // namespace

Status AddedTokens::add(AddedToken token) {
  if (token.content.empty() || token.content.size() > kAddedTokenBytesMax) {
    return Error{ErrorKind::corrupt_data, fmt::format("added token {} has {} bytes, expected 1 to {}", token.id,
                                                      token.content.size(), kAddedTokenBytesMax)};
  }
  if (token.id < 0 || static_cast<size_t>(token.id) >= kTokenCountMax) {
    return Error{ErrorKind::corrupt_data, fmt::format("added token '{}' has id {}, expected 0 to {}", token.content,
                                                      token.id, kTokenCountMax - 1)};
  }
  if (index_.contains(token.id)) return Done{};
  if (!token.normalized) plain_.add(token.content, static_cast<uint32_t>(token.id));
  index_.emplace(token.id, tokens_.size());
  tokens_.push_back(std::move(token));
  return Done{};
}

const AddedToken* AddedTokens::find(TokenId id) const {
  const auto entry = index_.find(id);
  return entry == index_.end() ? nullptr : &tokens_[entry->second];
}

std::optional<TokenId> AddedTokens::find(std::string_view content) const {
  for (const AddedToken& token : tokens_) {
    if (token.content == content) return token.id;
  }
  return std::nullopt;
}

bool AddedTokens::is_special(TokenId id) const {
  const AddedToken* token = find(id);
  return token != nullptr && token->special;
}

void AddedTokens::index_normalized(std::string_view normalized_content, TokenId id) {
  if (!normalized_content.empty()) normalized_.add(normalized_content, static_cast<uint32_t>(id));
}

std::optional<AddedTokens::Occurrence> AddedTokens::next_occurrence(const PrefixTrie& trie, std::string_view text,
                                                                    bool parse_special, size_t settled,
                                                                    size_t& position) const {
  while (true) {
    position = trie.next_candidate(text, position);
    if (position >= text.size()) return std::nullopt;
    const auto match = trie.longest(text.substr(position));
    if (!match.has_value()) {
      ++position;
      continue;
    }
    Occurrence found{static_cast<TokenId>(match->value), position, position + match->size};
    position = found.end;
    const AddedToken& token = *find(found.id);
    if (token.special && !parse_special) continue;
    const bool inside_word = ends_with_word(text.substr(0, found.begin)) || begins_with_word(text.substr(found.end));
    if (token.single_word && inside_word) continue;
    if (token.left_strip) found.begin -= trailing_space(text.substr(0, found.begin), std::min(settled, found.begin));
    if (token.right_strip) found.end += leading_space(text.substr(found.end));
    return found;
  }
}

}  // namespace kedge::text
