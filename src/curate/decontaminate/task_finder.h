#pragma once
// Takes evaluation items out of a corpus: documents are seen twice, as in a deduplication that cuts texts.

#include <memory>

#include "curate/decontaminate/task_ngrams.h"
#include "curate/dedup/repeats.h"

namespace kedge::curate {

struct TaskRemoval {
  TaskNgrams ngrams;
  RemovalLimits limits;
};

/// One pass counts runs; `edit_of` says what is left of a text. In memory: 4 bytes for each document that has any.
std::unique_ptr<RepeatFinder> make_task_finder(std::shared_ptr<const TaskRemoval> removal);

}  // namespace kedge::curate
