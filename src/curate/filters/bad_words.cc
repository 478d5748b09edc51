#include "curate/filters/bad_words.h"

#include <algorithm>

namespace kedge::curate {

extern const std::string_view kEnglishBadWords;  // src/curate/data/bad_words_en.txt

BadWords::BadWords(std::string_view list) {
  const std::u32string codes = to_codes(list);
  for (const CodeView line : split_lines(codes)) {
    if (!line.empty() && !line.starts_with(U"# ")) storage_.emplace_back(line);
  }
  for (const std::u32string& entry : storage_) {
    if (entry.find(U' ') == std::u32string::npos) {
      words_.insert(entry);
    } else {
      phrases_.push_back(entry);
    }
  }
}

const BadWords& BadWords::english() {
  static const BadWords list(kEnglishBadWords);
  return list;
}

bool BadWords::occur_in(CodeView line, const std::vector<CodeView>& words) const {
  if (std::any_of(words.begin(), words.end(), [&](CodeView word) { return words_.contains(word); })) return true;
  return std::any_of(phrases_.begin(), phrases_.end(), [&](CodeView phrase) { return contains(line, phrase); });
}

}  // namespace kedge::curate
