#include "curate/pipeline/shard.h"

#include <cmath>
#include <optional>

#include "curate/dedup/repeats.h"
#include "data/json_line.h"
#include "data/json_text.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

constexpr size_t kSampleBytes = 800;
constexpr size_t kDetailsBytes = 4000;

/// What became of one document.
struct Slot {
  std::vector<Outcome> outcomes;  // of the steps that saw it
  bool kept = true;
  size_t bytes = 0, kept_bytes = 0;  // of its text as it came, and as it goes
  std::string text;                  // of a dropped one, its beginning
  std::string line;
  DocumentKeys keys;
  std::vector<float> vector;  // of unit length; empty: there is none
};

class ShardRun {
 public:
  ShardRun(const Stage& stage, const ShardJob& job) : stage_(stage), job_(job) {
    if (stage.after_dedup) ranges_.emplace_back();
    for (const auto& step : stage.steps) ranges_.push_back(step->value_ranges());
    statistics_.steps.resize(ranges_.size());
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

  void begin(size_t slots) { slots_.assign(slots, {}); }

  void work(data::Document& document, size_t index) {
    Slot& slot = slots_[index];
    slot.bytes = document.text.size();
    if (stage_.after_dedup) slot.outcomes.push_back(remove_duplicates(document));
    bool changed = stage_.after_dedup && slot.outcomes.back().changed;
    std::vector<std::pair<std::string, std::string>> members;
    for (size_t i = 0; i < stage_.steps.size() && still_kept(slot); ++i) {
      slot.outcomes.push_back(stage_.steps[i]->apply(document));
      changed = changed || slot.outcomes.back().changed;
      for (auto& member : slot.outcomes.back().members) members.push_back(member);
    }
    slot.kept = still_kept(slot);
    slot.text = beginning_of(document.text, kSampleBytes);
    if (!slot.kept) return;
    slot.line = output_line(document, job_, changed, stage_.extracts, members);
    if (stage_.keys != nullptr) slot.keys = stage_.keys->keys_of(document);
    if (stage_.vectors) slot.vector = unit_vector(*stage_.vectors, document.text, slot.line);
    slot.kept_bytes = document.text.size();
  }

  Status take(size_t index, const data::Document& document) {
    Slot& slot = slots_[index];
    statistics_.bytes_in += slot.bytes;
    statistics_.lengths_in.add(std::log10(static_cast<double>(slot.bytes) + 1));
    for (size_t i = 0; i < slot.outcomes.size(); ++i) {
      const Outcome& outcome = slot.outcomes[i];
      statistics_.steps[i].add(outcome, ranges_[i]);
      if (!outcome.keep) statistics_.steps[i].add_sample(sample_of(document, slot, outcome));
    }
    if (!slot.kept) return Done{};
    ++statistics_.kept;
    statistics_.bytes_kept += slot.kept_bytes;
    statistics_.lengths_kept.add(std::log10(static_cast<double>(slot.kept_bytes) + 1));
    if (statistics_.kept_samples.size() < StepStatistics::kSamplesMax) {
      statistics_.kept_samples.push_back(sample_of(document, slot, {}));
    }
    if (keys_) KEDGE_TRY(keys_->add(slot.keys, document.id_json));
    if (vectors_) KEDGE_TRY(vectors_->add(slot.vector, document.id_json));
    return output_->write(slot.line);
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

  [[nodiscard]] static bool still_kept(const Slot& slot) { return slot.outcomes.empty() || slot.outcomes.back().keep; }

  Outcome remove_duplicates(data::Document& document) const {
    const auto found = job_.duplicates.find(document.number);
    return remove_duplicate(document, found == job_.duplicates.end() ? nullptr : &found->second, stage_.before);
  }

  static Sample sample_of(const data::Document& document, const Slot& slot, const Outcome& outcome) {
    return {document.id_json, outcome.reason, slot.text,
            outcome.details.size() <= kDetailsBytes ? outcome.details : std::string()};
  }

  const Stage& stage_;
  const ShardJob& job_;
  std::vector<std::vector<ValueRange>> ranges_;
  StageStatistics statistics_;
  std::vector<Slot> slots_;
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

Outcome remove_duplicate(data::Document& document, const Removal* removal, const DedupOptions& dedup) {
  Outcome outcome;
  if (removal == nullptr) return outcome;
  if (removal->cuts.empty()) {
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
  if (job.number_rows) data::set_member(line, data::kRowMember, std::to_string(document.number));
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
  Visitor visitor;
  visitor.takes_text = false;
  if (stage.extracts) {
    visitor.read_page = [&](const data::Record& record) { return stage.steps.front()->read_page(record); };
  }
  visitor.begin_batch = [&](size_t slots) { run.begin(slots); };
  visitor.work = [&](data::Document& document, size_t slot) { run.work(document, slot); };
  visitor.take = [&](size_t slot, data::Document& document) { return run.take(slot, document); };
  Job walk{job.inputs, job.output, job.fields, true, job.records_enough};
  KEDGE_ASSIGN(const Counts counts, visit(walk, visitor, pool, watched, stop));
  KEDGE_TRY(std::move(rejecting));
  return run.finish(counts);
}

}  // namespace kedge::curate
