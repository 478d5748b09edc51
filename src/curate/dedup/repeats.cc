#include "curate/dedup/repeats.h"

#include <fmt/format.h>

#include "curate/decontaminate/task_finder.h"
#include "curate/dedup/finders.h"

namespace kedge::curate {

bool has_index(DedupMethod method) {
  return method == DedupMethod::exact || method == DedupMethod::fuzzy || method == DedupMethod::sentence ||
         method == DedupMethod::paragraph;
}

bool cuts_texts(DedupMethod method) {
  return method != DedupMethod::exact && method != DedupMethod::fuzzy && method != DedupMethod::semantic;
}

Result<std::unique_ptr<RepeatFinder>> make_repeat_finder(const DedupOptions& options, const LinkPlace& place) {
  if (options.method == DedupMethod::substring) return make_substring_finder(options, place.spill);
  if (options.method == DedupMethod::bloom) return make_bloom_finder(options, place.spill);
  if (options.method == DedupMethod::tasks) return make_task_finder(options.tasks);
  return make_unit_finder(options, place);
}

std::string without(std::string_view text, std::span<const ByteSpan> cuts) {
  std::string kept;
  size_t at = 0;
  for (const ByteSpan& cut : cuts) {
    kept += text.substr(at, cut.begin - at);
    at = cut.end;
  }
  kept += text.substr(at);
  return kept;
}

bool fit(std::span<const ByteSpan> cuts, std::string_view text) {
  const auto between = [&](uint32_t at) { return at == text.size() || (text[at] & 0xC0) != 0x80; };
  uint32_t last = 0;
  for (const ByteSpan& cut : cuts) {
    if (cut.begin < last || cut.end <= cut.begin || cut.end > text.size()) return false;
    if (!between(cut.begin) || !between(cut.end)) return false;
    last = cut.end;
  }
  return true;
}

std::string spans_json(std::string_view text, std::span<const ByteSpan> cuts) {
  std::string json = "[";
  size_t at = 0, codes = 0;
  const auto codes_to = [&](size_t end) {
    for (; at < end; ++at) codes += (text[at] & 0xC0) == 0x80 ? 0 : 1;
    return codes;
  };
  for (const ByteSpan& cut : cuts) {
    const size_t begin = codes_to(cut.begin);
    json += fmt::format("{}[{},{}]", json.size() > 1 ? "," : "", begin, codes_to(cut.end));
  }
  return json + "]";
}

bool too_little_left(std::string_view text, const DedupOptions& options) {
  const bool sentences = options.method == DedupMethod::sentence;
  const size_t words_min = options.words_min.value_or(sentences ? 50 : 1);
  const size_t sentences_min = options.sentences_min.value_or(sentences ? 3 : 0);
  if (words_min > 0 && word_count(text) < words_min) return true;
  return sentences_min > 0 && sentences_of(text).size() < sentences_min;
}

}  // namespace kedge::curate
