#include "text/tokenizer/sentencepiece_normalizer.h"

#include <utf8proc.h>

#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

constexpr std::string_view kSpaceSign = "\xE2\x96\x81";

class SentencePieceNormalizer : public Normalizer {
 public:
  explicit SentencePieceNormalizer(SentencePieceNormalizerOptions options) : options_(std::move(options)) {}

  [[nodiscard]] bool keeps(std::string_view text) const override { return text.empty(); }

  Status apply(std::string& text, bool at_start) const override {
    std::string_view rest = text;
    const bool trim = options_.remove_extra_whitespaces;
    while (trim && !rest.empty()) {
      const Charsmap::Match prefix = normalize_prefix(rest);
      if (prefix.replacement != " ") break;
      rest.remove_prefix(prefix.size);
    }
    std::string out;
    if (!rest.empty()) {
      out.reserve(rest.size() + rest.size() / 4 + 3);
      const bool dummy = options_.add_dummy_prefix && (at_start || !options_.dummy_prefix_only_at_start);
      if (dummy && !options_.space_is_suffix) append_space(out);
      if (is_simple() && is_valid_utf8(rest)) {
        append_escaped(rest, out);
      } else {
        KEDGE_TRY(append_normalized(rest, out));
      }
      if (trim) trim_end(out);
      if (dummy && options_.space_is_suffix) append_space(out);
    }
    text = std::move(out);
    return Done{};
  }

 private:
  [[nodiscard]] Charsmap::Match normalize_prefix(std::string_view text) const {
    if (options_.user_defined != nullptr) {
      if (const auto match = options_.user_defined->longest(text)) return {match->size, text.substr(0, match->size)};
    }
    if (options_.charsmap != nullptr) {
      if (const auto match = options_.charsmap->longest(text)) return *match;
    }
    const DecodedCharacter character = decode_character(text);
    if (character.code == kInvalidCharacter) return {1, kReplacementText};
    return {character.size, text.substr(0, character.size)};
  }

  void append_space(std::string& out) const { out.append(options_.escape_whitespaces ? kSpaceSign : " "); }

  /// Nothing but spaces changes in valid text: the case of the Llama and Mistral vocabularies.
  [[nodiscard]] bool is_simple() const { return options_.charsmap == nullptr && !options_.remove_extra_whitespaces; }

  void append_escaped(std::string_view text, std::string& out) const {
    while (!text.empty()) {
      const std::string_view word = text.substr(0, text.find(' '));
      out.append(word);
      text.remove_prefix(word.size());
      if (text.empty()) return;
      append_space(out);
      text.remove_prefix(1);
    }
  }

  Status append_normalized(std::string_view text, std::string& out) const {
    const size_t size = text.size();
    const bool trim = options_.remove_extra_whitespaces;
    bool after_space = trim;
    while (!text.empty()) {
      const Charsmap::Match prefix = normalize_prefix(text);
      text.remove_prefix(prefix.size);
      std::string_view piece = prefix.replacement;
      while (after_space && piece.starts_with(' ')) piece.remove_prefix(1);
      if (piece.empty()) continue;
      KEDGE_TRY(check_growth(size, out.size()));
      for (const char character : piece) {
        if (character == ' ') {
          append_space(out);
        } else {
          out.push_back(character);
        }
      }
      after_space = trim && piece.ends_with(' ');
    }
    return Done{};
  }

  void trim_end(std::string& out) const {
    const std::string_view space = options_.escape_whitespaces ? kSpaceSign : std::string_view(" ");
    while (std::string_view(out).ends_with(space)) out.resize(out.size() - space.size());
  }

  SentencePieceNormalizerOptions options_;
};

class PrecompiledNormalizer : public Normalizer {
 public:
  explicit PrecompiledNormalizer(std::shared_ptr<const Charsmap> charsmap) : charsmap_(std::move(charsmap)) {}

  [[nodiscard]] bool keeps(std::string_view text) const override { return text.empty(); }

  Status apply(std::string& text, bool /*at_start*/) const override {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    std::string_view rest = text;
    while (!rest.empty()) {
      const size_t size = grapheme_size(rest);
      append_grapheme(rest.substr(0, size), out);
      KEDGE_TRY(check_growth(text.size(), out.size()));
      rest.remove_prefix(size);
    }
    text = std::move(out);
    return Done{};
  }

 private:
  /// Bytes of the first extended grapheme cluster.
  static size_t grapheme_size(std::string_view text) {
    DecodedCharacter character = decode_character(text);
    size_t size = character.size;
    utf8proc_int32_t state = 0;
    while (size < text.size()) {
      const DecodedCharacter next = decode_character(text.substr(size));
      if (character.code == kInvalidCharacter || next.code == kInvalidCharacter) break;
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(character.code),
                                           static_cast<utf8proc_int32_t>(next.code), &state)) {
        break;
      }
      character = next;
      size += next.size;
    }
    return size;
  }

  // The reference looks up short graphemes whole and takes the shortest entry that they begin with for all of them.
  // Odd, but models were trained on it.
  void append_grapheme(std::string_view grapheme, std::string& out) const {
    constexpr size_t kGraphemeBytesMax = 5;
    if (grapheme.size() <= kGraphemeBytesMax) {
      if (const auto match = charsmap_->shortest(grapheme)) {
        out.append(match->replacement);
        return;
      }
    }
    while (!grapheme.empty()) {
      const std::string_view character = grapheme.substr(0, decode_character(grapheme).size);
      const auto match = charsmap_->shortest(character);
      out.append(match.has_value() ? match->replacement : character);
      grapheme.remove_prefix(character.size());
    }
  }

  std::shared_ptr<const Charsmap> charsmap_;
};

}  // namespace

std::unique_ptr<const Normalizer> make_sentencepiece_normalizer(SentencePieceNormalizerOptions options) {
  return std::make_unique<SentencePieceNormalizer>(std::move(options));
}

std::unique_ptr<const Normalizer> make_precompiled_normalizer(std::shared_ptr<const Charsmap> charsmap) {
  return std::make_unique<PrecompiledNormalizer>(std::move(charsmap));
}

}  // namespace kedge::text
