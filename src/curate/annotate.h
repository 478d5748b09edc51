#pragma once
// Runs an operator over files: one line out for each document in, in input order.

#include <stop_token>

#include "core/thread_pool.h"
#include "curate/operator.h"
#include "curate/visit.h"

namespace kedge::curate {

/// The same bytes whatever the number of threads; the output appears whole or not at all.
Result<Counts> annotate(const Job& job, const Operator& op, WorkerPool& pool, const Events& events,
                        const std::stop_token& stop);

}  // namespace kedge::curate
