#pragma once
// Documents counted, and some of them chosen.

#include <stop_token>

#include "core/json.h"
#include "curate/annotate.h"

namespace kedge::curate {

/// {"documents","rejected","bytes","characters","words","lines","length":{"min","p10","p50","p90","p99","max"},
/// "exact_duplicates","languages":{CODE:N,...}}; lengths in code points. Memory: 12 bytes a document.
Result<Json> survey(const Job& job, WorkerPool& pool, const Events& events, const std::stop_token& stop);

struct SampleOptions {
  size_t count = 100;
  uint64_t seed = 1;
};

/// Writes `count` documents chosen by hashes of their ids, in input order: lines as they were read, or id, URL and
/// text. Whole or not at all. Holds the chosen ones in memory. Counts::out: of the chosen.
Result<Counts> sample(const Job& job, const SampleOptions& options, WorkerPool& pool, const Events& events,
                      const std::stop_token& stop);

}  // namespace kedge::curate
