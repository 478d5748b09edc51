#pragma once
// A vocabulary as a file spells it, and as its model reads it.

#include <optional>
#include <string>
#include <string_view>

#include "kedge/result.h"
#include "kedge/tokenizer.h"
#include "text/tokenizer/token_table.h"

namespace kedge::text {

/// Tokens by id, in two forms. The spelling is what the file says ("Ġhello"); the piece is what the model matches
/// (" hello"). They differ in byte-level vocabularies only. Immutable once built.
class Vocabulary {
 public:
  enum class Spelling { plain, byte_alphabet };

  explicit Vocabulary(Spelling spelling) : spelling_(spelling) {}

  void reserve(size_t tokens, size_t bytes);

  /// Fails with corrupt_data: id or token beyond its limit, an id that is taken, or a spelling that is not UTF-8.
  Status add(int64_t id, std::string_view spelled);

  /// A token whose piece the file gives as raw bytes; `spelled` is for people.
  Status add_piece(int64_t id, std::string_view piece, std::string_view spelled);

  /// A token that has an id and a spelling but that no text turns into.
  Status add_unmatched(int64_t id, std::string_view spelled);

  [[nodiscard]] std::optional<TokenId> find(std::string_view spelled) const;

  /// The same in two steps, so that the memory which many searches need is fetched at the same time. `prepare` may be
  /// called again and again with one Search; `spelled` must outlive it.
  struct Search {
    std::string_view spelled;
    std::string bytes;  // of a byte-level token
    std::optional<TokenTable::Search> piece;
  };
  void prepare(std::string_view spelled, Search& search) const;
  [[nodiscard]] std::optional<TokenId> find(const Search& search) const;

  /// Whether no two ids have one spelling.
  [[nodiscard]] bool is_unique() const { return unique_ && pieces_.finds_all(); }
  [[nodiscard]] std::optional<TokenId> find_piece(std::string_view piece) const { return pieces_.find(piece); }
  [[nodiscard]] std::optional<TokenId> find_piece(const TokenTable::Search& search) const {
    return pieces_.find(search);
  }
  [[nodiscard]] TokenTable::Search prepare_piece(std::string_view piece) const { return pieces_.prepare(piece); }
  [[nodiscard]] std::string_view spelled(TokenId id) const;
  [[nodiscard]] std::string_view piece(TokenId id) const { return pieces_.text(id); }
  [[nodiscard]] bool has_piece(TokenId id) const { return pieces_.contains(id); }
  [[nodiscard]] bool contains(TokenId id) const { return pieces_.contains(id) || spelled_.contains(id); }
  [[nodiscard]] bool byte_level() const { return spelling_ == Spelling::byte_alphabet; }
  [[nodiscard]] size_t id_end() const { return std::max(pieces_.id_end(), spelled_.id_end()); }
  [[nodiscard]] size_t piece_bytes_max() const { return pieces_.bytes_max(); }

 private:
  void index_spelled(TokenId id, std::string_view spelled);
  Status check_new(int64_t id, std::string_view spelled) const;

  Spelling spelling_;
  TokenTable pieces_;
  TokenTable spelled_;  // where it differs from the piece
  bool unique_ = true;  // as far as `pieces_` does not know
  std::string bytes_;   // of `add`
};

}  // namespace kedge::text
