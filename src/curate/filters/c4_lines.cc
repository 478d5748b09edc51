#include "curate/filters/c4_lines.h"

#include <algorithm>

#include "curate/filters/policies.h"

namespace kedge::curate {

std::u32string without_citations(CodeView line) {
  std::u32string out;
  while (!line.empty()) {
    const size_t bracket = std::min(line.find(U'['), line.size());
    out += line.substr(0, bracket);
    line.remove_prefix(bracket);
    if (line.empty()) break;
    size_t end = 1;
    while (end < line.size() && is(line[end], kDigit)) ++end;
    if (end < line.size() && line[end] == U']') {
      line.remove_prefix(end + 1);
    } else if (line.starts_with(U"[edit]")) {
      line.remove_prefix(6);
    } else if (line.starts_with(U"[citation needed]")) {
      line.remove_prefix(17);
    } else {
      out += U'[';
      line.remove_prefix(1);
    }
  }
  return out;
}

namespace {

bool passes(CodeView line, const std::vector<CodeView>& words, const C4LineRules& rules) {
  if (rules.terminal && (!ends_with_any(line, U".?!\"'") || line.ends_with(U"..."))) return false;
  if (words.size() < rules.words_min) return false;
  const std::u32string lower = to_lower(line);
  if (rules.javascript && contains(lower, U"javascript")) return false;
  return !rules.policies ||
         std::none_of(kC4Policies.begin(), kC4Policies.end(), [&](CodeView policy) { return contains(lower, policy); });
}

}  // namespace

std::u32string keep_c4_lines(CodeView text, const C4LineRules& rules) {
  std::u32string out;
  bool first = true;
  for (const CodeView raw : split_lines(text)) {
    const CodeView stripped = strip(raw);
    const std::vector<CodeView> words = split_words(stripped);
    const auto too_long = [&](CodeView word) { return word.size() > rules.word_characters_max; };
    if (std::any_of(words.begin(), words.end(), too_long)) continue;
    const std::u32string line = rules.citations ? without_citations(stripped) : std::u32string(stripped);
    if (!passes(line, words, rules)) continue;
    if (!first) out += U'\n';
    first = false;
    out += line;
  }
  return out;
}

}  // namespace kedge::curate
