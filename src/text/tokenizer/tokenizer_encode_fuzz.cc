// Any bytes as a text for a small tokenizer of every kind. The first byte picks the kind. Byte-level ids are those of
// the definition; a text comes back where nothing in the pipeline drops any of it; ids from the input decode as
// streams.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "text/tokenizer/properties_for_fuzzers.h"
#include "text/tokenizer/regex_pattern.h"
#include "text/tokenizer/small_tokenizers_for_fuzzers.h"

namespace kedge::text {
namespace {

constexpr std::string_view kSpaceSign = "\xE2\x96\x81";

/// PCRE2 knows an older Unicode than the scanners; below here no class of characters has changed.
constexpr char32_t kOldCharacterEnd = 0x500;

struct ByteLevel {
  std::string_view pattern;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const RegexPattern> regex;
};

ByteLevel make_byte_level(std::string_view pattern) {
  auto regex = RegexPattern::compile(pattern);
  KEDGE_CHECK(regex.ok());
  return {pattern, small_byte_level(pattern), std::move(regex).value()};
}

std::vector<std::string_view> scan_words(std::string_view pattern, std::string_view text) {
  const WordScanner scanner = find_word_scanner(pattern);
  KEDGE_CHECK(scanner != nullptr);
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = scanner(text, begin);
    KEDGE_CHECK(end > begin && end <= text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

void check_scanner(const ByteLevel& kind, std::string_view text, const std::vector<std::string_view>& words) {
  for (size_t position = 0; position < text.size();) {
    const DecodedCharacter character = decode_character(text.substr(position));
    if (character.code != kInvalidCharacter && character.code >= kOldCharacterEnd) return;
    position += character.size;
  }
  const auto finder = kind.regex->find_in(text);
  for (const std::string_view word : words) {
    const auto match = finder->next();
    if (!match.ok()) return;  // past the limit of steps
    const TextRange range = match.value().value_or(TextRange{});
    const auto begin = static_cast<size_t>(word.data() - text.data());
    KEDGE_CHECK(range.begin == begin && range.end == begin + word.size());
  }
}

void check_byte_level(const ByteLevel& kind, std::string_view text) {
  const auto ids = kind.tokenizer->encode(text, {.add_special = false, .parse_special = false});
  KEDGE_CHECK(ids.ok());
  std::string bytes;
  for (const TokenId id : ids.value()) bytes += kind.tokenizer->token_bytes(id);
  KEDGE_CHECK(bytes == text);
  std::string lossy;
  append_lossy(lossy, text);
  KEDGE_CHECK(kind.tokenizer->decode(ids.value(), false) == lossy);
  const auto words = scan_words(kind.pattern, text);
  check_scanner(kind, text, words);
  size_t next = 0;
  for (const std::string_view word : words) {
    constexpr size_t kDefinitionBytesMax = 64;  // it is quadratic
    if (word.size() > kDefinitionBytesMax) return;
    std::vector<std::string> parts;
    for (const char byte : word) parts.emplace_back(1, byte);
    for (const std::string& part : merge_by_definition(std::move(parts), small_byte_merges())) {
      KEDGE_CHECK(next < ids.value().size() && kind.tokenizer->token_bytes(ids.value()[next++]) == part);
    }
  }
  KEDGE_CHECK(next == ids.value().size());
}

/// With byte fallback and no clean-up all of a text comes back, but that its space signs are spaces.
void check_sentencepiece(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text, {.add_special = false, .parse_special = false});
  KEDGE_CHECK(ids.ok());
  std::string expected;
  for (std::string_view rest = text; !rest.empty();) {
    const DecodedCharacter character = decode_character(rest);
    const bool invalid = character.code == kInvalidCharacter;
    const std::string_view same = rest.substr(0, character.size);
    expected += invalid ? kReplacementText : same == kSpaceSign ? std::string_view(" ") : same;
    rest.remove_prefix(character.size);
  }
  KEDGE_CHECK(tokenizer.decode(ids.value(), false) == expected);
}

/// Pairs of bytes as ids, a little beyond both ends of the vocabulary.
void check_decoding(const Tokenizer& tokenizer, std::string_view bytes) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const int number = static_cast<uint8_t>(bytes[i]) << 8 | static_cast<uint8_t>(bytes[i + 1]);
    ids.push_back(number % static_cast<int>(tokenizer.vocabulary_size() + 2) - 1);
  }
  for (const bool skip_special : {false, true}) check_stream(tokenizer, ids, skip_special);
}

void check_all(uint8_t choice, std::string_view text) {
  static const ByteLevel kinds[] = {make_byte_level(kGpt2Pattern), make_byte_level(kLlama3Pattern),
                                    make_byte_level(kQwen2Pattern), make_byte_level(kTekkenPattern),
                                    make_byte_level(kGpt4oPattern)};
  static const std::shared_ptr<const Tokenizer> others[] = {small_sentencepiece(SentencePieces::Algorithm::bpe),
                                                            small_sentencepiece(SentencePieces::Algorithm::unigram),
                                                            small_unigram_json(), small_wordpiece()};
  const size_t kind = choice % (std::size(kinds) + std::size(others));
  if (kind < std::size(kinds)) check_byte_level(kinds[kind], text);
  const size_t other = kind - std::size(kinds);
  if (kind >= std::size(kinds) && other < 2) check_sentencepiece(*others[other], text);
  const Tokenizer& tokenizer = kind < std::size(kinds) ? *kinds[kind].tokenizer : *others[other];
  check_text(tokenizer, text);
  check_decoding(tokenizer, text);
}

}  // namespace
}  // namespace kedge::text

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  kedge::text::check_all(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
