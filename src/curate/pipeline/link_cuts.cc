// Texts of all shards are looked through for what repeats; each shard gets its list of cuts.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "curate/dedup/repeats.h"
#include "curate/pipeline/link.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

class Cutting {
 public:
  Cutting(const LinkJob& job, RepeatFinder& finder, WorkerPool& pool, const std::stop_token& stop)
      : job_(job), finder_(finder), pool_(pool), stop_(stop) {}

  Status learn(size_t pass) {
    uint32_t document = 0;
    Visitor<std::vector<Mark>> visitor;
    visitor.takes_text = false;
    visitor.work = [&](const data::Document& seen, std::vector<Mark>& marks) { marks = finder_.look(pass, seen.text); };
    visitor.take = [&](const std::vector<Mark>& marks, data::Document&) -> Status {
      if (document == UINT32_MAX) {
        return Error{ErrorKind::unsupported, "more than 4 billion documents in one deduplication"};
      }
      return finder_.add(pass, document++, marks);
    };
    for (const auto& output : job_.outputs) KEDGE_TRY(visit(walk_of(output), visitor, pool_, {}, stop_));
    return finder_.end_pass(pass);
  }

  Status write_lists() {
    for (size_t i = 0; i < job_.outputs.size(); ++i) {
      KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(job_.duplicates[i]));
      KEDGE_ASSIGN(data::LineFile ids, data::LineFile::create(removed_ids_of(job_.duplicates[i])));
      Visitor<> visitor;
      visitor.take = [&](Nothing, data::Document& seen) -> Status {
        const std::string line = line_of(seen);
        if (line.empty()) return Done{};
        KEDGE_TRY(ids.write(seen.id_json + "\n"));
        return file.write(line);
      };
      KEDGE_TRY(visit(walk_of(job_.outputs[i]), visitor, pool_, {}, stop_));
      KEDGE_TRY(ids.commit());
      KEDGE_TRY(file.commit());
    }
    return Done{};
  }

  [[nodiscard]] Json summary() const {
    Json all = {{"documents", documents_}, {"clusters", 0}, {"duplicates", dropped_}, {"sizes", Json::object()}};
    all["cut_texts"] = cut_;
    all["cut_bytes"] = cut_bytes_;
    if (pieces_ > 0) all["pieces"] = pieces_;
    return all;
  }

 private:
  [[nodiscard]] Job walk_of(const std::filesystem::path& output) const { return {{output}, {}, job_.fields, true}; }

  /// Empty where nothing of it goes.
  std::string line_of(const data::Document& seen) {
    const Edit edit = finder_.edit_of(documents_++, seen.text);
    if (edit.drop) {
      ++dropped_;
      return fmt::format("{{\"record\":{},\"of\":null}}\n", seen.number);
    }
    const bool splits = !edit.pieces.empty();
    if (edit.cuts.empty() && !splits) return {};
    ++cut_;
    pieces_ += edit.pieces.size();
    std::string spans;
    uint64_t bytes = 0;
    for (const ByteSpan& span : splits ? edit.pieces : edit.cuts) {
      bytes += span.end - span.begin;
      spans += fmt::format("{}[{},{}]", spans.empty() ? "" : ",", span.begin, span.end);
    }
    cut_bytes_ += splits ? seen.text.size() - bytes : bytes;
    return fmt::format("{{\"record\":{},\"{}\":[{}]}}\n", seen.number, splits ? "split" : "cut", spans);
  }

  const LinkJob& job_;
  RepeatFinder& finder_;
  WorkerPool& pool_;
  const std::stop_token& stop_;
  uint32_t documents_ = 0;
  uint64_t dropped_ = 0, cut_ = 0, cut_bytes_ = 0, pieces_ = 0;
};

}  // namespace

Result<Json> cut_shards(const LinkJob& job, const DedupOptions& options, WorkerPool& pool,
                        const std::stop_token& stop) {
  KEDGE_ASSIGN(const auto finder, make_repeat_finder(options, {job.spill, job.identity}));
  Cutting cutting(job, *finder, pool, stop);
  for (size_t pass = 0; pass < finder->passes(); ++pass) KEDGE_TRY(cutting.learn(pass));
  KEDGE_TRY(cutting.write_lists());
  KEDGE_ASSIGN(data::LineFile clusters, data::LineFile::create(job.clusters));
  KEDGE_TRY(clusters.commit());
  return cutting.summary();
}

}  // namespace kedge::curate
