#pragma once
// Deduplication as a step of a pipeline: its settings, and how it is listed.

#include <filesystem>
#include <string>

#include "curate/dedup/deduplicate.h"
#include "curate/pipeline/options.h"
#include "curate/pipeline/step.h"
#include "kedge/result.h"

namespace kedge::curate {

OperatorInfo dedup_operator();

/// Files are looked up from `folder`. Fails with invalid_input, naming the setting.
Result<DedupOptions> read_dedup(OptionReader& options, const std::filesystem::path& folder);

/// How reports call it: "dedup fuzzy".
std::string label_of(const DedupOptions& dedup);

}  // namespace kedge::curate
