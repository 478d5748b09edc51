#include "curate/filters/c4_lines.h"

#include <algorithm>

#include "curate/filters/policies.h"

namespace kedge::curate {
namespace {

/// Without `[12]`, `[edit]` and `[citation needed]`.
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

}  // namespace

C4Verdict judge_c4_line(CodeView raw, const C4LineRules& rules, std::u32string& line) {
  const CodeView stripped = strip(raw);
  const std::vector<CodeView> words = split_words(stripped);
  const auto too_long = [&](CodeView word) { return word.size() > rules.word_characters_max; };
  if (std::any_of(words.begin(), words.end(), too_long)) return C4Verdict::drop_line;
  line = rules.citations ? without_citations(stripped) : std::u32string(stripped);
  const bool open = !ends_with_any(line, U".?!\"'") || line.ends_with(U"...");
  if ((rules.terminal && open) || words.size() < rules.words_min) return C4Verdict::drop_line;
  const std::u32string lower = to_lower(line);
  if (rules.lorem_ipsum && contains(lower, U"lorem ipsum")) return C4Verdict::lorem_ipsum;
  if (rules.javascript && contains(lower, U"javascript")) return C4Verdict::drop_line;
  if (rules.curly_brackets && contains(line, U"{")) return C4Verdict::curly_bracket;
  const auto says = [&](CodeView policy) { return contains(lower, policy); };
  const bool policy = rules.policies && std::any_of(kC4Policies.begin(), kC4Policies.end(), says);
  return policy ? C4Verdict::drop_line : C4Verdict::keep;
}

std::u32string keep_c4_lines(CodeView text, const C4LineRules& rules) {
  std::u32string out, line;
  bool first = true;
  for (const CodeView raw : split_lines(text)) {
    if (judge_c4_line(raw, rules, line) != C4Verdict::keep) continue;
    if (!first) out += U'\n';
    first = false;
    out += line;
  }
  return out;
}

}  // namespace kedge::curate
