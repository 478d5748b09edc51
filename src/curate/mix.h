#pragma once
// Documents of several sources in given shares, and in another order.

#include <cstdint>
#include <filesystem>
#include <vector>

#include "curate/annotate.h"

namespace kedge::curate {

/// Where mixed documents go: as data::DocumentFile does it.
struct MixOutput {
  std::filesystem::path path;
  uint64_t shard_bytes = 0;  // of lines in one file of several; 0: one file
};

struct BlendSource {
  std::vector<data::Input> inputs;
  double weight = 1;  // shares are weights over their sum
};

struct BlendCounts {
  uint64_t wanted = 0;     // documents of this source
  uint64_t available = 0;  // it has, as far as it was read
  uint64_t rejected = 0;
};

// Both go on where a killed or stopped run of the same command left off, with the same bytes: see mix_file.h.

/// NeMo Curator 0.8's blend_datasets: of each source the first ceil(share x target) documents, from its beginning again
/// where it has fewer; one source after the other. Fails as `visit` does, and with invalid_input (weights of no sum, a
/// source without documents).
Result<std::vector<BlendCounts>> blend(const std::vector<BlendSource>& sources, uint64_t target, const Job& job,
                                       const MixOutput& output, WorkerPool& pool, const Events& events,
                                       const std::stop_token& stop);

struct ShuffleOptions {
  uint64_t seed = 1;
  uint64_t memory_bytes = uint64_t{512} << 20;  // of documents held at once; more lie in files beside the output
};

/// All documents in the order of XXH3 hashes of their numbers with the seed: the same one whatever the memory and the
/// threads. Fails as `visit` does.
Result<Counts> shuffle(const Job& job, const ShuffleOptions& options, const MixOutput& output, WorkerPool& pool,
                       const Events& events, const std::stop_token& stop);

}  // namespace kedge::curate
