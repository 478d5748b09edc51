// Any bytes as config.json: a spec, or an error; never a crash.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/registry.h"

namespace {

/// A source with settings and no tensors.
class SettingsOnly final : public kedge::models::WeightSource {
 public:
  explicit SettingsOnly(kedge::Json config) : config_(std::move(config)) {}
  [[nodiscard]] const kedge::Json& config() const override { return config_; }
  [[nodiscard]] const std::string& config_name() const override { return name_; }
  [[nodiscard]] std::string_view format() const override { return "safetensors"; }
  [[nodiscard]] const kedge::TensorView* find(std::string_view) const override { return nullptr; }
  [[nodiscard]] std::vector<const kedge::TensorView*> tensors() const override { return {}; }
  [[nodiscard]] std::string file_of(std::string_view) const override { return "model.safetensors"; }

 private:
  kedge::Json config_;
  std::string name_ = "config.json";
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto json = kedge::parse_json({reinterpret_cast<const char*>(data), size}, "config.json");
  if (!json.ok()) return 0;
  (void)kedge::models::read_quantization(json.value(), "config.json");
  const SettingsOnly source(std::move(json).value());
  auto spec = kedge::models::build_spec(source);
  if (!spec.ok()) return 0;
  if (const auto* decoder = std::get_if<kedge::models::DecoderSpec>(&spec.value().network)) {
    for (const kedge::models::RopeSpec& rope : decoder->ropes) {
      if (rope.rotary <= 1024) (void)rope.inverse_frequencies(decoder->context_tokens);
    }
  }
  return 0;
}
