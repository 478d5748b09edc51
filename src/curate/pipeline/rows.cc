#include "curate/pipeline/rows.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "curate/dedup/index.h"
#include "curate/dedup/key_files.h"
#include "curate/dedup/memory_keys.h"
#include "curate/dedup/repeats.h"
#include "curate/dedup/semantic.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

constexpr size_t kBatchRows = 2048;

class RowsRun {
 public:
  RowsRun(const Stages& stages, const Rows& rows, const RowsOptions& options, WorkerPool& pool,
          const std::stop_token& stop)
      : stages_(stages), rows_(rows), options_(options), pool_(pool), stop_(stop), outcomes_(rows.count()) {}

  Result<std::vector<RowOutcome>> run() {
    if (stages_.split_documents()) {
      return Error{
          ErrorKind::unsupported,
          "decontaminate with action remove makes several rows of one, which a table cannot take back; run the "
          "pipeline on files, or take action drop"};
    }
    for (size_t stage = 0; stage < stages_.stages.size(); ++stage) {
      KEDGE_TRY(each([&](size_t row) { work(stage, row); }));
      if (stage < stages_.dedups.size()) KEDGE_TRY(link(stage));
      first_label_ += stages_.stages[stage].steps.size() + (stage > 0 ? 1 : 0);
    }
    return std::move(outcomes_);
  }

 private:
  [[nodiscard]] bool is_kept(size_t row) const { return outcomes_[row].state == RowOutcome::State::kept; }

  template <typename Work>
  Status each(const Work& work) {
    return each(work, [](size_t, size_t) -> Status { return Done{}; });
  }

  /// `work(row)` for each kept row, on the pool; after each batch `take(begin, end)` on the caller's thread.
  template <typename Work, typename Take>
  Status each(const Work& work, const Take& take) {
    for (size_t begin = 0; begin < rows_.count(); begin += kBatchRows) {
      if (stop_.stop_requested()) return Error{ErrorKind::cancelled, "stopped"};
      const size_t end = std::min(begin + kBatchRows, rows_.count());
      pool_.parallel_for_parts(static_cast<int64_t>(end - begin), 1, [&](int64_t first, int64_t last, unsigned) {
        for (size_t row = begin + static_cast<size_t>(first); row < begin + static_cast<size_t>(last); ++row) {
          if (is_kept(row)) work(row);
        }
      });
      KEDGE_TRY(take(begin, end));
      if (options_.on_batch) options_.on_batch();
    }
    return Done{};
  }

  /// As it is by now.
  [[nodiscard]] Result<data::Document> document_of(size_t row) const {
    KEDGE_ASSIGN(data::Document document, rows_.read(row));
    document.number = row + 1;
    if (outcomes_[row].changed) document.text = outcomes_[row].text;
    return document;
  }

  void work(size_t stage_index, size_t row) {
    const Stage& stage = stages_.stages[stage_index];
    RowOutcome& outcome = outcomes_[row];
    Result<data::Document> read = document_of(row);
    if (!read.ok()) {
      outcome.state = RowOutcome::State::rejected;
      outcome.reason = read.error().message;
      return;
    }
    data::Document& document = read.value();
    bool changed = stage.extracts;
    size_t label = first_label_;
    if (stage.after_dedup) {
      const auto removal = removals_.find(row);
      changed |= take(remove_duplicate(document, removal == removals_.end() ? nullptr : &removal->second, stage.before),
                      label++, outcome);
    }
    for (size_t i = 0; i < stage.steps.size() && is_kept(row); ++i) {
      changed |= take(stage.steps[i]->apply(document), label++, outcome);
    }
    if (!is_kept(row)) return;
    if (stage.keys != nullptr && !cuts_texts(stages_.dedups[stage_index].method)) {
      keys_[row] = stage.keys->keys_of(document);
    }
    if (!changed) return;
    outcome.changed = true;
    outcome.text = std::move(document.text);
  }

  /// Whether the step changed the text.
  bool take(Outcome said, size_t label, RowOutcome& outcome) const {
    for (auto& member : said.members) outcome.members.push_back(std::move(member));
    if (options_.details && !said.details.empty()) outcome.details = std::move(said.details);
    if (!said.keep) {
      outcome.state = RowOutcome::State::dropped;
      outcome.step = label;
      outcome.reason = std::move(said.reason);
    }
    return said.changed;
  }

  Status link(size_t stage) {
    removals_.clear();
    const DedupOptions& dedup = stages_.dedups[stage];
    if (dedup.method == DedupMethod::semantic) return compare(stage);
    if (cuts_texts(dedup.method)) return cut(dedup);
    return dedup.index.empty() ? cluster(stage) : compare_with_index(stage);
  }

  Status cluster(size_t stage) {
    MemoryKeys keys(stages_.stages[stage].keys->bands());
    std::vector<size_t> rows;
    for (size_t row = 0; row < rows_.count(); ++row) {
      if (!is_kept(row)) continue;
      KEDGE_ASSIGN(const data::Document document, rows_.read(row));
      KEDGE_TRY(keys.add(std::move(keys_[row]), document.id_json));
      rows.push_back(row);
    }
    KEDGE_ASSIGN(const std::vector<Repeat> repeats, keys.link(stages_.dedups[stage], stop_));
    for (const auto& [document, kept] : repeats) {
      removals_.emplace(rows[document], Removal{std::string(keys.id(kept)), {}});
    }
    return Done{};
  }

  /// Of unit length; empty where there is none.
  Result<std::vector<float>> embedding_of(const VectorSource& source, size_t row) const {
    std::vector<float> vector;
    if (source.model != nullptr) {
      const Result<std::vector<float>> made = source.model->embedding(text_of(row));
      if (made.ok()) vector = made.value();
    } else {
      KEDGE_ASSIGN(vector, rows_.vector(row, source.field));
    }
    if (!normalize(vector)) vector.clear();
    return vector;
  }

  Status compare(size_t stage) {
    std::vector<size_t> rows;
    std::vector<float> all;
    size_t dimensions = 0;
    for (size_t row = 0; row < rows_.count(); ++row) {
      if (!is_kept(row)) continue;
      KEDGE_ASSIGN(const std::vector<float> vector, embedding_of(*stages_.stages[stage].vectors, row));
      if (vector.empty()) continue;
      if (dimensions == 0) dimensions = vector.size();
      if (vector.size() != dimensions || rows.size() == UINT32_MAX) {
        return Error{ErrorKind::invalid_input, fmt::format("row {}: found an embedding of {} numbers, expected {} as "
                                                           "before",
                                                           row, vector.size(), dimensions)};
      }
      rows.push_back(row);
      all.insert(all.end(), vector.begin(), vector.end());
    }
    if (rows.empty()) return Done{};
    const MemoryVectors vectors(all, dimensions);
    KEDGE_ASSIGN(const auto matches, find_semantic_duplicates(vectors, stages_.dedups[stage].semantic, pool_, stop_));
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!matches[i]) continue;
      KEDGE_ASSIGN(const data::Document of, rows_.read(rows[matches[i]->of]));
      removals_.emplace(rows[i], Removal{of.id_json, {}});
    }
    return Done{};
  }

  Status compare_with_index(size_t stage) {
    const std::filesystem::path shard = options_.spill / "shard-00000.jsonl";
    KEDGE_ASSIGN(KeyWriter writer, KeyWriter::create(shard));
    std::vector<size_t> rows;
    for (size_t row = 0; row < rows_.count(); ++row) {
      if (!is_kept(row)) continue;
      KEDGE_ASSIGN(const data::Document document, rows_.read(row));
      KEDGE_TRY(writer.add(keys_[row], document.id_json));
      rows.push_back(row);
    }
    KEDGE_TRY(writer.commit());
    const KeyFiles files = key_files_of(shard);
    KEDGE_ASSIGN(const uint64_t keys, data::file_checksum(files.keys));
    KEDGE_ASSIGN(const uint64_t ids, data::file_checksum(files.ids));
    const std::string identity = fmt::format("table {:016x} {:016x}", keys, ids);
    KEDGE_ASSIGN(KeyLinks links, link_key_files({shard}, stages_.dedups[stage], {options_.spill, identity}, stop_));
    const uint32_t documents = links.keys->documents();
    const std::vector<Repeat> repeats = repeats_of(links.sets, documents, links.first_new);
    KEDGE_ASSIGN(const Ids names, links.keys->ids_of(Clusters(repeats, documents)));
    for (const auto& [document, kept] : repeats) {
      removals_.emplace(rows[document - links.first_new], Removal{names.at(kept), {}});
    }
    std::error_code code;
    for (const auto& path : {files.keys, files.offsets, files.shingles, files.ids}) {
      std::filesystem::remove(path, code);
    }
    return Done{};
  }

  [[nodiscard]] std::string identity_of_texts() const {
    uint64_t hash = 0;
    for (size_t row = 0; row < rows_.count(); ++row) {
      if (!is_kept(row)) continue;
      const std::string text = text_of(row);
      hash = XXH3_64bits_withSeed(text.data(), text.size(), hash);
    }
    return fmt::format("table {:016x}", hash);
  }

  Status cut(const DedupOptions& dedup) {
    KEDGE_ASSIGN(const auto finder,
                 make_repeat_finder(dedup, {options_.spill, dedup.index.empty() ? "" : identity_of_texts()}));
    std::vector<std::vector<Mark>> marks(rows_.count());
    for (size_t pass = 0; pass < finder->passes(); ++pass) {
      uint32_t document = 0;
      const auto look = [&](size_t row) { marks[row] = finder->look(pass, text_of(row)); };
      const auto add = [&](size_t begin, size_t end) -> Status {
        for (size_t row = begin; row < end; ++row) {
          if (!is_kept(row)) continue;
          if (document == UINT32_MAX) {
            return Error{ErrorKind::unsupported, "more than 4 billion documents in one deduplication"};
          }
          KEDGE_TRY(finder->add(pass, document++, marks[row]));
          marks[row] = {};
        }
        return Done{};
      };
      KEDGE_TRY(each(look, add));
      KEDGE_TRY(finder->end_pass(pass));
    }
    std::vector<uint32_t> documents(rows_.count());
    uint32_t document = 0;
    for (size_t row = 0; row < rows_.count(); ++row) documents[row] = is_kept(row) ? document++ : 0;
    std::vector<Edit> edits(rows_.count());
    const auto find = [&](size_t row) { edits[row] = finder->edit_of(documents[row], text_of(row)); };
    const auto remove = [&](size_t begin, size_t end) -> Status {
      for (size_t row = begin; row < end; ++row) {
        Edit edit = std::move(edits[row]);
        if (edit.drop) removals_.emplace(row, Removal{"null", {}});
        if (!edit.drop && !edit.cuts.empty()) removals_.emplace(row, Removal{{}, std::move(edit.cuts)});
      }
      return Done{};
    };
    return each(find, remove);
  }

  /// REQUIRES: the row is kept, so that it can be read.
  [[nodiscard]] std::string text_of(size_t row) const {
    Result<data::Document> document = document_of(row);
    return document.ok() ? std::move(document).value().text : std::string();
  }

  const Stages& stages_;
  const Rows& rows_;
  const RowsOptions& options_;
  WorkerPool& pool_;
  const std::stop_token& stop_;
  std::vector<RowOutcome> outcomes_;
  std::vector<DocumentKeys> keys_ = std::vector<DocumentKeys>(outcomes_.size());
  Duplicates removals_;     // by row
  size_t first_label_ = 0;  // of the stage at hand
};

}  // namespace

Result<std::vector<RowOutcome>> run_rows(const Stages& stages, const Rows& rows, const RowsOptions& options,
                                         WorkerPool& pool, const std::stop_token& stop) {
  return RowsRun(stages, rows, options, pool, stop).run();
}

}  // namespace kedge::curate
