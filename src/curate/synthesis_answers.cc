#include "curate/synthesis_answers.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace kedge::curate {
namespace {

constexpr std::string_view kPrefix = "Here are the questions and answers based on the provided text:";
constexpr std::string_view kBlank = " \t\n\r\v\f";
constexpr int64_t kTokensOfPairs = 150;

std::string_view stripped(std::string_view line) {
  const size_t begin = line.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kBlank) + 1 - begin);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (true) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    if (end == text.size()) return lines;
    text.remove_prefix(end + 1);
  }
}

/// SplitMix64 (Steele et al. 2014): the same on every machine, unlike the library's distributions.
class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}
  size_t below(size_t count) {
    uint64_t value = state_ += 0x9E3779B97F4A7C15U;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9U;
    value = (value ^ value >> 27) * 0x94D049BB133111EBU;
    return static_cast<size_t>((value ^ value >> 31) % count);
  }

 private:
  uint64_t state_;
};

/// Questions with the lines that follow them; none where something stands before the first.
std::vector<std::string> pairs_of(std::string_view answer) {
  std::vector<std::string> pairs;
  bool is_first = true;
  for (std::string_view line : lines_of(answer)) {
    line = stripped(line);
    if (line.empty()) continue;
    if (line.starts_with("- ")) line = stripped(line.substr(2));
    if (std::exchange(is_first, false) && line == kPrefix) continue;
    if (line.starts_with("Question:")) {
      pairs.emplace_back(line);
    } else if (pairs.empty()) {
      return {};
    } else {
      pairs.back().append("\n").append(line);
    }
  }
  return pairs;
}

}  // namespace

std::string with_questions(std::string_view text, std::string_view answer, const QuestionSampling& sampling) {
  std::vector<std::string> pairs = pairs_of(answer);
  if (pairs.empty()) return {};
  Draws draws(sampling.seed);
  for (size_t i = pairs.size() - 1; i > 0; --i) std::swap(pairs[i], pairs[draws.below(i + 1)]);
  size_t most = sampling.pairs_max;
  if (sampling.text_tokens >= 0) most = most * static_cast<size_t>(sampling.text_tokens) / kTokensOfPairs;
  const size_t taken = 1 + draws.below(std::max<size_t>(most, 1));
  std::string document(text);
  for (size_t i = 0; i < std::min(taken, pairs.size()); ++i) document.append("\n\n").append(pairs[i]);
  return document;
}

std::string plain_list(std::string_view answer) {
  std::string list;
  bool any = false;
  const auto lines = lines_of(answer);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i == 0 && !lines[i].starts_with('-')) continue;
    const bool indented = lines[i].starts_with("  ") || lines[i].starts_with("- ");
    if (std::exchange(any, true)) list += '\n';
    list += indented ? stripped(lines[i].substr(2)) : lines[i];
  }
  return list;
}

}  // namespace kedge::curate
