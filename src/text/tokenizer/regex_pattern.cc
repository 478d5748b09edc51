#include "text/tokenizer/regex_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <string>

#include "text/tokenizer/regex_dialect.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

constexpr uint32_t kStepsMax = 10'000'000;  // of one match
constexpr uint32_t kMemoryKibMax = 64 * 1024;

struct FreePcre {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

std::string message_of(int code) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

class PcreFinder : public RegexPattern::Finder {
 public:
  PcreFinder(const pcre2_code* code, std::string_view text)
      : code_(code),
        patched_(is_valid_utf8(text) ? std::string() : without_invalid_bytes(text)),
        text_(patched_.empty() ? text : std::string_view(patched_)),
        data_(pcre2_match_data_create(1, nullptr)),
        context_(pcre2_match_context_create(nullptr)) {
    pcre2_set_match_limit(context_.get(), kStepsMax);
    pcre2_set_heap_limit(context_.get(), kMemoryKibMax);
  }

  Result<std::optional<TextRange>> next() override {
    if (position_ > text_.size()) return std::optional<TextRange>();
    const int count = pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), position_,
                                  PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
    if (count == PCRE2_ERROR_NOMATCH) {
      position_ = text_.size() + 1;
      return std::optional<TextRange>();
    }
    if (count < 0) {
      return Error{ErrorKind::unsupported,
                   fmt::format("the split pattern gave up at byte {} of the text: {}", position_, message_of(count))};
    }
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data_.get());
    const TextRange range{offsets[0], offsets[1]};
    position_ = range.end;
    if (range.begin == range.end) {  // step over one character, so that an empty match is found once
      position_ += range.end < text_.size() ? decode_character(text_.substr(range.end)).size : 1;
    }
    return std::optional<TextRange>(range);
  }

 private:
  /// PCRE2 checks a text again on every match unless told that it is valid. An invalid byte becomes a control
  /// character, which keeps every offset.
  static std::string without_invalid_bytes(std::string_view text) {
    std::string patched(text);
    for (size_t position = 0; position < text.size();) {
      const DecodedCharacter character = decode_character(text.substr(position));
      if (character.code == kInvalidCharacter) patched[position] = '\x01';
      position += character.size;
    }
    return patched;
  }

  const pcre2_code* code_;
  std::string patched_;
  std::string_view text_;
  size_t position_ = 0;
  std::unique_ptr<pcre2_match_data, FreePcre> data_;
  std::unique_ptr<pcre2_match_context, FreePcre> context_;
};

class PcrePattern : public RegexPattern {
 public:
  explicit PcrePattern(std::unique_ptr<pcre2_code, FreePcre> code) : code_(std::move(code)) {}

  [[nodiscard]] std::unique_ptr<Finder> find_in(std::string_view text) const override {
    return std::make_unique<PcreFinder>(code_.get(), text);
  }

 private:
  std::unique_ptr<pcre2_code, FreePcre> code_;
};

}  // namespace

Result<std::shared_ptr<const RegexPattern>> RegexPattern::compile(std::string_view pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return Error{ErrorKind::unsupported,
                 fmt::format("a split pattern has {} bytes, the limit is {}", pattern.size(), kPatternBytesMax)};
  }
  if (!is_valid_utf8(pattern)) return Error{ErrorKind::corrupt_data, "a split pattern is not UTF-8"};
  KEDGE_ASSIGN(const std::string translated, translate_regex(pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  std::unique_ptr<pcre2_code, FreePcre> code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                                           translated.size(), options, &error, &offset, nullptr));
  if (code == nullptr) {
    return Error{ErrorKind::corrupt_data, fmt::format("split pattern '{}': {}", pattern, message_of(error))};
  }
  return std::shared_ptr<const RegexPattern>(std::make_shared<PcrePattern>(std::move(code)));
}

}  // namespace kedge::text
