#pragma once
// Walks over the documents of files: work on many threads, what it leaves taken in input order.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <utility>
#include <vector>

#include "core/thread_pool.h"
#include "data/reader.h"

namespace kedge::curate {

struct Counts {
  uint64_t in = 0;
  uint64_t out = 0;
  uint64_t rejected = 0;
};

struct Events {
  std::function<void(const data::Reject&)> on_reject;                 // one thread at a time, in input order
  std::function<void(uint64_t documents, double share)> on_progress;  // the caller's thread; documents taken so far
};

struct Job {
  std::vector<data::Input> inputs;
  std::filesystem::path output;
  data::Fields fields;
  bool may_hold_nothing = false;         // inputs in which nothing can be read are no failure
  uint64_t records_enough = UINT64_MAX;  // after a batch that reaches this number the rest is left
};

struct Nothing {};

/// What a walk says that was asked to stop.
Error stopped();

/// What is done with documents. Left: what the work on one leaves for `take`.
template <typename Left = Nothing>
struct Visitor {
  std::function<Result<data::Document>(const data::Record&)> read_page;  // where pages are taken as they lie in files
  std::function<void(data::Document& document, Left& left)> work;        // any thread
  std::function<Status(data::Document& document, Left& left)> attempt;   // in its place; a failure rejects the document
  std::function<Status(Left& left, data::Document& document)> take;  // one thread at a time, in order; documents only
  bool takes_text = true;       // false: `take` sees id and number, and texts stay in the caches of who worked on them
  bool counts_records = false;  // Document::number counts the records of all inputs, from 1, not those of its file
};

/// Batches that are held at a time, in which one is read, some are worked on and others wait to be taken.
size_t turns_of(const WorkerPool& pool);

/// A visitor whose documents leave what they leave in one of turns_of lists, by their batch's turn.
struct TurnVisitor {
  struct Place {
    size_t turn = 0, index = 0;
  };
  std::function<Result<data::Document>(const data::Record&)> read_page;
  std::function<void(size_t turn, size_t documents)> begin;
  std::function<Status(data::Document& document, Place place)> work;
  std::function<Status(data::Document& document, Place place)> take;
  bool takes_text = true;
  bool counts_records = false;
};

Result<Counts> visit_turns(const Job& job, const TurnVisitor& visitor, WorkerPool& pool, const Events& events,
                           const std::stop_token& stop);

/// Walks over all documents in input order. `work` and `take` run at the same time, of different documents. Fails with
/// not_found (an input is not there), corrupt_data (nothing could be read), cancelled, or what `take` returns.
template <typename Left>
Result<Counts> visit(const Job& job, const Visitor<Left>& visitor, WorkerPool& pool, const Events& events,
                     const std::stop_token& stop) {
  std::vector<std::vector<Left>> lefts(turns_of(pool));
  TurnVisitor turns;
  turns.read_page = visitor.read_page;
  turns.takes_text = visitor.takes_text;
  turns.counts_records = visitor.counts_records;
  turns.begin = [&](size_t turn, size_t documents) {
    lefts[turn].clear();
    lefts[turn].resize(documents);
  };
  turns.work = [&](data::Document& document, TurnVisitor::Place place) -> Status {
    Left& left = lefts[place.turn][place.index];
    if (visitor.work) visitor.work(document, left);
    return visitor.attempt ? visitor.attempt(document, left) : Status(Done{});
  };
  turns.take = [&](data::Document& document, TurnVisitor::Place place) {
    Left left = std::move(lefts[place.turn][place.index]);  // its memory goes here, where others work
    return visitor.take(left, document);
  };
  return visit_turns(job, turns, pool, events, stop);
}

}  // namespace kedge::curate
