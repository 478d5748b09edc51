#include "text/tokenizer/vocabulary.h"

#include <fmt/format.h>

#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/limits.h"
#include "text/unicode/utf8.h"

namespace kedge::text {

void Vocabulary::reserve(size_t tokens, size_t bytes) {
  tokens = std::min(tokens, kTokenCountMax);
  pieces_.reserve(tokens, bytes);
  if (byte_level()) spelled_.reserve_texts(tokens, bytes + bytes / 2);
}

namespace {

/// What people see of a token, and what decoding gives out, is text.
Status check_utf8(int64_t id, std::string_view spelled) {
  if (is_valid_utf8(spelled)) return Done{};
  std::string readable;
  append_lossy(readable, spelled.substr(0, 64));
  return Error{ErrorKind::corrupt_data, fmt::format("token {} '{}' is not UTF-8", id, readable)};
}

}  // namespace

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
  KEDGE_TRY(check_utf8(id, spelled));
  KEDGE_TRY(check_new(id, spelled));
  const auto token = static_cast<TokenId>(id);
  unique_ = unique_ && !spelled_.find(spelled).has_value();
  if (spelling_ == Spelling::plain) {
    pieces_.add(token, spelled);
    return Done{};
  }
  bytes_.clear();
  if (!append_spelled_bytes(bytes_, spelled)) {
    index_spelled(token, spelled);
    return Done{};
  }
  pieces_.add(token, bytes_);
  spelled_.add_text(token, spelled);
  return Done{};
}

Status Vocabulary::add_piece(int64_t id, std::string_view piece, std::string_view spelled) {
  KEDGE_TRY(check_new(id, piece));
  KEDGE_TRY(check_new(id, spelled));
  pieces_.add(static_cast<TokenId>(id), piece);
  spelled_.add_text(static_cast<TokenId>(id), spelled);
  unique_ = false;  // different bytes may look the same
  return Done{};
}

Status Vocabulary::add_unmatched(int64_t id, std::string_view spelled) {
  KEDGE_TRY(check_utf8(id, spelled));
  KEDGE_TRY(check_new(id, spelled));
  index_spelled(static_cast<TokenId>(id), spelled);
  return Done{};
}

void Vocabulary::index_spelled(TokenId id, std::string_view spelled) {
  unique_ = unique_ && !find(spelled).has_value();
  spelled_.add(id, spelled);
}

std::optional<TokenId> Vocabulary::find(std::string_view spelled) const {
  Search search;
  prepare(spelled, search);
  return find(search);
}

void Vocabulary::prepare(std::string_view spelled, Search& search) const {
  search.spelled = spelled;
  search.piece.reset();
  if (spelling_ == Spelling::plain) {
    search.piece = pieces_.prepare(spelled);
    return;
  }
  search.bytes.clear();
  if (append_spelled_bytes(search.bytes, spelled)) search.piece = pieces_.prepare(search.bytes);
}

std::optional<TokenId> Vocabulary::find(const Search& search) const {
  if (const auto id = spelled_.find(search.spelled)) return id;
  return search.piece.has_value() ? pieces_.find(*search.piece) : std::nullopt;
}

std::string_view Vocabulary::spelled(TokenId id) const {
  return spelled_.contains(id) ? spelled_.text(id) : pieces_.text(id);
}

}  // namespace kedge::text
