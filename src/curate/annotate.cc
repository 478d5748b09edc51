#include "curate/annotate.h"

#include <fmt/format.h>

#include <optional>

#include "core/file.h"

namespace kedge::curate {
namespace {

constexpr size_t kWriteBytes = size_t{1} << 20;

/// One batch's documents beside its records.
struct Parsed {
  std::optional<data::Document> document;
  Error error;
};

class Visit {
 public:
  Visit(const Visitor& visitor, WorkerPool& pool, const Events& events)
      : visitor_(visitor), pool_(pool), events_(events) {}

  Status batch(const data::Reader& reader, const data::Batch& batch) {
    parsed_.clear();
    parsed_.resize(batch.records.size());
    if (visitor_.begin_batch) visitor_.begin_batch(batch.records.size());
    pool_.parallel_for_parts(static_cast<int64_t>(batch.records.size()), 1, [&](int64_t begin, int64_t end, unsigned) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) parse(reader, batch.records[i], i);
    });
    for (size_t i = 0; i < parsed_.size(); ++i) KEDGE_TRY(take(reader, batch.records[i], i));
    return Done{};
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// No record of any file kept to its format.
  [[nodiscard]] const std::optional<data::Reject>& first_unreadable() const { return first_unreadable_; }
  [[nodiscard]] bool read_something() const { return readable_; }

 private:
  void parse(const data::Reader& reader, const data::Record& record, size_t slot) {
    Result<data::Document> document = visitor_.read ? visitor_.read(reader, record) : reader.parse(record);
    if (!document.ok()) {
      parsed_[slot].error = std::move(document).error();
      return;
    }
    parsed_[slot].document = std::move(document).value();
    if (visitor_.work) visitor_.work(*parsed_[slot].document, slot);
  }

  Status take(const data::Reader& reader, const data::Record& record, size_t slot) {
    ++counts_.in;
    Parsed& parsed = parsed_[slot];
    if (parsed.document) {
      readable_ = true;
      ++counts_.out;
      return visitor_.take(slot, *parsed.document);
    }
    ++counts_.rejected;
    data::Reject reject{reader.name(record), parsed.error.message, parsed.error.kind == ErrorKind::corrupt_data};
    if (!reject.unreadable) readable_ = true;
    if (events_.on_reject) events_.on_reject(reject);
    if (reject.unreadable && !first_unreadable_) first_unreadable_ = std::move(reject);
    return Done{};
  }

  const Visitor& visitor_;
  WorkerPool& pool_;
  const Events& events_;
  std::vector<Parsed> parsed_;
  Counts counts_;
  std::optional<data::Reject> first_unreadable_;
  bool readable_ = false;
};

}  // namespace

Result<Counts> visit(const Job& job, const Visitor& visitor, WorkerPool& pool, const Events& events,
                     const std::stop_token& stop) {
  KEDGE_ASSIGN(const auto reader, data::Reader::open(job.inputs, job.fields));
  Visit walk(visitor, pool, events);
  data::Batch batch;
  for (;;) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped; no output was written"};
    KEDGE_ASSIGN(const bool more, reader->read(batch));
    if (!more || walk.counts().in >= job.records_enough) break;
    KEDGE_TRY(walk.batch(*reader, batch));
    if (events.on_progress) {
      const double size = static_cast<double>(std::max<uint64_t>(reader->size(), 1));
      events.on_progress(walk.counts().in, std::min(1.0, static_cast<double>(reader->consumed()) / size));
    }
  }
  if (!job.may_hold_nothing && !walk.read_something() && walk.first_unreadable()) {
    return Error{ErrorKind::corrupt_data, fmt::format("nothing could be read; {}: {}", walk.first_unreadable()->where,
                                                      walk.first_unreadable()->reason)};
  }
  return walk.counts();
}

Result<Counts> annotate(const Job& job, const Operator& op, WorkerPool& pool, const Events& events,
                        const std::stop_token& stop) {
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(job.output));
  std::vector<std::string> lines;
  std::string pending;  // one write a megabyte, not one a document
  Visitor visitor;
  visitor.read = [&op](const data::Reader& reader, const data::Record& record) {
    const bool page = record.kind == data::RecordKind::http_response && op.reads_pages();
    return page ? op.read_page(record) : reader.parse(record);
  };
  visitor.begin_batch = [&](size_t slots) { lines.assign(slots, {}); };
  visitor.work = [&](const data::Document& document, size_t slot) {
    op.annotate(document, lines[slot]);
    lines[slot] += '\n';
  };
  visitor.take = [&](size_t slot, data::Document&) -> Status {
    pending += lines[slot];
    if (pending.size() < kWriteBytes) return Done{};
    KEDGE_TRY(file.write(pending));
    pending.clear();
    return Done{};
  };
  KEDGE_ASSIGN(const Counts counts, visit(job, visitor, pool, events, stop));
  KEDGE_TRY(file.write(pending));
  KEDGE_TRY(file.commit());
  return counts;
}

}  // namespace kedge::curate
