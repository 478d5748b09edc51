#include "curate/synthesize.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <thread>

#include "core/file.h"
#include "core/json.h"
#include "curate/synthesis_answers.h"
#include "data/json_text.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSystem =
    "You write training text for a language model. You keep to the facts of the text you are given, add none of your "
    "own, and answer with the asked text alone, without remarks about the task.";

constexpr std::array<SynthesisTask, kSynthesisTasks> kTasks = {{
    {"diverse_qa", kSystem, "Here is a text:\n\n",
     "\n\nWrite up to eight questions about this text, each with its answer. Mix the forms: yes or no, open (what, "
     "why, "
     "how), a choice of four, a comparison, and reading between the lines. Questions must be clear without the text, "
     "answers correct by it and short. Write each as two lines, `Question:` and `Answer:`, with an empty line between "
     "pairs.",
     600},
    {"distill", kSystem, "Here is a text:\n\n",
     "\n\nWrite it again, shorter and clear. Keep every fact, number, name, definition and example that matters, and "
     "the order of its reasoning; leave out repetition, navigation and advertising. Use plain paragraphs.",
     1600},
    {"extract_knowledge", kSystem, "Here is a text:\n\n",
     "\n\nWrite a textbook passage with the knowledge in this text: what is generally true and worth learning, "
     "explained step by step in full sentences. Leave out opinions, stories about persons and everything that only "
     "matters to the page it stood on.",
     1400},
    {"knowledge_list", kSystem, "Here is a text:\n\n",
     "\n\nList the facts in this text, one a line, each line beginning with `- ` and understandable on its own: name "
     "what it is about instead of pointing at it. No headings, no duplicates.",
     600},
    {"wikipedia_paraphrase", kSystem, "Here is a text:\n\n",
     "\n\nSay the same in high-quality English as an article of an encyclopedia would: neutral, precise, in full "
     "sentences. Keep all the information.",
     512},
}};

/// Parts of at most `most` bytes, cut at the end of a line, else of a word, else of a character.
std::vector<std::string_view> segments_of(std::string_view text, size_t most) {
  std::vector<std::string_view> segments;
  while (text.size() > most) {
    size_t end = text.rfind('\n', most);
    if (end == std::string_view::npos || end < most / 2) end = text.rfind(' ', most);
    if (end == std::string_view::npos || end == 0) {
      end = most;
      while (end > 1 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    }
    segments.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  if (text.find_first_not_of(" \t\r\n") != std::string_view::npos) segments.push_back(text);
  return segments;
}

struct Asked {
  std::string id_json, text, where;
  std::string lines;  // of the answers
  Status failure = Done{};
};

class Synthesis {
 public:
  Synthesis(const Job& job, const SynthesisOptions& options, const Complete& complete, const Events& events)
      : job_(job), options_(options), complete_(complete), events_(events), part_(job.output.string() + ".part") {}

  /// How many documents an earlier run finished.
  Status open() {
    Json header = {{"task", options_.task->name}, {"model", options_.model}, {"inputs", Json::array()}};
    for (const data::Input& input : job_.inputs) header["inputs"].push_back(input.path.string());
    std::error_code code;
    if (fs::exists(part_, code)) KEDGE_TRY(resume(header));
    out_.open(part_, std::ios::app | std::ios::binary);
    if (done_ == 0 && fs::file_size(part_, code) == 0) out_ << to_text(header) << '\n';
    return out_.good() ? Status(Done{}) : failed();
  }

  Status add(const data::Document& document) {
    if (number_++ < done_) return Done{};
    waiting_.push_back({document.id_json, document.text, {}, {}, Done{}});
    return waiting_.size() < size_t{4} * options_.concurrency ? Status(Done{}) : ask();
  }

  /// Asks about all documents that wait, and keeps the answers.
  Status ask() {
    std::atomic<size_t> next = 0;
    {
      std::vector<std::jthread> threads;
      for (unsigned i = 0; i < std::min<size_t>(options_.concurrency, waiting_.size()); ++i) {
        threads.emplace_back([&] {
          for (size_t at = next++; at < waiting_.size(); at = next++) ask(waiting_[at]);
        });
      }
    }
    for (const Asked& asked : waiting_) {
      if (!asked.failure.ok()) {
        const ErrorKind kind = asked.failure.error().kind;
        if (kind == ErrorKind::unavailable || kind == ErrorKind::cancelled) return asked.failure.error();
        if (events_.on_reject) events_.on_reject({asked.id_json, asked.failure.error().message, false});
      }
      out_ << Json({{"lines", std::count(asked.lines.begin(), asked.lines.end(), '\n')}}).dump() << '\n' << asked.lines;
      if (!asked.failure.ok()) ++rejected_;
    }
    waiting_.clear();
    out_.flush();
    return out_.good() ? Status(Done{}) : failed();
  }

  /// The answers alone, under the output's name.
  Status finish() {
    out_.close();
    KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(job_.output));
    std::ifstream in(part_, std::ios::binary);
    std::string line;
    std::getline(in, line);  // what the run is
    while (std::getline(in, line)) {
      if (!line.starts_with("{\"lines\":")) KEDGE_TRY(file.write(line + "\n"));
    }
    KEDGE_TRY(file.commit());
    std::error_code code;
    fs::remove(part_, code);
    return Done{};
  }

  [[nodiscard]] uint64_t rejected() const { return rejected_; }

 private:
  [[nodiscard]] Error failed() const { return {ErrorKind::unavailable, part_.string() + ": cannot be written"}; }

  /// Leaves of the file what is whole: {"lines":N} and N lines for each document.
  Status resume(const Json& header) {
    std::ifstream in(part_, std::ios::binary);
    std::string line;
    std::getline(in, line);
    const auto found = parse_json(line, part_.string());
    if (in.eof() && !found.ok()) return truncate(0);  // killed at once
    if (!found.ok() || found.value() != header) {
      return Error{
          ErrorKind::invalid_input,
          fmt::format("{}: holds the beginning of another run; remove it, or choose another output", part_.string())};
    }
    uint64_t whole = static_cast<uint64_t>(in.tellg());
    while (std::getline(in, line) && !in.eof()) {
      const auto head = parse_json(line, part_.string());
      if (!head.ok() || !head.value().is_object() || !head.value().contains("lines")) break;
      const auto count = head.value()["lines"].get<uint64_t>();
      for (uint64_t i = 0; i < count && in.good(); ++i) std::getline(in, line);
      if (!in.good() || in.eof()) break;
      whole = static_cast<uint64_t>(in.tellg());
      if (count == 0) ++rejected_;
      ++done_;
    }
    return truncate(whole);
  }

  [[nodiscard]] Status truncate(uint64_t bytes) const {
    std::error_code code;
    fs::resize_file(part_, bytes, code);
    return code ? Status(failed()) : Status(Done{});
  }

  void ask(Asked& asked) const {
    const auto segments = segments_of(asked.text, options_.segment_bytes);
    if (segments.empty()) asked.failure = Error{ErrorKind::invalid_input, "the text is empty"};
    for (size_t i = 0; i < segments.size() && asked.failure.ok(); ++i) {
      const SynthesisTask& task = *options_.task;
      std::string user(task.before);
      user.append(segments[i]).append(task.after);
      const Result<std::string> answer = complete_(task.system, user);
      if (!answer.ok()) {
        asked.failure = answer.error();
        asked.lines.clear();
        return;
      }
      const std::string text = document_of(asked, i, segments[i], answer.value());
      if (text.empty()) continue;
      asked.lines += fmt::format("{{\"id\":{},\"segment\":{},\"task\":\"{}\",\"model\":", asked.id_json, i, task.name);
      data::append_json_string(asked.lines, options_.model);
      asked.lines += ",\"text\":";
      data::append_json_string(asked.lines, text);
      asked.lines += "}\n";
    }
    if (asked.failure.ok() && asked.lines.empty()) {
      asked.failure = Error{ErrorKind::invalid_input, "the model's answer is malformed: nothing of it can be used"};
    }
  }

  [[nodiscard]] std::string document_of(const Asked& asked, size_t segment, std::string_view text,
                                        const std::string& answer) const {
    if (!options_.post_process) return answer;
    if (options_.task->name == "knowledge_list") return plain_list(answer);
    if (options_.task->name != "diverse_qa") return answer;
    QuestionSampling sampling{.pairs_max = options_.pairs_max};
    const std::string key = fmt::format("{}:{}", asked.id_json, segment);
    sampling.seed = XXH3_64bits_withSeed(key.data(), key.size(), options_.seed);
    if (options_.tokenizer != nullptr) {
      const auto ids = options_.tokenizer->encode(text, {.parse_special = false});
      if (ids.ok()) sampling.text_tokens = std::ssize(ids.value());
    }
    return with_questions(text, answer, sampling);
  }

  const Job& job_;
  const SynthesisOptions& options_;
  const Complete& complete_;
  const Events& events_;
  fs::path part_;
  std::ofstream out_;
  std::vector<Asked> waiting_;
  uint64_t number_ = 0, done_ = 0, rejected_ = 0;
};

}  // namespace

const std::array<SynthesisTask, kSynthesisTasks>& synthesis_tasks() {
  return kTasks;
}

Result<Counts> synthesize(const Job& job, const SynthesisOptions& options, const Complete& complete, WorkerPool& pool,
                          const Events& events, const std::stop_token& stop) {
  Synthesis work(job, options, complete, events);
  KEDGE_TRY(work.open());
  Visitor<> visitor;
  visitor.take = [&](Nothing, data::Document& document) -> Status {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped; the same command goes on from here"};
    return work.add(document);
  };
  KEDGE_ASSIGN(Counts counts, visit(job, visitor, pool, events, stop));
  KEDGE_TRY(work.ask());
  KEDGE_TRY(work.finish());
  counts.out -= work.rejected();
  counts.rejected += work.rejected();
  return counts;
}

}  // namespace kedge::curate
