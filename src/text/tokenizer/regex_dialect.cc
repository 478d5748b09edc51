#include "text/tokenizer/regex_dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>

namespace kedge::text {
namespace {

// PCRE2's \s lacks U+0085 and its \w differs in marks: both are spelled out.
constexpr std::string_view kSpaceMembers = "\\s\\x{85}";
constexpr std::string_view kWordMembers = "\\p{L}\\p{M}\\p{N}\\p{Pc}\\x{24B6}-\\x{24E9}";

constexpr std::string_view kCategories[] = {"L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd",
                                            "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm",
                                            "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Cs"};
constexpr std::string_view kScripts[] = {"Han",      "Hiragana", "Katakana", "Hangul", "Latin",      "Cyrillic",
                                         "Greek",    "Arabic",   "Hebrew",   "Thai",   "Devanagari", "Bengali",
                                         "Armenian", "Georgian", "Ethiopic", "Khmer",  "Lao",        "Tibetan"};

template <size_t count>
bool is_one_of(const std::string_view (&names)[count], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// Reads one pattern from left to right, writing its translation.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> run() {
    while (!rest().empty()) {
      const char character = rest()[0];
      if (character == '\\') {
        KEDGE_TRY(translate_escape(false));
      } else if (character == '[') {
        KEDGE_TRY(translate_class());
      } else if (character == '(') {
        KEDGE_TRY(translate_group());
      } else if (character == '{') {
        KEDGE_TRY(translate_repeat());
      } else {
        copy(1);
      }
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string_view rest() const { return pattern_.substr(position_); }

  void copy(size_t size) {
    out_.append(rest().substr(0, size));
    position_ += size;
  }

  void replace(size_t size, std::string_view by) {
    out_.append(by);
    position_ += size;
  }

  [[nodiscard]] Error unsupported(std::string_view construct) const {
    return Error{ErrorKind::unsupported,
                 fmt::format("split pattern '{}': '{}' at byte {} is not implemented", pattern_, construct, position_)};
  }

  Status translate_escape(bool in_class) {
    if (rest().size() < 2)
      return Error{ErrorKind::corrupt_data, fmt::format("split pattern '{}' ends in '\\'", pattern_)};
    const char kind = rest()[1];
    switch (kind) {
      case 's':
        replace(2, in_class ? std::string(kSpaceMembers) : fmt::format("[{}]", kSpaceMembers));
        return Done{};
      case 'w':
        replace(2, in_class ? std::string(kWordMembers) : fmt::format("[{}]", kWordMembers));
        return Done{};
      case 'S':
      case 'W':
        if (in_class) return unsupported(rest().substr(0, 2));
        replace(2, fmt::format("[^{}]", kind == 'S' ? kSpaceMembers : kWordMembers));
        return Done{};
      case 'd':
      case 'D':
      case 'r':
      case 'n':
      case 't':
      case 'f':
        copy(2);
        return Done{};
      case 'v':
        replace(2, "\\x0b");
        return Done{};
      case 'p':
      case 'P':
        return translate_property();
      case 'u':
        return translate_code_point(4, 4);
      case 'x':
        return translate_code_point(2, 8);
      default:
        break;
    }
    if (std::isalnum(static_cast<unsigned char>(kind)) != 0) return unsupported(rest().substr(0, 2));
    copy(2);
    return Done{};
  }

  Status translate_property() {
    const size_t close = rest().find('}');
    if (rest().size() < 4 || rest()[2] != '{' || close == std::string_view::npos)
      return unsupported(rest().substr(0, 2));
    const std::string_view name = rest().substr(3, close - 3);
    if (is_one_of(kCategories, name)) {
      copy(close + 1);
    } else if (is_one_of(kScripts, name)) {
      replace(close + 1, fmt::format("\\{}{{sc:{}}}", rest()[1], name));
    } else {
      return unsupported(rest().substr(0, close + 1));
    }
    return Done{};
  }

  Status translate_code_point(size_t plain_digits, size_t braced_digits_max) {
    std::string_view digits = rest().substr(2);
    size_t size = 2 + plain_digits;
    if (digits.starts_with('{')) {
      const size_t close = digits.find('}');
      if (close == std::string_view::npos || close > braced_digits_max + 1) return unsupported(rest().substr(0, 3));
      size = 3 + close;
      digits = digits.substr(1, close - 1);
    } else {
      if (digits.size() < plain_digits) return unsupported(rest().substr(0, 2));
      digits = digits.substr(0, plain_digits);
    }
    const bool valid = !digits.empty() && std::all_of(digits.begin(), digits.end(), [](char digit) {
      return std::isxdigit(static_cast<unsigned char>(digit)) != 0;
    });
    if (!valid) return unsupported(rest().substr(0, size));
    replace(size, fmt::format("\\x{{{}}}", digits));
    return Done{};
  }

  Status translate_class() {
    copy(1);
    if (rest().starts_with('^')) copy(1);
    if (rest().starts_with(']')) return unsupported("[]");
    while (!rest().starts_with(']')) {
      if (rest().empty())
        return Error{ErrorKind::corrupt_data, fmt::format("split pattern '{}': '[' without ']'", pattern_)};
      if (rest()[0] == '[') return unsupported("[ inside [...]");
      if (rest().starts_with("&&")) return unsupported("&&");
      if (rest()[0] == '\\') {
        KEDGE_TRY(translate_escape(true));
      } else {
        copy(1);
      }
    }
    copy(1);
    return Done{};
  }

  Status translate_group() {
    constexpr std::string_view kOpenings[] = {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    for (const std::string_view opening : kOpenings) {
      if (!rest().starts_with(opening)) continue;
      copy(opening.size());
      return Done{};
    }
    if (rest().starts_with("(?") || rest().starts_with("(*")) return unsupported(rest().substr(0, 4));
    replace(1, "(?:");  // nothing refers to a group
    return Done{};
  }

  Status translate_repeat() {
    const size_t close = rest().find('}');
    const std::string_view inside = close == std::string_view::npos ? "" : rest().substr(1, close - 1);
    const bool counts = !inside.empty() && std::isdigit(static_cast<unsigned char>(inside[0])) != 0 &&
                        inside.find_first_not_of("0123456789,") == std::string_view::npos;
    if (!counts) return unsupported(rest().substr(0, 2));
    // Oniguruma repeats what {n,m}+ repeats; PCRE2 makes it possessive.
    if (rest().substr(close + 1).starts_with('+')) return unsupported(rest().substr(0, close + 2));
    copy(close + 1);
    return Done{};
  }

  std::string_view pattern_;
  size_t position_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> translate_regex(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace kedge::text
