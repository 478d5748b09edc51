#pragma once
// Timing forward passes as serving would run them, on random tokens and made-up keys and values.

#include <stop_token>

#include "engine/sequence_runner.h"
#include "kedge/engine.h"

namespace kedge::engine {

/// Writes small finite numbers into every page, so that sequences of any depth can be made without computing them.
void fill_pages(WorkerPool& workers, KvPool& pool);

/// Runs and times `workload` on the calling thread. Fails as Engine::measure does. REQUIRES: filled pages, and
/// adapters that are LoadedAdapters.
Result<Measurement> time_workload(const Runtime& runtime, const Workload& workload, const std::stop_token& stop);

}  // namespace kedge::engine
