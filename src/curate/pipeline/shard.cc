#include "curate/pipeline/shard.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>
#include <optional>

#include "curate/dedup/repeats.h"
#include "curate/pipeline/steps.h"
#include "data/json_line.h"
#include "data/json_text.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

constexpr size_t kSampleBytes = 800;
constexpr size_t kDetailsBytes = 4000;

/// What became of one document, or of one piece of it.
struct Part {
  std::string id_json;            // of a piece
  std::vector<Outcome> outcomes;  // of the steps that saw it
  bool kept = true;
  size_t kept_bytes = 0;  // of its text as it goes
  std::string text;       // its beginning
  std::string line;
  DocumentKeys keys;
  std::vector<float> vector;  // of unit length; empty: there is none
};

/// What became of a record.
struct Worked {
  size_t bytes = 0;  // of the text as it came
  Outcome removal;   // where deduplication comes before the steps
  uint64_t number = 0;
  std::vector<Part> parts;
};

/// The number of a line's document or row, as an earlier stage wrote it; 0: there is none.
uint64_t number_in(std::string_view line) {
  thread_local simdjson::dom::parser parser;
  uint64_t number = 0;
  const auto failed = parser.parse(line.data(), line.size()).at_key(data::kRowMember).get(number);
  return failed == simdjson::SUCCESS ? number : 0;
}

class ShardRun {
 public:
  ShardRun(const Stage& stage, const ShardJob& job) : stage_(stage), job_(job) {
    if (stage.after_dedup) ranges_.emplace_back();
    for (const auto& step : stage.steps) ranges_.push_back(step->value_ranges());
    statistics_.steps.resize(ranges_.size());
    if (job.numbered) statistics_.documents_kept = 0;
  }

  Status open() {
    KEDGE_ASSIGN(output_, data::DocumentFile::create(job_.output, job_.parquet, job_.output_bytes));
    if (stage_.keys != nullptr) {
      KEDGE_ASSIGN(KeyWriter keys, KeyWriter::create(job_.output));
      keys_.emplace(std::move(keys));
    }
    if (stage_.vectors) {
      KEDGE_ASSIGN(VectorWriter vectors, VectorWriter::create(job_.output));
      vectors_.emplace(std::move(vectors));
    }
    return job_.rejects.empty() || stage_.after_dedup ? Status(Done{}) : open_rejects();
  }

  void work(data::Document& document, Worked& worked) const {
    worked.bytes = document.text.size();
    if (job_.numbered) worked.number = number_in(document.line);
    const Removal* const removal = removal_of(document);
    if (stage_.after_dedup) worked.removal = remove_duplicate(document, removal, stage_.before);
    if (!worked.removal.keep) {
      worked.parts.push_back({.kept = false, .text = beginning_of(document.text, kSampleBytes)});
    } else if (removal != nullptr && removal->pieces.size() > 1) {
      const data::Document whole = document;
      for (size_t i = 0; i < removal->pieces.size(); ++i) {
        make_piece(document, whole, *removal, i);
        worked.parts.push_back(work_on(document, true, true));
      }
      document.id_json = whole.id_json;
    } else {
      worked.parts.push_back(work_on(document, worked.removal.changed, false));
    }
  }

  Status take(const Worked& worked, const data::Document& document) {
    statistics_.bytes_in += worked.bytes;
    statistics_.lengths_in.add(std::log10(static_cast<double>(worked.bytes) + 1));
    if (stage_.after_dedup) count(0, worked.removal, document.id_json, worked.parts.front().text);
    bool kept = false;
    for (const Part& part : worked.parts) {
      KEDGE_TRY(take_part(part, part.id_json.empty() ? document.id_json : part.id_json));
      kept = kept || part.kept;
    }
    if (kept && job_.numbered && worked.number != last_kept_) {
      ++*statistics_.documents_kept;
      last_kept_ = worked.number;
    }
    return Done{};
  }

  Status reject(const data::Reject& reject) {
    if (job_.rejects.empty()) return Done{};
    if (!rejects_) KEDGE_TRY(open_rejects());  // of what an earlier stage wrote: hardly ever
    std::string line = "{\"where\":";
    data::append_json_string(line, reject.where);
    line += ",\"reason\":";
    data::append_json_string(line, reject.reason);
    return rejects_->write(line + "}\n");
  }

  Result<ShardResult> finish(const Counts& counts) {
    statistics_.in = counts.in;
    statistics_.rejected = counts.rejected;
    if (rejects_) KEDGE_TRY(rejects_->commit());
    std::vector<data::WrittenFile> keys;
    if (keys_) {
      KEDGE_ASSIGN(keys, keys_->commit());
    }
    if (vectors_) KEDGE_TRY(vectors_->commit());
    KEDGE_TRY(output_->commit());
    return ShardResult{std::move(statistics_), output_->written(), std::move(keys)};
  }

 private:
  Status open_rejects() {
    KEDGE_ASSIGN(data::LineFile rejects, data::LineFile::create(job_.rejects));
    rejects_.emplace(std::move(rejects));
    return Done{};
  }

  [[nodiscard]] const Removal* removal_of(const data::Document& document) const {
    const auto found = job_.duplicates.find(document.number);
    return found == job_.duplicates.end() ? nullptr : &found->second;
  }

  /// The steps.
  [[nodiscard]] Part work_on(data::Document& document, bool changed, bool is_piece) const {
    Part part;
    std::vector<std::pair<std::string, std::string>> members;
    for (size_t i = 0; i < stage_.steps.size() && part.kept; ++i) {
      Outcome& outcome = part.outcomes.emplace_back(stage_.steps[i]->apply(document));
      changed = changed || outcome.changed;
      for (auto& member : outcome.members) members.push_back(member);
      part.kept = outcome.keep;
    }
    if (is_piece) part.id_json = document.id_json;
    part.text = beginning_of(document.text, kSampleBytes);
    if (!part.kept) return part;
    const bool as_text = job_.text_ids && !document.id_json.starts_with('"');
    if (is_piece || as_text)
      members.emplace_back(job_.fields.id, as_text ? json_text(document.id_json) : document.id_json);
    part.line = output_line(document, job_, changed, stage_.extracts, members);
    if (stage_.keys != nullptr) part.keys = stage_.keys->keys_of(document);
    if (stage_.vectors) part.vector = unit_vector(*stage_.vectors, document.text, part.line);
    part.kept_bytes = document.text.size();
    return part;
  }

  void count(size_t step, const Outcome& outcome, const std::string& id_json, const std::string& text) {
    statistics_.steps[step].add(outcome, ranges_[step]);
    if (!outcome.keep) statistics_.steps[step].add_sample(sample_of(id_json, text, outcome));
  }

  Status take_part(const Part& part, const std::string& id_json) {
    size_t step = stage_.after_dedup ? 1 : 0;
    for (const Outcome& outcome : part.outcomes) count(step++, outcome, id_json, part.text);
    if (!part.kept) return Done{};
    ++statistics_.kept;
    statistics_.bytes_kept += part.kept_bytes;
    statistics_.lengths_kept.add(std::log10(static_cast<double>(part.kept_bytes) + 1));
    if (statistics_.kept_samples.size() < StepStatistics::kSamplesMax) {
      statistics_.kept_samples.push_back(sample_of(id_json, part.text, {}));
    }
    if (keys_) KEDGE_TRY(keys_->add(part.keys, id_json));
    if (vectors_) KEDGE_TRY(vectors_->add(part.vector, id_json));
    return output_->write(part.line);
  }

  static Sample sample_of(const std::string& id_json, const std::string& text, const Outcome& outcome) {
    return {id_json, outcome.reason, text, outcome.details.size() <= kDetailsBytes ? outcome.details : std::string()};
  }

  const Stage& stage_;
  const ShardJob& job_;
  std::vector<std::vector<ValueRange>> ranges_;
  StageStatistics statistics_;
  uint64_t last_kept_ = 0;  // the number of the last document of which something was kept
  std::unique_ptr<data::DocumentFile> output_;
  std::optional<data::LineFile> rejects_;
  std::optional<KeyWriter> keys_;
  std::optional<VectorWriter> vectors_;
};

}  // namespace

std::vector<float> unit_vector(const VectorSource& source, std::string_view text, std::string_view line) {
  Result<std::vector<float>> found = source.vector_of(text, line);
  if (!found.ok() || !normalize(found.value())) return {};
  return std::move(found).value();
}

namespace {

/// What a removal that leaves pieces does.
void leave_pieces(data::Document& document, const std::vector<ByteSpan>& pieces, Outcome& outcome) {
  if (!fit(pieces, document.text)) {
    outcome.reason = "pieces of another text";
    return;
  }
  outcome.labels.emplace_back(pieces.size() == 1 ? "trimmed" : "split");
  if (pieces.size() > 1) outcome.labels.insert(outcome.labels.end(), pieces.size(), "pieces");
  outcome.details = "{\"split\":" + spans_json(document.text, pieces) + "}";
  outcome.changed = true;
  if (pieces.size() == 1) {
    document.text = document.text.substr(pieces[0].begin, pieces[0].end - pieces[0].begin);
  }
}

}  // namespace

void make_piece(data::Document& document, const data::Document& whole, const Removal& removal, size_t index) {
  const ByteSpan& piece = removal.pieces[index];
  document.text = whole.text.substr(piece.begin, piece.end - piece.begin);
  std::string id = whole.id_json;
  const bool is_text = id.starts_with('"');
  if (is_text) id.pop_back();
  document.id_json = fmt::format("{}{}-{}\"", is_text ? "" : "\"", id, index);
}

Outcome remove_duplicate(data::Document& document, const Removal* removal, const DedupOptions& dedup) {
  Outcome outcome;
  if (removal == nullptr) return outcome;
  if (!removal->pieces.empty()) {
    leave_pieces(document, removal->pieces, outcome);
  } else if (dedup.method == DedupMethod::tasks) {
    outcome.reason = "little or too many pieces left without evaluation items";
  } else if (removal->cuts.empty()) {
    outcome.reason = "duplicate";
    outcome.details = "{\"of\":" + removal->of + "}";
  } else if (!fit(removal->cuts, document.text)) {
    outcome.reason = "cuts of another text";
  } else {
    std::string left = without(document.text, removal->cuts);
    outcome.labels.emplace_back("cut");
    outcome.details = "{\"cut\":" + spans_json(document.text, removal->cuts) + "}";
    outcome.changed = true;
    if (too_little_left(left, dedup)) {
      outcome.reason = "too little left";
    } else {
      document.text = std::move(left);
    }
  }
  outcome.keep = outcome.reason.empty();
  return outcome;
}

std::string output_line(const data::Document& document, const ShardJob& job, bool text_changed, bool extracted,
                        const std::vector<std::pair<std::string, std::string>>& members) {
  std::string line(document.line);
  std::string text;
  if (line.empty() || text_changed || extracted) data::append_json_string(text, document.text);
  if (line.empty()) {
    line = "{}";
    data::set_member(line, job.fields.id, document.id_json);
    if (!document.url.empty()) {
      std::string url;
      data::append_json_string(url, document.url);
      data::set_member(line, job.fields.url, url);
    }
    if (!document.title.empty()) {
      std::string title;
      data::append_json_string(title, document.title);
      data::set_member(line, "title", title);
    }
  } else if (extracted) {
    data::remove_member(line, job.fields.text);
  }
  if (!text.empty()) data::set_member(line, job.text_field, text);
  for (const auto& [name, value] : members) data::set_member(line, name, value);
  if (job.number_rows || job.number_documents) {
    data::set_member(line, data::kRowMember, std::to_string(document.number));
  }
  if (job.forget_numbers) data::remove_member(line, data::kRowMember);
  return line + "\n";
}

uint64_t ShardResult::bytes() const {
  uint64_t bytes = 0;
  for (const data::WrittenFile& file : output) bytes += file.bytes;
  return bytes;
}

Result<ShardResult> run_shard(const Stage& stage, const ShardJob& job, WorkerPool& pool, const Events& events,
                              const std::stop_token& stop) {
  ShardRun run(stage, job);
  KEDGE_TRY(run.open());
  Status rejecting = Done{};
  Events watched = events;
  watched.on_reject = [&](const data::Reject& reject) {
    if (rejecting.ok()) rejecting = run.reject(reject);
    if (events.on_reject) events.on_reject(reject);
  };
  Visitor<Worked> visitor;
  visitor.takes_text = false;
  if (stage.extracts) {
    visitor.read_page = [&](const data::Record& record) { return stage.steps.front()->read_page(record); };
  }
  visitor.counts_records = job.number_documents && !job.number_rows;
  visitor.work = [&](data::Document& document, Worked& worked) { run.work(document, worked); };
  visitor.take = [&](const Worked& worked, data::Document& document) { return run.take(worked, document); };
  Job walk{job.inputs, job.output, job.fields, true, job.records_enough};
  KEDGE_ASSIGN(const Counts counts, visit(walk, visitor, pool, watched, stop));
  KEDGE_TRY(std::move(rejecting));
  return run.finish(counts);
}

}  // namespace kedge::curate
