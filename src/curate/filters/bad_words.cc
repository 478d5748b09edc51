#include "curate/filters/bad_words.h"

#include <algorithm>

namespace kedge::curate {

extern const std::string_view kEnglishBadWords;  // src/curate/data/bad_words_en.txt

namespace {

uint64_t start_of(CodeView text) {
  return uint64_t{text[0]} << 32 | text[1];
}

}  // namespace

BadWords::BadWords(std::string_view list) : starts_(128, false) {
  const std::u32string codes = to_codes(list);
  for (const CodeView line : split_lines(codes)) {
    if (!line.empty() && !line.starts_with(U"# ")) storage_.emplace_back(line);
  }
  for (const std::u32string& entry : storage_) {
    if (entry.find(U' ') == std::u32string::npos) {
      words_.insert(entry);
    } else {
      phrases_[start_of(entry)].push_back(entry);
      if (entry[0] < starts_.size()) starts_[entry[0]] = true;
    }
  }
}

const BadWords& BadWords::english() {
  static const BadWords list(kEnglishBadWords);
  return list;
}

bool BadWords::occur_in(CodeView line, const std::vector<CodeView>& words) const {
  if (std::any_of(words.begin(), words.end(), [&](CodeView word) { return words_.contains(word); })) return true;
  for (size_t i = 0; i + 1 < line.size(); ++i) {
    if (line[i] < starts_.size() && !starts_[line[i]]) continue;
    const auto found = phrases_.find(start_of(line.substr(i)));
    if (found == phrases_.end()) continue;
    const CodeView rest = line.substr(i);
    const auto begins = [rest](CodeView phrase) { return rest.starts_with(phrase); };
    if (std::any_of(found->second.begin(), found->second.end(), begins)) return true;
  }
  return false;
}

}  // namespace kedge::curate
