#include "curate/survey.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <map>
#include <queue>

#include "curate/code_text.h"
#include "curate/document_line.h"
#include "curate/language/language.h"
#include "data/line_file.h"
#include "text/unicode/utf8.h"

namespace kedge::curate {
namespace {

struct Measures {
  size_t bytes = 0, characters = 0, words = 0, lines = 0;
  uint64_t hash = 0;
  std::string language;
};

Measures measure(const std::string& text, const LanguageModel& languages) {
  Measures m;
  m.bytes = text.size();
  m.characters = text::count_characters(text);
  m.words = split_words(to_codes(text)).size();
  m.lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + (text.empty() ? 0 : 1);
  m.hash = XXH3_64bits(text.data(), text.size());
  m.language = languages.identify(text).code;
  return m;
}

uint32_t quantile(const std::vector<uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<size_t>(share * last)];
}

}  // namespace

Result<Json> survey(const Job& job, WorkerPool& pool, const Events& events, const std::stop_token& stop) {
  const auto languages = built_in_language_model();
  Measures sum;
  std::vector<uint32_t> lengths;
  std::vector<uint64_t> hashes;
  std::map<std::string, uint64_t> by_language;
  Visitor<Measures> visitor;
  visitor.takes_text = false;
  visitor.work = [&](const data::Document& document, Measures& m) { m = measure(document.text, *languages); };
  visitor.take = [&](const Measures& m, data::Document&) -> Status {
    sum.bytes += m.bytes;
    sum.characters += m.characters;
    sum.words += m.words;
    sum.lines += m.lines;
    lengths.push_back(static_cast<uint32_t>(m.characters));
    hashes.push_back(m.hash);
    ++by_language[m.language];
    return Done{};
  };
  KEDGE_ASSIGN(const Counts counts, visit(job, visitor, pool, events, stop));
  std::ranges::sort(lengths);
  std::ranges::sort(hashes);
  const auto copies = std::ranges::unique(hashes).size();
  std::vector<std::pair<std::string, uint64_t>> ordered(by_language.begin(), by_language.end());
  std::ranges::stable_sort(ordered, [](const auto& a, const auto& b) { return a.second > b.second; });
  Json named = Json::object();
  for (const auto& [code, count] : ordered) named[code] = count;
  return Json{{"documents", counts.out},
              {"rejected", counts.rejected},
              {"bytes", sum.bytes},
              {"characters", sum.characters},
              {"words", sum.words},
              {"lines", sum.lines},
              {"length",
               {{"min", quantile(lengths, 0)},
                {"p10", quantile(lengths, 0.1)},
                {"p50", quantile(lengths, 0.5)},
                {"p90", quantile(lengths, 0.9)},
                {"p99", quantile(lengths, 0.99)},
                {"max", quantile(lengths, 1)}}},
              {"exact_duplicates", copies},
              {"languages", named}};
}

Result<Counts> sample(const Job& job, const SampleOptions& options, WorkerPool& pool, const Events& events,
                      const std::stop_token& stop) {
  struct Chosen {
    uint64_t hash, order;
    std::string line;
    bool operator<(const Chosen& other) const { return hash != other.hash ? hash < other.hash : order < other.order; }
  };
  std::priority_queue<Chosen> chosen;  // the largest hash on top: it goes first
  uint64_t order = 0;
  Visitor<> visitor;
  visitor.take = [&](Nothing, data::Document& document) -> Status {
    const uint64_t hash = XXH3_64bits_withSeed(document.id_json.data(), document.id_json.size(), options.seed);
    if (chosen.size() == options.count && (options.count == 0 || hash >= chosen.top().hash)) return Done{};
    chosen.push({hash, order++, document_line(document)});
    if (chosen.size() > options.count) chosen.pop();
    return Done{};
  };
  KEDGE_ASSIGN(Counts counts, visit(job, visitor, pool, events, stop));
  std::vector<Chosen> lines;
  for (; !chosen.empty(); chosen.pop()) lines.push_back(chosen.top());
  std::ranges::sort(lines, {}, &Chosen::order);
  KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(job.output));
  for (const Chosen& line : lines) KEDGE_TRY(file.write(line.line));
  KEDGE_TRY(file.commit());
  counts.out = lines.size();
  return counts;
}

}  // namespace kedge::curate
