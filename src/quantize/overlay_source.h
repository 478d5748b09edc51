#pragma once
// Weight sources made of others: one layer alone, or a model with some tensors replaced.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "models/weight_source.h"

namespace kedge::quantize {

/// A model with one layer: layer `index` of `base` under the name of layer 0, its tensors out of `shard` where that is
/// given (a file with the tensors of that layer, in the layout that `quantization` describes).
class LayerSource final : public models::WeightSource {
 public:
  LayerSource(std::shared_ptr<const models::WeightSource> base, int64_t index,
              std::shared_ptr<const formats::SafetensorsFile> shard = nullptr,
              const models::Quantization* quantization = nullptr);

  [[nodiscard]] const Json& config() const override { return base_->config(); }
  [[nodiscard]] const std::string& config_name() const override { return base_->config_name(); }
  [[nodiscard]] std::string_view format() const override { return base_->format(); }
  [[nodiscard]] const TensorView* find(std::string_view name) const override;
  [[nodiscard]] std::vector<const TensorView*> tensors() const override { return base_->tensors(); }
  [[nodiscard]] std::string file_of(std::string_view name) const override;
  [[nodiscard]] const models::Quantization* quantization() const override { return quantization_; }
  [[nodiscard]] bool interleaved_rope() const override { return base_->interleaved_rope(); }
  [[nodiscard]] bool norms_include_one() const override { return base_->norms_include_one(); }

 private:
  std::shared_ptr<const models::WeightSource> base_;
  std::string prefix_;
  std::shared_ptr<const formats::SafetensorsFile> shard_;
  const models::Quantization* quantization_;
};

/// `base` with some matrices replaced by floats in memory.
class ReplacedSource final : public models::WeightSource {
 public:
  explicit ReplacedSource(std::shared_ptr<const models::WeightSource> base) : base_(std::move(base)) {}

  /// `name` as `find` is asked for it. The values live as long as the source.
  void replace(const std::string& name, std::vector<int64_t> shape, std::vector<float> values);

  [[nodiscard]] const Json& config() const override { return base_->config(); }
  [[nodiscard]] const std::string& config_name() const override { return base_->config_name(); }
  [[nodiscard]] std::string_view format() const override { return base_->format(); }
  [[nodiscard]] const TensorView* find(std::string_view name) const override;
  [[nodiscard]] std::vector<const TensorView*> tensors() const override { return base_->tensors(); }
  [[nodiscard]] std::string file_of(std::string_view name) const override { return base_->file_of(name); }
  [[nodiscard]] bool interleaved_rope() const override { return base_->interleaved_rope(); }
  [[nodiscard]] bool norms_include_one() const override { return base_->norms_include_one(); }

 private:
  struct Replacement {
    TensorView tensor;
    std::vector<float> values;
  };
  std::shared_ptr<const models::WeightSource> base_;
  std::map<std::string, Replacement, std::less<>> replacements_;
};

}  // namespace kedge::quantize
