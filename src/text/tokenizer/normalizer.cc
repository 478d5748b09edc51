#include "text/tokenizer/normalizer.h"

#include <fmt/format.h>

#include "text/tokenizer/regex_pattern.h"
#include "text/unicode/character.h"
#include "text/unicode/utf8.h"

namespace kedge::text {
namespace {

// Compatibility forms make a text up to eleven times longer.
constexpr size_t kGrowthMax = 32;

/// Rebuilds `text` character by character; invalid bytes stay. `rewrite(out, code)` appends what becomes of one.
template <typename Rewrite>
void rewrite_characters(std::string& text, Rewrite&& rewrite) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (size_t position = 0; position < text.size();) {
    const DecodedCharacter character = decode_character(std::string_view(text).substr(position));
    if (character.code == kInvalidCharacter) {
      out.push_back(text[position]);
    } else {
      rewrite(out, character.code);
    }
    position += character.size;
  }
  text = std::move(out);
}

class FormNormalizer : public Normalizer {
 public:
  explicit FormNormalizer(NormalizationForm form) : form_(form) {}
  [[nodiscard]] bool keeps(std::string_view text) const override {
    return form_ == NormalizationForm::nfc && is_plainly_nfc(text);
  }
  Status apply(std::string& text, bool /*at_start*/) const override {
    text = normalize(text, form_);
    return Done{};
  }

 private:
  NormalizationForm form_;
};

class LowerCaseNormalizer : public Normalizer {
 public:
  [[nodiscard]] bool keeps(std::string_view text) const override { return text.empty(); }
  Status apply(std::string& text, bool /*at_start*/) const override {
    rewrite_characters(text, append_lower);
    return Done{};
  }
};

class StripAccentsNormalizer : public Normalizer {
 public:
  [[nodiscard]] bool keeps(std::string_view text) const override { return text.empty(); }
  Status apply(std::string& text, bool /*at_start*/) const override {
    rewrite_characters(text, [](std::string& out, char32_t code) {
      if (!is_strippable_mark(code)) append_utf8(out, code);
    });
    return Done{};
  }
};

class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(const BertNormalizerOptions& options) : options_(options) {}
  [[nodiscard]] bool keeps(std::string_view text) const override { return text.empty(); }

  Status apply(std::string& text, bool /*at_start*/) const override {
    if (options_.clean_text) rewrite_characters(text, clean);
    if (options_.separate_ideographs) rewrite_characters(text, separate_ideograph);
    if (options_.strip_accents) {
      text = normalize(text, NormalizationForm::nfd);
      rewrite_characters(text, [](std::string& out, char32_t code) {
        if (!is_bert_nonspacing_mark(code)) append_utf8(out, code);
      });
    }
    if (options_.lower_case) rewrite_characters(text, append_lower);
    return Done{};
  }

 private:
  static void clean(std::string& out, char32_t code) {
    const bool plain_space = code == '\t' || code == '\n' || code == '\r';
    const uint16_t flags = character_flags(code);
    if (!plain_space && (code == 0 || code == kReplacementCharacter || (flags & kControl) != 0)) return;
    if ((flags & kSpace) != 0) {
      out.push_back(' ');
    } else {
      append_utf8(out, code);
    }
  }

  static void separate_ideograph(std::string& out, char32_t code) {
    const bool ideograph = is_bert_ideograph(code);
    if (ideograph) out.push_back(' ');
    append_utf8(out, code);
    if (ideograph) out.push_back(' ');
  }

  BertNormalizerOptions options_;
};

class PrependNormalizer : public Normalizer {
 public:
  PrependNormalizer(std::string prefix, bool only_at_start)
      : prefix_(std::move(prefix)), only_at_start_(only_at_start) {}
  [[nodiscard]] bool keeps(std::string_view text) const override { return text.empty(); }
  Status apply(std::string& text, bool at_start) const override {
    if (!text.empty() && (at_start || !only_at_start_)) text.insert(0, prefix_);
    return Done{};
  }

 private:
  std::string prefix_;
  bool only_at_start_;
};

class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  [[nodiscard]] bool keeps(std::string_view text) const override { return text.find(from_) == std::string_view::npos; }
  Status apply(std::string& text, bool /*at_start*/) const override {
    std::string out;
    out.reserve(text.size() + text.size() / 4);
    size_t copied = 0;
    for (size_t hit = text.find(from_); hit != std::string::npos; hit = text.find(from_, copied)) {
      KEDGE_TRY(check_growth(text.size(), out.size()));
      out.append(text, copied, hit - copied);
      out.append(to_);
      copied = hit + from_.size();
    }
    out.append(text, copied);
    text = std::move(out);
    return Done{};
  }

 private:
  std::string from_;
  std::string to_;
};

class RegexReplaceNormalizer : public Normalizer {
 public:
  RegexReplaceNormalizer(std::shared_ptr<const RegexPattern> pattern, std::string to)
      : pattern_(std::move(pattern)), to_(std::move(to)) {}
  [[nodiscard]] bool keeps(std::string_view text) const override { return text.empty(); }
  Status apply(std::string& text, bool /*at_start*/) const override {
    std::string out;
    size_t copied = 0;
    const auto finder = pattern_->find_in(text);
    while (true) {
      KEDGE_ASSIGN(const std::optional<TextRange> match, finder->next());
      if (!match.has_value()) break;
      KEDGE_TRY(check_growth(text.size(), out.size()));
      out.append(text, copied, match->begin - copied);
      out.append(to_);
      copied = match->end;
    }
    out.append(text, copied);
    text = std::move(out);
    return Done{};
  }

 private:
  std::shared_ptr<const RegexPattern> pattern_;
  std::string to_;
};

class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  [[nodiscard]] bool keeps(std::string_view text) const override { return text.empty(); }
  Status apply(std::string& text, bool /*at_start*/) const override {
    size_t begin = text.size();  // of the first character that is no white space
    size_t end = 0;              // of the last such
    for (size_t position = 0; position < text.size();) {
      const DecodedCharacter character = decode_character(std::string_view(text).substr(position));
      const size_t next = position + character.size;
      if ((character_flags(character.code) & kSpace) == 0) {
        begin = std::min(begin, position);
        end = next;
      }
      position = next;
    }
    if (right_) text.resize(end);
    if (left_) text.erase(0, std::min(begin, text.size()));
    return Done{};
  }

 private:
  bool left_;
  bool right_;
};

class NmtNormalizer : public Normalizer {
 public:
  [[nodiscard]] bool keeps(std::string_view text) const override { return text.empty(); }
  Status apply(std::string& text, bool /*at_start*/) const override {
    rewrite_characters(text, [](std::string& out, char32_t code) {
      const bool space = code == 0x9 || code == 0xA || code == 0xC || code == 0xD || code == 0x1680 ||
                         (code >= 0x200B && code <= 0x200F) || code == 0x2028 || code == 0x2029 || code == 0x2581 ||
                         code == 0xFEFF || code == 0xFFFD;
      const bool control = !space && ((code >= 0x1 && code <= 0x1F) || code == 0x7F || code == 0x8F || code == 0x9F);
      if (space) {
        out.push_back(' ');
      } else if (!control) {
        append_utf8(out, code);
      }
    });
    return Done{};
  }
};

}  // namespace

Status check_growth(size_t size, size_t grown) {
  if (grown <= size * kGrowthMax + 4096) return Done{};
  return Error{ErrorKind::unsupported,
               fmt::format("the tokenizer's normalizer makes a text more than {} times longer", kGrowthMax)};
}

Result<std::string_view> NormalizerChain::apply(std::string_view text, bool at_start, std::string& storage) const {
  bool stored = false;
  for (const auto& step : steps_) {
    if (step->keeps(stored ? std::string_view(storage) : text)) continue;
    if (!stored) storage.assign(text);
    stored = true;
    KEDGE_TRY(step->apply(storage, at_start));
    KEDGE_TRY(check_growth(text.size(), storage.size()));
  }
  return stored ? std::string_view(storage) : text;
}

std::unique_ptr<const Normalizer> make_form_normalizer(NormalizationForm form) {
  return std::make_unique<FormNormalizer>(form);
}
std::unique_ptr<const Normalizer> make_lower_case_normalizer() {
  return std::make_unique<LowerCaseNormalizer>();
}
std::unique_ptr<const Normalizer> make_strip_accents_normalizer() {
  return std::make_unique<StripAccentsNormalizer>();
}
std::unique_ptr<const Normalizer> make_bert_normalizer(const BertNormalizerOptions& options) {
  return std::make_unique<BertNormalizer>(options);
}
std::unique_ptr<const Normalizer> make_prepend_normalizer(std::string prefix, bool only_at_start) {
  return std::make_unique<PrependNormalizer>(std::move(prefix), only_at_start);
}
std::unique_ptr<const Normalizer> make_replace_normalizer(std::string from, std::string to) {
  return std::make_unique<ReplaceNormalizer>(std::move(from), std::move(to));
}
Result<std::unique_ptr<const Normalizer>> make_regex_replace_normalizer(std::string_view pattern, std::string to) {
  KEDGE_ASSIGN(auto compiled, RegexPattern::compile(pattern));
  return std::unique_ptr<const Normalizer>(
      std::make_unique<RegexReplaceNormalizer>(std::move(compiled), std::move(to)));
}
std::unique_ptr<const Normalizer> make_strip_normalizer(bool left, bool right) {
  return std::make_unique<StripNormalizer>(left, right);
}
std::unique_ptr<const Normalizer> make_nmt_normalizer() {
  return std::make_unique<NmtNormalizer>();
}

}  // namespace kedge::text
