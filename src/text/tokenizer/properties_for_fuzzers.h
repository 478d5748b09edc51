#pragma once
// Fuzzers only: what must hold for any tokenizer that opened and any bytes as a text.

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "kedge/tokenizer.h"
#include "text/unicode/utf8.h"

namespace kedge::text {

inline void check_ids(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
  for (const TokenId id : ids) KEDGE_CHECK(id >= 0 && static_cast<size_t>(id) < tokenizer.vocabulary_size());
}

/// Whether two texts are the same character by character, but where the second has U+FFFD: a byte token that comes late
/// can spoil a run of byte tokens whose first characters were released before.
inline bool agree_but_for_broken_bytes(std::string_view released, std::string_view decoded) {
  while (!released.empty() && !decoded.empty()) {
    const std::string_view mine = released.substr(0, decode_character(released).size);
    const std::string_view whole = decoded.substr(0, decode_character(decoded).size);
    if (mine != whole && whole != kReplacementText) return false;
    released.remove_prefix(mine.size());
    decoded.remove_prefix(whole.size());
  }
  return released.empty() && decoded.empty();
}

/// Pieces are whole characters and make up the decoded text, whatever the ids.
inline void check_stream(const Tokenizer& tokenizer, std::span<const TokenId> ids, bool skip_special) {
  const auto stream = tokenizer.stream(skip_special);
  std::string joined;
  for (const TokenId id : ids) {
    const std::string piece = stream->push(id);
    KEDGE_CHECK(is_valid_utf8(piece));
    joined += piece;
  }
  const std::string rest = stream->flush();
  KEDGE_CHECK(is_valid_utf8(rest));
  KEDGE_CHECK(agree_but_for_broken_bytes(joined + rest, tokenizer.decode(ids, skip_special)));
}

/// Encodes and decodes in every way.
inline void check_text(const Tokenizer& tokenizer, std::string_view text) {
  for (const bool add_special : {false, true}) {
    for (const bool parse_special : {false, true}) {
      const auto ids = tokenizer.encode(text, {.add_special = add_special, .parse_special = parse_special});
      if (!ids.ok()) {
        KEDGE_CHECK(!ids.error().message.empty());
        continue;
      }
      check_ids(tokenizer, ids.value());
      check_stream(tokenizer, ids.value(), add_special);
      // The word cache and the buffers of the first call must not show in the second.
      const auto again = tokenizer.encode(text, {.add_special = add_special, .parse_special = parse_special});
      KEDGE_CHECK(again.ok() && again.value() == ids.value());
    }
  }
  const auto pair = tokenizer.encode_pair(text, text.substr(text.size() / 2));
  if (pair.ok()) check_ids(tokenizer, pair.value());
}

/// A tokenizer of bytes from outside: texts taken from these bytes, which hold its tokens, and a plain one.
inline void check_tokenizer(const Tokenizer& tokenizer, std::string_view bytes) {
  constexpr size_t kTextBytesMax = 512;  // longer ones only make the fuzzer slow
  check_text(tokenizer, bytes.substr(0, kTextBytesMax));
  check_text(tokenizer, bytes.substr(bytes.size() - std::min(bytes.size(), kTextBytesMax)));
  check_text(tokenizer, "Hello  world's\n\n\t123 h\xC3\xA9llo \xE2\x96\x81<s></s>[UNK]\xF0\x9F\x98\x80\xFF\xE4\xB8");
  std::vector<TokenId> ids = {-1, static_cast<TokenId>(tokenizer.vocabulary_size())};
  for (size_t i = 0; i < std::min<size_t>(tokenizer.vocabulary_size(), kTextBytesMax); ++i) {
    const auto id = static_cast<TokenId>(i);
    ids.push_back(id);
    static_cast<void>(tokenizer.token_bytes(id).size() + static_cast<size_t>(tokenizer.is_special(id)));
    static_cast<void>(tokenizer.find(tokenizer.token_text(id)).has_value());
  }
  for (const bool skip_special : {false, true}) check_stream(tokenizer, ids, skip_special);
  if (tokenizer.bos().has_value()) check_ids(tokenizer, std::vector{*tokenizer.bos()});
  if (tokenizer.eos().has_value()) check_ids(tokenizer, std::vector{*tokenizer.eos()});
}

}  // namespace kedge::text
