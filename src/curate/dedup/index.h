#pragma once
// The keys of earlier runs, kept in a folder, against which new documents are compared.

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "curate/dedup/index_runs.h"
#include "curate/dedup/key_files.h"
#include "curate/dedup/union_find.h"
#include "kedge/result.h"

namespace kedge::curate {

struct KeyLinks {
  std::unique_ptr<MappedKeys> keys;  // of earlier runs, then of `outputs`
  UnionFind sets;
  uint32_t first_new = 0;  // documents before it are of earlier runs
};

/// Links the documents whose keys lie beside `outputs` with each other and, with options.index, with those of earlier
/// runs, which are documents before them; then their keys are added to the index: RUN/index.json has the checksums, the
/// key files lie beside it. A run sees what one run over all the documents would. Fails as MappedKeys and
/// link_documents do, with corrupt_data (damaged files) or invalid_input (an index made with other parameters).
Result<KeyLinks> link_key_files(const std::vector<std::filesystem::path>& outputs, const DedupOptions& options,
                                const LinkPlace& place, const std::stop_token& stop);

}  // namespace kedge::curate
