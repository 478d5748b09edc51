#pragma once
// Runs an operator over files: one line out for each document in, in input order.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "curate/operator.h"
#include "data/reader.h"

namespace kedge::curate {

struct Counts {
  uint64_t in = 0;
  uint64_t out = 0;
  uint64_t rejected = 0;
};

struct Events {
  std::function<void(const data::Reject&)> on_reject;
  std::function<void(uint64_t documents, double share)> on_progress;
};

struct Job {
  std::vector<data::Input> inputs;
  std::filesystem::path output;
  data::Fields fields;
  bool may_hold_nothing = false;         // inputs in which nothing can be read are no failure
  uint64_t records_enough = UINT64_MAX;  // after a batch that reaches this number the rest is left
};

/// What is done with documents.
struct Visitor {
  std::function<Result<data::Document>(const data::Record&)> read_page;  // where pages are taken as they lie in files
  std::function<void(data::Document& document, size_t slot)> work;       // any thread; slot: index in the batch
  std::function<Status(data::Document& document, size_t slot)> attempt;  // in its place; a failure rejects the document
  std::function<Status(size_t slot, data::Document& document)> take;     // the caller's thread, documents only
  std::function<void(size_t slots)> begin_batch;
  bool takes_text = true;  // false: `take` sees the id alone, and texts stay in the caches of who worked on them
};

/// Walks over all documents in input order: `work` on the pool's threads, which read the next batch meanwhile; `take`
/// on the caller, in order. Fails with not_found (an input is not there), corrupt_data (nothing could be read),
/// cancelled, or what `take` returns.
Result<Counts> visit(const Job& job, const Visitor& visitor, WorkerPool& pool, const Events& events,
                     const std::stop_token& stop);

/// The same bytes whatever the number of threads; the output appears whole or not at all.
Result<Counts> annotate(const Job& job, const Operator& op, WorkerPool& pool, const Events& events,
                        const std::stop_token& stop);

}  // namespace kedge::curate
