// Texts of all shards are looked through for what repeats; each shard gets its list of cuts.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "curate/dedup/document_numbers.h"
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
    shards_.clear();
    uint32_t document = 0;
    Visitor<std::vector<Mark>> visitor;
    visitor.takes_text = false;
    visitor.work = [&](const data::Document& seen, std::vector<Mark>& marks) { marks = finder_.look(pass, seen.text); };
    visitor.take = [&](const std::vector<Mark>& marks, const data::Document& seen) -> Status {
      if (document == UINT32_MAX) {
        return Error{ErrorKind::unsupported, "more than 4 billion documents in one deduplication"};
      }
      shards_.back().numbers.add(seen.number);
      return finder_.add(pass, document++, marks);
    };
    for (const auto& output : job_.outputs) {
      shards_.push_back({document, {}});
      KEDGE_TRY(visit(walk_of(output), visitor, pool_, {}, stop_));
    }
    return finder_.end_pass(pass);
  }

  Status write_lists() {
    for (size_t i = 0; i < job_.outputs.size(); ++i) {
      KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(job_.duplicates[i]));
      KEDGE_ASSIGN(data::LineFile ids, data::LineFile::create(removed_ids_of(job_.duplicates[i])));
      Visitor<Cut> visitor;
      visitor.takes_text = false;
      visitor.work = [&](const data::Document& seen, Cut& cut) { cut = cut_of(seen, shards_[i]); };
      visitor.take = [&](const Cut& cut, const data::Document& seen) -> Status {
        count(cut);
        if (cut.line.empty()) return Done{};
        KEDGE_TRY(ids.write(seen.id_json + "\n"));
        return file.write(cut.line);
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

  struct Shard {
    uint32_t first = 0;  // document
    DocumentNumbers numbers;
  };
  struct Cut {
    std::string line;  // empty where nothing of it goes
    bool drop = false;
    size_t pieces = 0;
    uint64_t bytes = 0;
  };

  Cut cut_of(const data::Document& seen, const Shard& shard) const {
    const Edit edit = finder_.edit_of(shard.first + shard.numbers.of(seen.number), seen.text);
    if (edit.drop) return {fmt::format("{{\"record\":{},\"of\":null}}\n", seen.number), true};
    const bool splits = !edit.pieces.empty();
    if (edit.cuts.empty() && !splits) return {};
    std::string spans;
    uint64_t bytes = 0;
    for (const ByteSpan& span : splits ? edit.pieces : edit.cuts) {
      bytes += span.end - span.begin;
      spans += fmt::format("{}[{},{}]", spans.empty() ? "" : ",", span.begin, span.end);
    }
    return {fmt::format("{{\"record\":{},\"{}\":[{}]}}\n", seen.number, splits ? "split" : "cut", spans), false,
            edit.pieces.size(), splits ? seen.text.size() - bytes : bytes};
  }

  void count(const Cut& cut) {
    ++documents_;
    if (cut.line.empty()) return;
    ++(cut.drop ? dropped_ : cut_);
    pieces_ += cut.pieces;
    cut_bytes_ += cut.bytes;
  }

  const LinkJob& job_;
  RepeatFinder& finder_;
  WorkerPool& pool_;
  const std::stop_token& stop_;
  std::vector<Shard> shards_;
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
