// Any safetensors file whose metadata holds a quantization_config and a size, as one quantized matrix "m": an error, or
// rows that the kernels read; never a crash.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/check.h"
#include "formats/safetensors.h"
#include "models/quantized_matrix.h"
#include "models/weight_source.h"

namespace {

constexpr int64_t kSizeMax = 256;

/// The tensors of one file, and the settings of its metadata.
class FileSource final : public kedge::models::WeightSource {
 public:
  FileSource(std::shared_ptr<const kedge::formats::SafetensorsFile> file, kedge::models::Quantization quantization)
      : file_(std::move(file)), quantization_(std::move(quantization)) {}
  [[nodiscard]] const kedge::Json& config() const override { return config_; }
  [[nodiscard]] const std::string& config_name() const override { return name_; }
  [[nodiscard]] std::string_view format() const override { return "safetensors"; }
  [[nodiscard]] const kedge::models::Quantization* quantization() const override { return &quantization_; }
  [[nodiscard]] const kedge::TensorView* find(std::string_view name) const override { return file_->find(name); }
  [[nodiscard]] std::vector<const kedge::TensorView*> tensors() const override { return {}; }
  [[nodiscard]] std::string file_of(std::string_view) const override { return name_; }

 private:
  std::shared_ptr<const kedge::formats::SafetensorsFile> file_;
  kedge::models::Quantization quantization_;
  kedge::Json config_;
  std::string name_ = "fuzz";
};

int64_t size_in(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  const bool number = found != metadata.end() && !found->second.empty() && found->second.size() <= 4 &&
                      std::ranges::all_of(found->second, [](char c) { return c >= '0' && c <= '9'; });
  return number ? std::clamp<int64_t>(std::stoll(found->second), 1, kSizeMax) : 32;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = kedge::formats::SafetensorsFile::parse(std::as_bytes(std::span(data, size)), "fuzz");
  if (!file.ok()) return 0;
  const auto& metadata = file.value()->metadata();
  const auto settings = metadata.find("quantization_config");
  if (settings == metadata.end()) return 0;
  auto json = kedge::parse_json(settings->second, "fuzz");
  if (!json.ok()) return 0;
  const auto quantization =
      kedge::models::read_quantization(kedge::Json{{"quantization_config", json.value()}}, "fuzz");
  if (!quantization.ok() || !quantization.value()) return 0;
  const FileSource source(file.value(), *quantization.value());
  const auto matrix = kedge::models::QuantizedMatrix::find(source, *quantization.value(), "m",
                                                           size_in(metadata, "rows"), size_in(metadata, "columns"));
  if (!matrix.ok() || matrix.value() == nullptr) return 0;
  static kedge::WorkerPool pool(1);
  std::vector<std::byte> rows(matrix.value()->laid_out_bytes());
  matrix.value()->lay_out(pool, rows.data());
  const kedge::cpu::WeightView view = matrix.value()->view(rows.data());
  std::vector<float> row(static_cast<size_t>(view.columns));
  for (int64_t n = 0; n < view.rows; ++n) kedge::cpu::dequantize_row(view, n, row.data());
  KEDGE_CHECK(rows.size() == static_cast<size_t>(view.rows) * view.row_stride);
  return 0;
}
