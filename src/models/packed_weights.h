#pragma once
// Weights of a decoder laid out anew: packed for products with activations of 8 bits, in blocks for oneDNN, or, where a
// quantized checkpoint keeps codes and scales apart, as rows that the kernels read.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/aligned.h"
#include "core/file.h"
#include "core/thread_pool.h"
#include "kedge/result.h"
#include "models/decoder_weights.h"

namespace kedge::models {

struct LayoutPlan {
  uint64_t packed_bytes = 0;    // of matrices that will be packed
  uint64_t blocked_bytes = 0;   // of those that will be laid out for oneDNN
  uint64_t rows_bytes = 0;      // of quantized ones that will be rows
  uint64_t replaced_bytes = 0;  // stored bytes that nothing reads any more then
  [[nodiscard]] uint64_t bytes() const { return packed_bytes + blocked_bytes + rows_bytes; }
};
struct LayoutChoice {
  cpu::MatmulCompute compute =
      cpu::MatmulCompute::f32;  // int8: every matrix of a type that has a packed form is packed
  bool onednn =
      false;  // every matrix that oneDNN takes in `compute` is laid out for it. REQUIRES: load_onednn succeeded
};
LayoutPlan plan_layout(const DecoderWeights& weights, const LayoutChoice& choice);

struct LayoutOptions {
  LayoutChoice choice;
  std::filesystem::path cache_folder;    // where laid out weights are kept; empty: nowhere
  uint64_t cache_bytes_max = 0;          // of all files there: those used longest ago go; 0: no limit
  std::string cache_name;                // of the model, for people
  std::string source_key;                // what the stored weights are: a file of another key is not read
  const WeightSource* source = nullptr;  // is told which stored bytes nothing reads any more; may be null
  std::function<void(uint64_t done, uint64_t total)> on_progress;  // in bytes; may be empty
};

/// Owns the bytes of laid out weights.
struct LaidOutWeights {
  PageBuffer buffer;
  std::shared_ptr<const MappedFile> file;  // instead of the buffer, where they were found in the cache
  std::optional<Error> not_stored;         // why the cache could not be written; the weights are right all the same
};

/// Fewer bytes are laid out faster than a file of them pays for.
inline constexpr uint64_t kCachedBytesMin = uint64_t{64} << 20;

/// Lays out what plan_layout says, or maps it from the cache, and points each Linear at it; the others stay as they are
/// stored. Fails with out_of_memory.
Result<LaidOutWeights> lay_out_weights(WorkerPool& pool, DecoderWeights& weights, const LayoutOptions& options);

}  // namespace kedge::models
