#pragma once
// Tokenizers: text to token ids and back, for every format that a checkpoint ships with.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"

namespace kedge {

using TokenId = int32_t;

struct EncodeOptions {
  bool add_special = false;   // add the tokenizer's own BOS/EOS ([CLS]/[SEP]) as its post-processor says
  bool parse_special = true;  // special strings inside the text become special tokens; false: plain text
};

/// Turns a stream of ids into text that is always whole characters. One stream, one thread.
class StreamDecoder {
 public:
  virtual ~StreamDecoder() = default;

  /// The text that `id` completes: "" while a character is unfinished.
  virtual std::string push(TokenId id) = 0;

  /// What is left at the end; bytes that do not decode become U+FFFD.
  virtual std::string flush() = 0;
};

/// One vocabulary with its rules. Immutable; safe to use from any thread.
class Tokenizer {
 public:
  /// `path`: tokenizer.json, tokenizer.model, tekken.json, vocab.txt, a .gguf file, or a folder that holds one of
  /// them (tokenizer.json is preferred; tokenizer_config.json and added_tokens.json beside it are read).
  /// Fails with not_found, corrupt_data or unsupported.
  static Result<std::shared_ptr<const Tokenizer>> open(const std::filesystem::path& path);

  virtual ~Tokenizer() = default;

  /// Ids of `text`, any bytes. No truncation, no padding. Fails with invalid_input only past the size limit.
  [[nodiscard]] virtual Result<std::vector<TokenId>> encode(std::string_view text,
                                                            const EncodeOptions& options) const = 0;

  /// Ids of two texts joined by the tokenizer's own pair template (BERT: [CLS] a [SEP] b [SEP]).
  [[nodiscard]] virtual Result<std::vector<TokenId>> encode_pair(std::string_view a, std::string_view b) const = 0;

  /// Valid UTF-8; bytes that do not decode become U+FFFD. Ids outside the vocabulary yield nothing.
  [[nodiscard]] virtual std::string decode(std::span<const TokenId> ids, bool skip_special) const = 0;

  [[nodiscard]] virtual std::unique_ptr<StreamDecoder> stream(bool skip_special) const = 0;

  /// The raw bytes that `id` stands for inside a text ("" for an unknown id): what a grammar or a logprob prints.
  [[nodiscard]] virtual std::string token_bytes(TokenId id) const = 0;

  /// The token as the vocabulary spells it ("Ġhello", "▁hello", "<0x0A>", "<|eot_id|>").
  [[nodiscard]] virtual std::string_view token_text(TokenId id) const = 0;

  /// The id of a vocabulary or added token spelled exactly so.
  [[nodiscard]] virtual std::optional<TokenId> find(std::string_view token) const = 0;

  [[nodiscard]] virtual bool is_special(TokenId id) const = 0;
  [[nodiscard]] virtual size_t vocabulary_size() const = 0;  // highest id + 1
  [[nodiscard]] virtual std::optional<TokenId> bos() const = 0;
  [[nodiscard]] virtual std::optional<TokenId> eos() const = 0;
};

}  // namespace kedge
