#include "quantize/overlay_source.h"

#include <fmt/format.h>

#include <span>

namespace kedge::quantize {
namespace {

constexpr std::string_view kFirstLayer = "model.layers.0.";

}  // namespace

LayerSource::LayerSource(std::shared_ptr<const models::WeightSource> base, int64_t index,
                         std::shared_ptr<const formats::SafetensorsFile> shard,
                         const models::Quantization* quantization)
    : base_(std::move(base)),
      prefix_(fmt::format("model.layers.{}.", index)),
      shard_(std::move(shard)),
      quantization_(quantization) {}

const TensorView* LayerSource::find(std::string_view name) const {
  if (!name.starts_with(kFirstLayer)) return base_->find(name);
  const std::string renamed = fmt::format("{}{}", prefix_, name.substr(kFirstLayer.size()));
  if (shard_ == nullptr) return base_->find(renamed);
  if (const TensorView* tensor = shard_->find(renamed)) return tensor;
  if (const TensorView* tensor = shard_->find(fmt::format("language_model.{}", renamed))) return tensor;
  return shard_->find(fmt::format("model.language_model.{}", renamed.substr(6)));
}

std::string LayerSource::file_of(std::string_view name) const {
  return shard_ != nullptr && name.starts_with(kFirstLayer) ? shard_->name() : base_->file_of(name);
}

void ReplacedSource::replace(const std::string& name, std::vector<int64_t> shape, std::vector<float> values) {
  Replacement& replacement = replacements_[name];
  replacement.values = std::move(values);
  replacement.tensor = {name, DType::f32, std::move(shape), std::as_bytes(std::span(replacement.values))};
}

const TensorView* ReplacedSource::find(std::string_view name) const {
  const auto found = replacements_.find(name);
  return found == replacements_.end() ? base_->find(name) : &found->second.tensor;
}

}  // namespace kedge::quantize
