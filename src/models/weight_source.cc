#include "models/weight_source.h"

#include <fmt/format.h>

#include <optional>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "models/gguf_source.h"

namespace kedge::models {
namespace {

/// A Hugging Face checkpoint folder.
class FolderSource final : public WeightSource {
 public:
  FolderSource(std::string config_name, Json config)
      : config_(std::move(config)), config_name_(std::move(config_name)) {}

  static Result<std::shared_ptr<const WeightSource>> open(const std::filesystem::path& folder) {
    const std::filesystem::path config_path = folder / "config.json";
    KEDGE_ASSIGN(Json config, read_config_file(config_path));
    KEDGE_ASSIGN(auto tensors, formats::SafetensorsFolder::open(folder));
    auto source = std::make_shared<FolderSource>(config_path.string(), std::move(config));
    KEDGE_TRY(source->read_quantization_settings(folder));
    source->tensors_ = std::move(tensors);
    return std::shared_ptr<const WeightSource>(std::move(source));
  }

  [[nodiscard]] const Json& config() const override { return config_; }
  [[nodiscard]] const std::string& config_name() const override { return config_name_; }
  [[nodiscard]] std::string_view format() const override { return "safetensors"; }

  [[nodiscard]] const Quantization* quantization() const override { return quantization_ ? &*quantization_ : nullptr; }

  [[nodiscard]] const TensorView* find(std::string_view name) const override {
    if (const TensorView* tensor = tensors_->find(name)) return tensor;
    // The language part of multimodal checkpoints, in its two published spellings.
    if (const TensorView* tensor = tensors_->find(fmt::format("language_model.{}", name))) return tensor;
    if (!name.starts_with("model.")) return nullptr;
    return tensors_->find(fmt::format("model.language_model.{}", name.substr(6)));
  }

  [[nodiscard]] std::vector<const TensorView*> tensors() const override { return tensors_->tensors(); }
  [[nodiscard]] std::string file_of(std::string_view name) const override { return tensors_->file_of(name); }
  void forget(std::span<const std::byte> bytes) const override { tensors_->forget(bytes); }

 private:
  /// Older GPTQ checkpoints keep these settings in a file of their own.
  Status read_quantization_settings(const std::filesystem::path& folder) {
    const std::filesystem::path file = folder / "quantize_config.json";
    std::error_code ignored;
    if (!config_.contains("quantization_config") && std::filesystem::exists(file, ignored)) {
      KEDGE_ASSIGN(Json settings, read_json_file(file));
      if (settings.is_object() && !settings.contains("quant_method")) settings["quant_method"] = "gptq";
      config_["quantization_config"] = std::move(settings);
    }
    KEDGE_ASSIGN(quantization_, read_quantization(config_, config_name_));
    return Done{};
  }

  Json config_;
  std::string config_name_;
  std::optional<Quantization> quantization_;
  std::shared_ptr<const formats::SafetensorsFolder> tensors_;
};

bool kernels_read(DType dtype) {
  return dtype != DType::i8 && dtype != DType::i32 && dtype != DType::i64 && dtype != DType::u8;
}

cpu::WeightView view_of(const TensorView& tensor, int64_t rows, int64_t columns) {
  const auto stride = static_cast<size_t>(row_bytes(tensor.dtype, static_cast<uint64_t>(columns)).value_or(0));
  return {tensor.dtype, tensor.data.data(), rows, columns, stride};
}

}  // namespace

Result<Json> read_config_file(const std::filesystem::path& path) {
  KEDGE_ASSIGN(Json config, read_json_file(path));
  if (!config.is_object()) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: expected a JSON object", path.string())};
  }
  const auto text = config.find("text_config");
  if (text == config.end() || !text->is_object()) return config;
  Json merged = config;
  merged.erase("text_config");
  for (const auto& [key, value] : text->items()) merged[key] = value;
  return merged;
}

Result<std::shared_ptr<const WeightSource>> WeightSource::open(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return FolderSource::open(path);
  if (!std::filesystem::exists(path, ignored)) {
    return Error{ErrorKind::not_found,
                 fmt::format("{}: no such model, expected a checkpoint folder or a .gguf file", path.string())};
  }
  KEDGE_ASSIGN(auto file, formats::GgufFile::open(path));
  return open_gguf_source(std::move(file));
}

Result<const TensorView*> WeightSource::checked(std::string_view name, std::vector<int64_t> shape,
                                                std::string_view because) const {
  const TensorView* tensor = find_shaped(name, shape);
  if (tensor == nullptr) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: tensor '{}' is missing, expected shape {} ({})",
                                                      file_of(name), name, shape_text(shape), because)};
  }
  if (tensor->shape != shape) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: tensor '{}' has shape {}, expected {} ({})", file_of(name),
                                                      name, shape_text(tensor->shape), shape_text(shape), because)};
  }
  if (!kernels_read(tensor->dtype)) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: tensor '{}' has dtype {}, expected F32, F16, BF16 or a GGUF block type",
                             file_of(name), name, name_of(tensor->dtype))};
  }
  return tensor;
}

Result<cpu::WeightView> WeightSource::matrix(std::string_view name, int64_t rows, int64_t columns,
                                             std::string_view because) const {
  KEDGE_ASSIGN(const TensorView* tensor, checked(name, {rows, columns}, because));
  cpu::WeightView view = view_of(*tensor, rows, columns);
  view.scale_columns = scale_columns();
  return view;
}

Result<StoredProduct> WeightSource::product(std::string_view name, int64_t rows, int64_t columns,
                                            std::string_view because) const {
  StoredProduct product;
  if (quantization() != nullptr) {
    KEDGE_ASSIGN(product.quantized, QuantizedMatrix::find(*this, *quantization(), name, rows, columns));
  }
  if (product.quantized != nullptr) {
    product.weight = product.quantized->view(nullptr);
  } else {
    KEDGE_ASSIGN(product.weight, matrix(fmt::format("{}.weight", name), rows, columns, because));
  }
  return product;
}

WeightSource::Description WeightSource::describe(const TensorView& tensor) const {
  uint64_t count = 1;
  for (const int64_t size : tensor.shape) count *= static_cast<uint64_t>(size);
  Description description{name_of(tensor.dtype), count};
  if (quantization() == nullptr) return description;
  const std::string_view part = std::string_view(tensor.name).substr(tensor.name.rfind('.') + 1);
  const int bits = quantization()->code_bits;
  if (part == "qweight" || part == "weight_packed") {
    return {name_of(bits == 8 ? DType::int8_scaled : DType::int4_scaled), count * 32 / static_cast<uint64_t>(bits)};
  }
  if (part == "weight" && tensor.dtype == DType::i8) description.type = name_of(DType::int8_scaled);
  if (part != "weight" && part != "bias") description.parameters = 0;  // scales, zero points, orders
  return description;
}

Result<cpu::WeightView> WeightSource::slice(std::string_view name, int64_t index, int64_t count, int64_t rows,
                                            int64_t columns) const {
  KEDGE_ASSIGN(const TensorView* tensor,
               checked(name, {count, rows, columns}, "num_local_experts x rows x columns from the settings"));
  return view_of(*tensor, count * rows, columns).slice(index * rows, rows);
}

Result<std::vector<float>> WeightSource::vector(std::string_view name, int64_t size) const {
  KEDGE_ASSIGN(const TensorView* tensor, checked(name, {size}, "from the settings"));
  std::vector<float> values(static_cast<size_t>(size));
  cpu::dequantize_row(view_of(*tensor, 1, size), 0, values.data());
  return values;
}

}  // namespace kedge::models
