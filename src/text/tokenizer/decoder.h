#pragma once
// From tokens back to text, one token at a time.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kedge/result.h"
#include "kedge/tokenizer.h"

namespace kedge::text {

/// What is done to the text of one token, before tokens are joined.
struct TokenStep {
  enum class Kind {
    replace,    // `from` by `to`
    strip,      // up to `left` and `right` copies of `from` at the ends
    metaspace,  // `from` by a space; none at all in the first token if `drop_first`
    wordpiece,  // joins tokens that begin with `from`, puts a space before others; `clean_up` of English spacing
    suffix,     // `from` at the end by a space
    join        // a space before every token but the first
  };
  Kind kind = Kind::replace;
  std::string from;
  std::string to;
  size_t left = 0;
  size_t right = 0;
  bool drop_first = false;
  bool clean_up = false;
};

/// How bytes that were spelled as tokens of their own become text again.
enum class ByteTokens {
  none,
  all_or_nothing,  // tokenizer.json: a run that is not UTF-8 as a whole becomes one U+FFFD a byte
  by_character     // SentencePiece: only the bytes that belong to no character do
};

struct DecoderOptions {
  bool byte_level = false;  // pieces are bytes; the text is what they say together
  std::vector<TokenStep> steps;
  ByteTokens byte_tokens = ByteTokens::none;
  std::string strip_start;                         // a character that is dropped at the start of the whole text,
  size_t strip_start_max = 0;                      // at most so often
  bool drop_leading_space = false;                 // SentencePiece: the dummy prefix
  bool drop_all_leading_space = false;             // and whatever else its normalizer would remove
  std::unordered_map<TokenId, std::string> fixed;  // tokens with a text of their own ("" for control tokens)
};

/// What a decoder needs to know of one token.
struct DecodedToken {
  TokenId id = 0;
  std::string_view spelled;
  std::string_view bytes;  // byte level only
};

/// The text of a sequence of tokens as it grows. One thread.
class DecodeState {
 public:
  explicit DecodeState(const DecoderOptions& options) : options_(&options), strip_left_(options.strip_start_max) {}

  void push(const DecodedToken& token);

  /// Text that is settled and not yet taken: "" while it ends in the middle of a character or in U+FFFD, which more
  /// tokens could still change.
  std::string take();

  /// All the rest. Nothing may be pushed afterwards.
  std::string finish();

 private:
  void push_bytes(std::string_view bytes);
  void close_run();
  void settle_run_by_character();
  void settle(std::string_view text);
  [[nodiscard]] std::string_view without_start(std::string_view text, size_t& strip_left, bool& at_start) const;
  [[nodiscard]] std::string token_text(const DecodedToken& token);
  void drop_dummy_prefix(std::string& text);

  const DecoderOptions* options_;
  std::string settled_;   // decoded, not yet taken
  std::string run_;       // bytes whose text is still open
  size_t run_taken_ = 0;  // characters of the run's text that were taken already (all_or_nothing)
  size_t count_ = 0;      // tokens so far
  size_t strip_left_;
  bool at_start_ = true;  // strip_start may still apply
  bool any_text_ = false;
  bool prefix_dropped_ = false;
};

/// What one token stands for inside a text.
std::string bytes_of_token(const DecoderOptions& options, const DecodedToken& token);

}  // namespace kedge::text
