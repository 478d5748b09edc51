#pragma once
// Adapters: low-rank updates of a decoder's products, read from PEFT's files.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/aligned.h"
#include "core/dtype.h"
#include "cpu/low_rank.h"
#include "kedge/result.h"
#include "models/decoder_weights.h"
#include "models/spec.h"

namespace kedge::models {

inline constexpr size_t kAdapterBytesMax = size_t{8} << 30;  // of adapter_model.safetensors

/// The products of a layer that an adapter may update. Queries, keys and values are one, and gate and up.
enum class AdapterSite : uint8_t { qkv, output, gate_up, down };
inline constexpr size_t kAdapterSites = 4;

/// An adapter's files, as bytes: they may change on disk at any time.
struct AdapterFiles {
  std::string name;  // of the folder, for messages
  std::string config;
  std::string tensors;
};
/// Reads adapter_config.json and adapter_model.safetensors. Fails with not_found, unsupported (adapter_model.bin) or
/// corrupt_data.
Result<AdapterFiles> read_adapter_files(const std::filesystem::path& folder);

struct AdapterOptions {
  int64_t rank_max = 64;
  DType dtype = DType::f32;  // that A and B are kept in: f32, bf16, or q8_0 (bf16 where inputs are no whole blocks)
};

/// Immutable. Independent of the weights that it was made for.
class Adapter {
 public:
  /// Checks everything, scales B, and for DoRA computes the gain of each output, magnitude / |W + scale * B A|, from
  /// the base weights as they are stored. On the calling thread alone. Fails with corrupt_data, unsupported or
  /// out_of_memory, naming file, tensor, found and expected.
  static Result<std::shared_ptr<const Adapter>> load(const AdapterFiles& files, const DecoderSpec& spec,
                                                     const DecoderWeights& weights, const AdapterOptions& options);

  /// Null where this adapter leaves a product as it is.
  [[nodiscard]] const cpu::LowRank* find(int64_t layer, AdapterSite site) const {
    const Update& update = updates_[static_cast<size_t>(layer) * kAdapterSites + static_cast<size_t>(site)];
    return update.outputs.empty() ? nullptr : &update.low_rank;
  }
  /// Whether B's parts begin on borders of sixteen outputs, as updates on the way of a product want them.
  [[nodiscard]] static bool is_aligned(const cpu::LowRank& update) {
    return std::ranges::all_of(update.outputs, [](const auto& outputs) { return outputs.first % 16 == 0; });
  }
  [[nodiscard]] int64_t rank() const { return rank_; }  // the largest of a module
  [[nodiscard]] uint64_t bytes() const { return arena_.size(); }
  [[nodiscard]] const std::vector<std::string>& modules() const { return modules_; }  // "q_proj", sorted

  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;

 private:
  friend class AdapterLoader;
  Adapter() = default;

  struct Update {
    std::vector<cpu::LowRankOutputs> outputs;
    cpu::LowRank low_rank;
  };
  std::vector<Update> updates_;  // [layer][site]
  Arena arena_;                  // all that they point to
  int64_t rank_ = 0;
  std::vector<std::string> modules_;
};

}  // namespace kedge::models
