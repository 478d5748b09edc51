#include "curate/visit.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace kedge::curate {
namespace {

constexpr size_t kClaims = 16;        // of a batch, for each thread: records that are worked on in one go
constexpr size_t kThreadsASpare = 2;  // one batch more is read ahead: who finds another reading takes it, none sleeps
constexpr size_t kKeptTextBytes = size_t{1} << 20;  // a longer text's memory is given back

struct Progress {
  uint64_t documents = 0, consumed = 0;
};

/// Of one thread: in cache lines that no other writes to.
struct alignas(128) Scratch {
  data::Document document;
};

/// Records that one thread works on in one go: in cache lines that no other writes to.
struct alignas(128) Claim {
  std::string ids;  // one after the other; the memory stays
};

struct Turn {
  size_t index = 0;
  data::Batch batch;
  std::vector<std::unique_ptr<Error>> errors;  // of each record; null: none
  std::vector<data::Document> documents;       // of each record, where texts are taken
  size_t claim = 1;                            // records that a thread works on in one go
  std::vector<Claim> claims;                   // where texts are not taken: little passes between threads
  std::vector<size_t> id_ends;                 // of each record, in its claim's ids
  uint64_t before = 0;                         // records of the batches before
  uint64_t consumed = 0;                       // of the inputs' bytes, by this batch and those before
  std::atomic<size_t> next{0};                 // record that is nobody's yet
  unsigned workers = 0;                        // on it now
  unsigned worker = 0;                         // the last
  bool begun = false;                          // somebody is or was
};

/// A ring of batches. Each thread reads one, when nobody else reads, and works on it; who finds another reading takes
/// one that was read ahead, or helps with the oldest of which something is left. Between two pieces of work one takes
/// what stands next in order. None waits for another at a batch's end: a core that is slow for a while holds up the
/// others only when the ring is full.
class Walk {
 public:
  Walk(const Job& job, const TurnVisitor& visitor, WorkerPool& pool, const Events& events,
       std::unique_ptr<data::Reader> reader)
      : job_(job),
        visitor_(visitor),
        pool_(pool),
        events_(events),
        reader_(std::move(reader)),
        scratch_(pool.size()),
        turns_(turns_of(pool)),
        ring_(turns_.size()) {
    for (size_t i = 0; i < turns_.size(); ++i) {
      turns_[i].index = i;
      free_.push_back(&turns_[i]);
    }
  }

  Status run(const std::stop_token& stop) {
    const auto each = [&](int64_t /*begin*/, int64_t /*end*/, unsigned worker) { go(worker, stop); };
    pool_.parallel_for(pool_.size(), 1, each);
    if (failure_) return *failure_;
    if (told_ != taken_) tell(progress_);
    if (stop.stop_requested()) return stopped();
    return read_failure_ ? Status(*read_failure_) : Status(Done{});
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// No record of any file kept to its format.
  [[nodiscard]] const std::optional<data::Reject>& first_unreadable() const { return first_unreadable_; }
  [[nodiscard]] bool read_something() const { return readable_; }

 private:
  using Lock = std::unique_lock<std::mutex>;

  [[nodiscard]] Turn& turn(size_t number) const { return *ring_[number % ring_.size()]; }

  // The following with mutex_ held.
  [[nodiscard]] bool is_over(const std::stop_token& stop) const {
    return failure_ || stop.stop_requested() || (ended_ && taken_ == read_);
  }
  [[nodiscard]] bool can_take() const { return !taking_ && taken_ < front_ && turn(taken_).workers == 0; }
  [[nodiscard]] bool can_read() const { return !reading_ && !ended_ && !free_.empty(); }
  [[nodiscard]] bool is_left_of(size_t number) const {
    return front_ <= number && number < read_ && turn(number).next < turn(number).batch.records.size();
  }
  /// Something has changed.
  void call() {
    while (front_ < read_ && !is_left_of(front_)) ++front_;
    errand_.store(can_take(), std::memory_order_relaxed);
    changed_.notify_all();
  }

  void go(unsigned worker, const std::stop_token& stop) {
    size_t own = 0;  // the batch that was read last
    Lock lock(mutex_);
    while (!is_over(stop)) {
      if (worker == 0 && told_ != taken_) {
        tell(lock);
      } else if (can_take()) {
        take_next(lock);
      } else if (can_read() && untouched_ < 1 + pool_.size() / kThreadsASpare) {
        own = read_;
        read_next(lock, worker);
      } else if (is_left_of(own) && own < front_ + 2 * pool_.size()) {
        work_on(own, lock, worker, stop);
      } else if (front_ < read_) {
        work_on(front_, lock, worker, stop);
      } else {
        changed_.wait(lock);
      }
    }
    changed_.notify_all();
  }

  void tell(Lock& lock) {
    told_ = taken_;
    const Progress progress = progress_;
    lock.unlock();
    tell(progress);
    lock.lock();
  }

  /// Where its memory may still be in the caches: the last that became free of those that this thread worked on.
  Turn& take_free(unsigned worker) {
    auto found = std::find_if(free_.rbegin(), free_.rend(), [&](const Turn* turn) { return turn->worker == worker; });
    if (found == free_.rend()) found = free_.rbegin();
    Turn& turn = **found;
    free_.erase(std::next(found).base());
    return turn;
  }

  void read_next(Lock& lock, unsigned worker) {
    Turn& next = take_free(worker);
    reading_ = true;
    call();
    lock.unlock();
    const Result<bool> more = reader_->read(next.batch);
    const size_t records = next.batch.records.size();
    next.before = records_read_;
    records_read_ += records;
    next.consumed = reader_->consumed();
    next.next = 0;
    next.claim = std::max<size_t>(records / (kClaims * pool_.size()), 1);
    next.errors.clear();
    next.errors.resize(records);
    if (visitor_.takes_text) {
      next.documents.clear();
      next.documents.resize(records);
    } else {
      next.id_ends.resize(records);
      next.claims.resize(std::max(next.claims.size(), records / next.claim + 1));
      for (Claim& claim : next.claims) claim.ids.clear();
    }
    visitor_.begin(next.index, records);
    lock.lock();
    reading_ = false;
    if (!more.ok()) read_failure_ = more.error();
    if (more.ok() && more.value()) {
      ring_[read_++ % ring_.size()] = &next;
      next.begun = false;
      ++untouched_;
    }
    ended_ = !more.ok() || !more.value() || records_read_ >= job_.records_enough;
    call();
  }

  void take_next(Lock& lock) {
    Turn& done = turn(taken_);
    taking_ = true;
    call();
    lock.unlock();
    Status taken = take(done);
    lock.lock();
    taking_ = false;
    if (!taken.ok()) failure_ = std::move(taken).error();
    ++taken_;
    free_.push_back(&done);
    progress_ = {counts_.in, done.consumed};
    call();
  }

  void work_on(size_t number, Lock& lock, unsigned worker, const std::stop_token& stop) {
    Turn& now = turn(number);
    if (!std::exchange(now.begun, true)) --untouched_;
    ++now.workers;
    now.worker = worker;
    lock.unlock();
    const size_t records = now.batch.records.size();
    size_t begin = 0;
    do {
      begin = now.next.fetch_add(now.claim, std::memory_order_relaxed);
      for (size_t i = begin; i < std::min(begin + now.claim, records); ++i) parse(now, i, worker);
    } while (begin + now.claim < records && !is_called() && !stop.stop_requested());
    lock.lock();
    --now.workers;
    call();
  }

  /// One thread is called for each errand: the others work on.
  bool is_called() {
    return errand_.load(std::memory_order_relaxed) && errand_.exchange(false, std::memory_order_relaxed);
  }

  void parse(Turn& turn, size_t index, unsigned worker) {
    const data::Record& record = turn.batch.records[index];
    data::Document& document = visitor_.takes_text ? turn.documents[index] : scratch_[worker].document;
    Status done = read_document(record, document);
    if (done.ok()) {
      if (visitor_.counts_records) document.number = turn.before + index + 1;
      done = visitor_.work(document, {turn.index, index});
    }
    if (!done.ok()) turn.errors[index] = std::make_unique<Error>(std::move(done).error());
    if (visitor_.takes_text) return;
    std::string& ids = turn.claims[index / turn.claim].ids;
    ids += document.id_json;
    turn.id_ends[index] = ids.size();
    if (document.text.capacity() > kKeptTextBytes) document = {};
  }

  Status read_document(const data::Record& record, data::Document& document) const {
    const bool page = record.kind == data::RecordKind::http_response || record.kind == data::RecordKind::html_file;
    if (!page || !visitor_.read_page) return reader_->parse(record, document);
    KEDGE_ASSIGN(document, visitor_.read_page(record));
    return Done{};
  }

  Status take(Turn& turn) {
    for (size_t i = 0; i < turn.errors.size(); ++i) {
      ++counts_.in;
      if (turn.errors[i] != nullptr) {
        reject(turn.batch.records[i], *turn.errors[i]);
        continue;
      }
      readable_ = true;
      ++counts_.out;
      if (visitor_.takes_text) {
        data::Document document = std::move(turn.documents[i]);  // its memory goes here, where others work
        KEDGE_TRY(visitor_.take(document, {turn.index, i}));
      } else {
        const size_t begin = i % turn.claim == 0 ? 0 : turn.id_ends[i - 1];
        taken_document_.id_json.assign(turn.claims[i / turn.claim].ids, begin, turn.id_ends[i] - begin);
        taken_document_.number = visitor_.counts_records ? turn.before + i + 1 : turn.batch.records[i].number;
        KEDGE_TRY(visitor_.take(taken_document_, {turn.index, i}));
      }
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

  void tell(const Progress& progress) const {
    if (!events_.on_progress) return;
    const double size = static_cast<double>(std::max<uint64_t>(reader_->size(), 1));
    events_.on_progress(progress.documents, std::min(1.0, static_cast<double>(progress.consumed) / size));
  }

  const Job& job_;
  const TurnVisitor& visitor_;
  WorkerPool& pool_;
  const Events& events_;
  std::unique_ptr<data::Reader> reader_;
  std::vector<Scratch> scratch_;
  std::vector<Turn> turns_;

  // Under mutex_.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Turn*> ring_;  // by a batch's number
  std::vector<Turn*> free_;
  size_t read_ = 0, taken_ = 0;  // batches
  size_t front_ = 0;             // of all batches before it nothing is left to work on
  size_t untouched_ = 0;         // batches that nobody has begun to work on
  size_t told_ = 0;              // of those that were taken
  bool reading_ = false, taking_ = false;
  bool ended_ = false;  // nothing more is read
  std::atomic<bool> errand_{false};
  Progress progress_;
  std::optional<Error> failure_, read_failure_;

  uint64_t records_read_ = 0;      // the reading thread's
  data::Document taken_document_;  // where texts are not taken
  Counts counts_;                  // this and the following: the taking thread's
  std::optional<data::Reject> first_unreadable_;
  bool readable_ = false;
};

}  // namespace

size_t turns_of(const WorkerPool& pool) {
  constexpr size_t kSpare = 80;  // what others go on with while one core pauses
  return pool.size() == 1 ? 1 : size_t{2} * pool.size() + kSpare;
}

Error stopped() {
  return Error{ErrorKind::cancelled, "stopped; no output was written"};
}

Result<Counts> visit_turns(const Job& job, const TurnVisitor& visitor, WorkerPool& pool, const Events& events,
                           const std::stop_token& stop) {
  KEDGE_ASSIGN(auto reader, data::Reader::open(job.inputs, job.fields));
  Walk walk(job, visitor, pool, events, std::move(reader));
  KEDGE_TRY(walk.run(stop));
  if (!job.may_hold_nothing && !walk.read_something() && walk.first_unreadable()) {
    return Error{ErrorKind::corrupt_data, fmt::format("nothing could be read; {}: {}", walk.first_unreadable()->where,
                                                      walk.first_unreadable()->reason)};
  }
  return walk.counts();
}

}  // namespace kedge::curate
