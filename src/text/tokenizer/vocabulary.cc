#include "text/tokenizer/vocabulary.h"

#include <fmt/format.h>

#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/limits.h"

namespace kedge::text {

void Vocabulary::reserve(size_t tokens, size_t bytes) {
  tokens = std::min(tokens, kTokenCountMax);
  pieces_.reserve(tokens, bytes);
}

Status Vocabulary::check_new(int64_t id, std::string_view spelled) const {
  if (id < 0 || static_cast<size_t>(id) >= kTokenCountMax) {
    return Error{ErrorKind::corrupt_data,
                 fmt::format("token '{}' has id {}, expected 0 to {}", spelled.substr(0, 64), id, kTokenCountMax - 1)};
  }
  if (spelled.size() > kTokenBytesMax) {
    return Error{ErrorKind::corrupt_data,
                 fmt::format("token {} has {} bytes, expected at most {}", id, spelled.size(), kTokenBytesMax)};
  }
  if (contains(static_cast<TokenId>(id))) {
    return Error{ErrorKind::corrupt_data, fmt::format("two tokens have id {}: '{}' and '{}'", id,
                                                      this->spelled(static_cast<TokenId>(id)), spelled.substr(0, 64))};
  }
  return Done{};
}

Status Vocabulary::add(int64_t id, std::string_view spelled) {
  KEDGE_TRY(check_new(id, spelled));
  const auto token = static_cast<TokenId>(id);
  if (spelling_ == Spelling::plain) {
    pieces_.add(token, spelled);
    return Done{};
  }
  std::string bytes;
  if (!append_spelled_bytes(bytes, spelled)) {
    spelled_.add(token, spelled);
    return Done{};
  }
  pieces_.add(token, bytes);
  spelled_.add_text(token, spelled);
  return Done{};
}

Status Vocabulary::add_piece(int64_t id, std::string_view piece, std::string_view spelled) {
  KEDGE_TRY(check_new(id, piece));
  KEDGE_TRY(check_new(id, spelled));
  pieces_.add(static_cast<TokenId>(id), piece);
  spelled_.add_text(static_cast<TokenId>(id), spelled);
  return Done{};
}

Status Vocabulary::add_unmatched(int64_t id, std::string_view spelled) {
  KEDGE_TRY(check_new(id, spelled));
  spelled_.add(static_cast<TokenId>(id), spelled);
  return Done{};
}

std::optional<TokenId> Vocabulary::find(std::string_view spelled) const {
  if (const auto id = spelled_.find(spelled)) return id;
  if (spelling_ == Spelling::plain) return pieces_.find(spelled);
  std::string bytes;
  if (!append_spelled_bytes(bytes, spelled)) return std::nullopt;
  return pieces_.find(bytes);
}

std::string_view Vocabulary::spelled(TokenId id) const {
  return spelled_.contains(id) ? spelled_.text(id) : pieces_.text(id);
}

}  // namespace kedge::text
