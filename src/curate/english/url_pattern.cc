#include "curate/english/url_pattern.h"

#include <string>

#include "curate/pattern.h"

namespace kedge::curate {

extern const std::string_view kEnglishCharacterRanges;

namespace {

constexpr size_t kCharactersMax = 4096;  // longer words are no addresses, and the pattern takes quadratic time

/// The ranges under `name`, as a character class has them.
std::string class_of(std::string_view name) {
  std::string out;
  bool within = false;
  for (std::string_view rest = kEnglishCharacterRanges; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.starts_with('#')) continue;
    if (line == "alpha" || line == "lower" || line == "upper" || line == "icon") {
      within = line == name;
      continue;
    }
    if (!within) continue;
    const size_t dash = line.find('-');
    out += "\\x{" + std::string(line.substr(0, dash)) + "}";
    if (dash != std::string_view::npos) out += "-\\x{" + std::string(line.substr(dash + 1)) + "}";
  }
  return out;
}

/// Scheme, user, host (no private network by number) or domain with a lower-case top level, port, path.
std::string pattern_text() {
  const std::string host = "A-Za-z0-9\\x{A1}-\\x{D7FF}\\x{E000}-\\x{FFFF}";
  std::string pattern = R"(\A(?:[\w+.\-]{2,}://)?(?:\S+(?::\S*)?@)?(?:)";
  pattern += R"((?!(?:10|127)(?:\.\d{1,3}){3})(?!(?:169\.254|192\.168)(?:\.\d{1,3}){2}))";
  pattern += R"((?!172\.(?:1[6-9]|2\d|3[0-1])(?:\.\d{1,3}){2}))";
  pattern += R"((?:[1-9]\d?|1\d\d|2[01]\d|22[0-3])(?:\.(?:1?\d{1,2}|2[0-4]\d|25[0-5])){2})";
  pattern += R"((?:\.(?:[1-9]\d?|1\d\d|2[0-4]\d|25[0-4])))";
  pattern += "|(?:(?:[" + host + "][" + host + "_-]{0,62})?[" + host + "]\\.)+";
  pattern += "(?:[" + class_of("lower") + "]{2,63}))";
  pattern += R"((?::\d{2,5})?(?:[/?#]\S*)?\z)";
  return pattern;
}

}  // namespace

bool is_spacy_url(CodeView word) {
  // Whatever the form, there is a dot with something on both sides.
  const size_t dot = word.find(U'.');
  if (dot == CodeView::npos || word.size() < 4 || word.size() > kCharactersMax) return false;
  static const Pattern pattern(pattern_text(), Pattern::Unit::characters);
  return pattern.find(to_utf8(word)).match.has_value();  // a search that gives up is of no address
}

}  // namespace kedge::curate
