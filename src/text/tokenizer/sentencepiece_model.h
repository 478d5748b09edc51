#pragma once
// tokenizer.model of the sentencepiece library: a protocol buffer with pieces, scores and settings.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"
#include "text/tokenizer/pipeline.h"
#include "text/tokenizer/tokenizer_config.h"

namespace kedge::text {

/// A vocabulary in SentencePiece's terms, wherever it comes from.
struct SentencePieces {
  enum class Type : uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  enum class Algorithm { unigram, bpe };

  struct Piece {
    std::string_view text;  // of the file
    float score = 0;
    Type type = Type::normal;
  };

  std::vector<Piece> pieces;
  Algorithm algorithm = Algorithm::unigram;
  bool byte_fallback = false;
  bool space_is_suffix = false;
  std::string unknown_surface = " \xE2\x81\x87 ";
  std::string bos_piece = "<s>";
  std::string eos_piece = "</s>";
  std::string_view charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

/// Reads the protocol buffer; views refer to `bytes`. Fails with corrupt_data or unsupported.
Result<SentencePieces> parse_sentencepiece_model(std::string_view bytes);

/// Parts whose ids and texts are those of the sentencepiece library. Control pieces become special tokens. `config`:
/// further tokens, and which of bos and eos a text gets (bos, where it does not say).
Result<TokenizerParts> make_sentencepiece_parts(const SentencePieces& pieces, const TokenizerConfig& config);

/// Both together. `name` begins the messages.
Result<std::shared_ptr<const Tokenizer>> load_sentencepiece_model(std::string_view bytes, std::string_view name,
                                                                  const TokenizerConfig& config);

}  // namespace kedge::text
