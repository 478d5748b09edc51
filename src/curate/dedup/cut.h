#pragma once
// Takes parts that repeat out of texts.

#include "curate/annotate.h"
#include "curate/dedup/deduplicate.h"

namespace kedge::curate {

/// Writes one line a document: `{"id","keep","reason","cut":[[start,end],...],"text"}`, what was cut in code points and
/// the text without it; the reason is null where it is kept. The inputs are read once more than the method's passes.
/// Fails as `visit`, RecordSorter and make_repeat_finder do. REQUIRES: cuts_texts(options.method).
Result<Counts> cut_repeats(const Job& job, const DedupOptions& options, WorkerPool& pool, const Events& events,
                           const std::stop_token& stop);

}  // namespace kedge::curate
