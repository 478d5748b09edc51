#include "curate/annotate.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/file.h"

namespace kedge::curate {
namespace {

constexpr size_t kWriteBytes = size_t{1} << 20;

constexpr unsigned kParts = 32;  // of a batch, for each thread: the last to end leaves the others idle for one of them
constexpr size_t kKeptTextBytes = size_t{1} << 20;  // a longer text's memory is given back

/// What a record became.
struct Parsed {
  data::Document document;
  std::optional<Error> error;
};

class Visit {
 public:
  Visit(const Visitor& visitor, WorkerPool& pool, const Events& events)
      : visitor_(visitor), pool_(pool), events_(events), scratch_(pool.size()) {}

  /// `meanwhile` runs on one of the threads.
  Status batch(const data::Reader& reader, const data::Batch& batch, const std::function<void()>& meanwhile) {
    parsed_.clear();
    parsed_.resize(batch.records.size());
    if (visitor_.begin_batch) visitor_.begin_batch(batch.records.size());
    const auto run = [&](int64_t begin, int64_t end, unsigned worker) {
      if (begin == 0) meanwhile();
      for (auto i = static_cast<size_t>(std::max<int64_t>(begin, 1)); i < static_cast<size_t>(end); ++i) {
        parse(reader, batch.records[i - 1], i - 1, worker);
      }
    };
    pool_.parallel_for_parts(static_cast<int64_t>(batch.records.size()) + 1, 1, run, kParts);
    for (size_t i = 0; i < parsed_.size(); ++i) KEDGE_TRY(take(reader, batch.records[i], i));
    return Done{};
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// No record of any file kept to its format.
  [[nodiscard]] const std::optional<data::Reject>& first_unreadable() const { return first_unreadable_; }
  [[nodiscard]] bool read_something() const { return readable_; }

 private:
  void parse(const data::Reader& reader, const data::Record& record, size_t slot, unsigned worker) {
    Parsed& parsed = parsed_[slot];
    data::Document& document = visitor_.takes_text ? parsed.document : scratch_[worker];
    if (Status read = this->read(reader, record, document); !read.ok()) {
      parsed.error = std::move(read).error();
      return;
    }
    if (visitor_.work) visitor_.work(document, slot);
    if (visitor_.attempt) {
      if (Status done = visitor_.attempt(document, slot); !done.ok()) {
        parsed.error = std::move(done).error();
        return;
      }
    }
    if (visitor_.takes_text) return;
    parsed.document.id_json = std::move(document.id_json);
    if (document.text.capacity() > kKeptTextBytes) document = {};
  }

  Status read(const data::Reader& reader, const data::Record& record, data::Document& document) const {
    const bool page = record.kind == data::RecordKind::http_response || record.kind == data::RecordKind::html_file;
    if (!page || !visitor_.read_page) return reader.parse(record, document);
    KEDGE_ASSIGN(document, visitor_.read_page(record));
    return Done{};
  }

  Status take(const data::Reader& reader, const data::Record& record, size_t slot) {
    ++counts_.in;
    Parsed& parsed = parsed_[slot];
    if (!parsed.error) {
      readable_ = true;
      ++counts_.out;
      return visitor_.take(slot, parsed.document);
    }
    ++counts_.rejected;
    data::Reject reject{reader.name(record), parsed.error->message, parsed.error->kind == ErrorKind::corrupt_data};
    if (!reject.unreadable) readable_ = true;
    if (events_.on_reject) events_.on_reject(reject);
    if (reject.unreadable && !first_unreadable_) first_unreadable_ = std::move(reject);
    return Done{};
  }

  const Visitor& visitor_;
  WorkerPool& pool_;
  const Events& events_;
  std::vector<Parsed> parsed_;
  std::vector<data::Document> scratch_;  // of each worker
  Counts counts_;
  std::optional<data::Reject> first_unreadable_;
  bool readable_ = false;
};

}  // namespace

Result<Counts> visit(const Job& job, const Visitor& visitor, WorkerPool& pool, const Events& events,
                     const std::stop_token& stop) {
  KEDGE_ASSIGN(const auto reader, data::Reader::open(job.inputs, job.fields));
  Visit walk(visitor, pool, events);
  data::Batch batch, next;
  KEDGE_ASSIGN(bool more, reader->read(batch));
  for (;;) {
    if (stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped; no output was written"};
    if (!more || walk.counts().in >= job.records_enough) break;
    const uint64_t consumed = reader->consumed();  // by this batch and those before it
    Result<bool> read_on = false;
    KEDGE_TRY(walk.batch(*reader, batch, [&] { read_on = reader->read(next); }));
    KEDGE_ASSIGN(more, std::move(read_on));
    std::swap(batch, next);
    if (events.on_progress) {
      const double size = static_cast<double>(std::max<uint64_t>(reader->size(), 1));
      events.on_progress(walk.counts().in, std::min(1.0, static_cast<double>(consumed) / size));
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
  visitor.takes_text = false;
  if (op.reads_pages()) visitor.read_page = [&op](const data::Record& record) { return op.read_page(record); };
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
