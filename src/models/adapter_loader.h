#pragma once
// An adapter's tensors: found by name, checked against the model, laid out for cpu/low_rank.h.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/safetensors.h"
#include "models/adapter.h"
#include "models/adapter_config.h"

namespace kedge::models {

/// A module of a layer that an adapter may update, and where it stands in its product.
struct AdapterModule {
  std::string_view name;  // "q_proj"
  AdapterSite site = AdapterSite::qkv;
  int64_t first_output = 0;
  int64_t outputs = 0;
  int64_t columns = 0;
  bool rotated = false;  // queries or keys
};

/// The modules of each layer of this model, in the order of their outputs.
std::vector<AdapterModule> adapter_modules(const DecoderSpec& spec);

/// What one adapter does to one module.
struct ModuleUpdate {
  const AdapterModule* module = nullptr;
  int64_t layer = 0;
  const TensorView* a = nullptr;          // [rank, columns]
  const TensorView* b = nullptr;          // [outputs, rank]
  const TensorView* magnitude = nullptr;  // [outputs], of DoRA
  std::string path;                       // "model.layers.0.self_attn.q_proj"
  double scale = 1;
  [[nodiscard]] int64_t rank() const { return a->shape[0]; }
};

/// All updates of an adapter, checked; views into its files, which must outlive it.
class AdapterModules {
 public:
  static Result<AdapterModules> find(const AdapterFiles& files, const AdapterConfig& config, const DecoderSpec& spec,
                                     int64_t rank_max);

  [[nodiscard]] const std::vector<ModuleUpdate>& updates() const { return updates_; }  // by layer, then output
  [[nodiscard]] const std::string& file_name() const { return name_; }

 private:
  AdapterModules() = default;
  friend class AdapterFinder;

  std::string name_;
  std::shared_ptr<const formats::SafetensorsFile> file_;
  std::shared_ptr<const std::vector<AdapterModule>> modules_;
  std::vector<ModuleUpdate> updates_;
};

class AdapterLoader {
 public:
  AdapterLoader(const DecoderSpec& spec, const DecoderWeights& weights, DType dtype)
      : spec_(spec), weights_(weights), dtype_(dtype) {}

  /// Fails with corrupt_data (numbers that are not finite) or out_of_memory.
  Result<std::shared_ptr<const Adapter>> load(AdapterModules modules);

 private:
  struct Matrices {
    std::vector<float> a, b;
    std::vector<float> gain, offset;  // of DoRA; the latter only where the product has a bias
  };

  /// What A and B of a module are kept in.
  [[nodiscard]] DType dtype_of(const AdapterModule& module) const;
  [[nodiscard]] size_t bytes_of(const ModuleUpdate& update) const;
  Result<Matrices> read(const ModuleUpdate& update) const;
  Result<std::vector<float>> read(const TensorView& tensor) const;
  Status decompose(const ModuleUpdate& update, Matrices& matrices) const;
  Status place(const ModuleUpdate& update, Arena& arena, std::byte* a, cpu::LowRankOutputs& outputs);
  Status fill(std::span<const ModuleUpdate> updates, Arena& arena, Adapter& adapter);

  const DecoderSpec& spec_;
  const DecoderWeights& weights_;
  DType dtype_;
  std::string name_;
};

}  // namespace kedge::models
