#include "curate/visit.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

namespace kedge::curate {
namespace {

constexpr unsigned kParts = 32;  // of a batch, for each thread: the last to end leaves the others idle for one of them
constexpr size_t kBatchBytesOfThread = size_t{1} << 20;  // three batches that stay in the shared cache are read sooner
constexpr size_t kBatchBytes = size_t{8} << 20;          // more gain many threads nothing
constexpr size_t kKeptTextBytes = size_t{1} << 20;       // a longer text's memory is given back

size_t batch_bytes(unsigned threads) {
  return std::min(kBatchBytesOfThread * threads, kBatchBytes);
}

/// What a record became.
struct Parsed {
  data::Document document;
  std::optional<Error> error;
};

struct Turn {
  size_t index = 0;
  data::Batch batch;
  std::vector<Parsed> parsed;
  uint64_t before = 0;    // records of the batches before
  uint64_t consumed = 0;  // of the inputs' bytes, by this batch and those before
};

class Walk {
 public:
  Walk(const Job& job, const TurnVisitor& visitor, WorkerPool& pool, const Events& events,
       std::unique_ptr<data::Reader> reader)
      : job_(job), visitor_(visitor), pool_(pool), events_(events), reader_(std::move(reader)), scratch_(pool.size()) {}

  Status run(const std::stop_token& stop) {
    std::array<Turn, TurnVisitor::kTurns> turns;
    for (size_t i = 0; i < turns.size(); ++i) turns[i].index = i;
    KEDGE_ASSIGN(bool more, read(turns[0]));
    Turn* last = nullptr;  // worked on, not taken
    for (size_t i = 0; more && records_ < job_.records_enough; ++i) {
      if (stop.stop_requested()) return stopped();
      Turn& now = turns[i % turns.size()];
      Result<bool> read_on = false;
      Status taken = Done{};
      work(
          now, [&] { read_on = read(turns[(i + 1) % turns.size()]); },
          [&] {
            if (last != nullptr) taken = take(*last);
          });
      KEDGE_TRY(std::move(taken));
      if (last != nullptr) tell(*last);
      last = &now;
      more = read_on.ok() && read_on.value();
      if (!read_on.ok()) {
        KEDGE_TRY(take(now));
        return read_on.error();
      }
    }
    if (last != nullptr) {
      KEDGE_TRY(take(*last));
      tell(*last);
    }
    return stop.stop_requested() ? Status(stopped()) : Status(Done{});
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// No record of any file kept to its format.
  [[nodiscard]] const std::optional<data::Reject>& first_unreadable() const { return first_unreadable_; }
  [[nodiscard]] bool read_something() const { return readable_; }

 private:
  Result<bool> read(Turn& turn) {
    KEDGE_ASSIGN(const bool more, reader_->read(turn.batch));
    turn.before = records_read_;
    records_read_ += turn.batch.records.size();
    turn.consumed = reader_->consumed();
    return more;
  }

  /// All records of a batch; beside them two errands, each for one thread, begun by the first two threads.
  void work(Turn& turn, const std::function<void()>& read_next, const std::function<void()>& take_last) {
    const std::vector<data::Record>& records = turn.batch.records;
    turn.parsed.clear();
    turn.parsed.resize(records.size());
    visitor_.begin(turn.index, records.size());
    const auto units = static_cast<int64_t>(records.size()) + 2;
    const int64_t taking = std::clamp<int64_t>(units / pool_.size(), 1, units - 1);  // the second thread's first unit
    const auto run = [&](int64_t begin, int64_t end, unsigned worker) {
      for (int64_t unit = begin; unit < end; ++unit) {
        if (unit == 0) {
          read_next();
        } else if (unit == taking) {
          take_last();
        } else {
          parse(turn, static_cast<size_t>(unit < taking ? unit - 1 : unit - 2), worker);
        }
      }
    };
    pool_.parallel_for_parts(units, 1, run, kParts);
    records_ += records.size();
  }

  void parse(Turn& turn, size_t index, unsigned worker) {
    const data::Record& record = turn.batch.records[index];
    Parsed& parsed = turn.parsed[index];
    data::Document& document = visitor_.takes_text ? parsed.document : scratch_[worker];
    Status done = read_document(record, document);
    if (done.ok()) {
      if (visitor_.counts_records) document.number = turn.before + index + 1;
      done = visitor_.work(document, {turn.index, index});
    }
    if (!done.ok()) {
      parsed.error = std::move(done).error();
      return;
    }
    if (visitor_.takes_text) return;
    parsed.document.id_json = std::move(document.id_json);
    if (document.text.capacity() > kKeptTextBytes) document = {};
  }

  Status read_document(const data::Record& record, data::Document& document) const {
    const bool page = record.kind == data::RecordKind::http_response || record.kind == data::RecordKind::html_file;
    if (!page || !visitor_.read_page) return reader_->parse(record, document);
    KEDGE_ASSIGN(document, visitor_.read_page(record));
    return Done{};
  }

  Status take(Turn& turn) {
    for (size_t i = 0; i < turn.parsed.size(); ++i) {
      ++counts_.in;
      Parsed parsed = std::move(turn.parsed[i]);  // its memory goes here, where others work
      if (parsed.error) {
        reject(turn.batch.records[i], *parsed.error);
        continue;
      }
      readable_ = true;
      ++counts_.out;
      KEDGE_TRY(visitor_.take(parsed.document, {turn.index, i}));
    }
    return Done{};
  }

  void reject(const data::Record& record, const Error& error) {
    ++counts_.rejected;
    data::Reject reject{reader_->name(record), error.message, error.kind == ErrorKind::corrupt_data};
    if (!reject.unreadable) readable_ = true;
    if (events_.on_reject) events_.on_reject(reject);
    if (reject.unreadable && !first_unreadable_) first_unreadable_ = std::move(reject);
  }

  void tell(const Turn& turn) const {
    if (!events_.on_progress) return;
    const double size = static_cast<double>(std::max<uint64_t>(reader_->size(), 1));
    events_.on_progress(counts_.in, std::min(1.0, static_cast<double>(turn.consumed) / size));
  }

  const Job& job_;
  const TurnVisitor& visitor_;
  WorkerPool& pool_;
  const Events& events_;
  std::unique_ptr<data::Reader> reader_;
  std::vector<data::Document> scratch_;  // of each worker
  uint64_t records_read_ = 0;
  uint64_t records_ = 0;  // worked on
  Counts counts_;
  std::optional<data::Reject> first_unreadable_;
  bool readable_ = false;
};

}  // namespace

Error stopped() {
  return Error{ErrorKind::cancelled, "stopped; no output was written"};
}

Result<Counts> visit_turns(const Job& job, const TurnVisitor& visitor, WorkerPool& pool, const Events& events,
                           const std::stop_token& stop) {
  KEDGE_ASSIGN(auto reader, data::Reader::open(job.inputs, job.fields, batch_bytes(pool.size())));
  Walk walk(job, visitor, pool, events, std::move(reader));
  KEDGE_TRY(walk.run(stop));
  if (!job.may_hold_nothing && !walk.read_something() && walk.first_unreadable()) {
    return Error{ErrorKind::corrupt_data, fmt::format("nothing could be read; {}: {}", walk.first_unreadable()->where,
                                                      walk.first_unreadable()->reason)};
  }
  return walk.counts();
}

}  // namespace kedge::curate
