// Which modules an adapter updates: names of tensors, shapes and ranks, checked against the model.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <tuple>

#include "models/adapter_loader.h"

namespace kedge::models {
namespace {

enum class Part : uint8_t { a, b, magnitude };

struct TensorName {
  std::string path;  // "model.layers.0.self_attn.q_proj"
  int64_t layer = 0;
  std::string_view module;  // "self_attn.q_proj"
  Part part = Part::a;
};

constexpr std::string_view kPrefix = "base_model.model.";

/// What a tensor is of, without its part; nothing where it is no part of a low-rank update.
std::optional<std::pair<std::string_view, Part>> split_part(std::string_view name) {
  static constexpr std::pair<std::string_view, Part> kEnds[] = {{".lora_A.weight", Part::a},
                                                                {".lora_B.weight", Part::b},
                                                                {".lora_magnitude_vector", Part::magnitude},
                                                                {".lora_magnitude_vector.weight", Part::magnitude}};
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  for (const auto& [end, part] : kEnds) {
    if (!name.ends_with(end)) continue;
    name.remove_suffix(end.size());
    return std::pair(name, part);
  }
  return std::nullopt;
}

/// The layer of "model.layers.N.MODULE", and MODULE.
std::optional<std::pair<int64_t, std::string_view>> split_layer(std::string_view path) {
  for (const std::string_view start :
       {"model.layers.", "model.language_model.layers.", "language_model.model.layers."}) {
    if (!path.starts_with(start)) continue;
    path.remove_prefix(start.size());
    int64_t layer = 0;
    const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), layer);
    if (error != std::errc() || layer < 0 || end == path.data() + path.size() || *end != '.') return std::nullopt;
    path.remove_prefix(static_cast<size_t>(end - path.data()) + 1);
    return std::pair(layer, path);
  }
  return std::nullopt;
}

std::string_view parent_of(AdapterSite site) {
  return site == AdapterSite::qkv || site == AdapterSite::output ? "self_attn." : "mlp.";
}

std::string_view last_part(std::string_view path) {
  return path.substr(path.rfind('.') + 1);  // npos + 1 is 0
}

std::string names_of(const std::vector<AdapterModule>& modules) {
  std::string names;
  for (const AdapterModule& module : modules) names += fmt::format("{}{}", names.empty() ? "" : ", ", module.name);
  return names;
}

}  // namespace

std::vector<AdapterModule> adapter_modules(const DecoderSpec& spec) {
  const int64_t queries = spec.heads * spec.head_size, keys = spec.kv_heads * spec.head_size;
  const int64_t hidden = spec.hidden_size, inner = spec.intermediate_size;
  std::vector<AdapterModule> modules;
  if (spec.fused_qkv) {
    modules.push_back({"qkv_proj", AdapterSite::qkv, 0, queries + 2 * keys, hidden, false});
  } else {
    modules.push_back({"q_proj", AdapterSite::qkv, 0, queries, hidden, true});
    modules.push_back({"k_proj", AdapterSite::qkv, queries, keys, hidden, true});
    modules.push_back({"v_proj", AdapterSite::qkv, queries + keys, keys, hidden, false});
  }
  modules.push_back({"o_proj", AdapterSite::output, 0, hidden, queries, false});
  if (spec.mixture.experts > 0) return modules;
  if (spec.fused_gate_up) {
    modules.push_back({"gate_up_proj", AdapterSite::gate_up, 0, 2 * inner, hidden, false});
  } else {
    modules.push_back({"gate_proj", AdapterSite::gate_up, 0, inner, hidden, false});
    modules.push_back({"up_proj", AdapterSite::gate_up, inner, inner, hidden, false});
  }
  modules.push_back({"down_proj", AdapterSite::down, 0, hidden, inner, false});
  return modules;
}

class AdapterFinder {
 public:
  AdapterFinder(const AdapterFiles& files, const AdapterConfig& config, const DecoderSpec& spec, int64_t rank_max)
      : config_(config), spec_(spec), rank_max_(rank_max) {
    found_.name_ = files.name + "/adapter_model.safetensors";
    found_.modules_ = std::make_shared<const std::vector<AdapterModule>>(adapter_modules(spec));
  }

  Result<AdapterModules> find(const AdapterFiles& files) {
    KEDGE_ASSIGN(found_.file_, formats::SafetensorsFile::parse(std::as_bytes(std::span(files.tensors)), found_.name_));
    for (const TensorView& tensor : found_.file_->tensors()) KEDGE_TRY(take(tensor));
    if (updates_.empty()) return corrupt("it holds no tensors, expected lora_A and lora_B of some modules");
    for (auto& [place, update] : updates_) {
      KEDGE_TRY(check(update));
      found_.updates_.push_back(std::move(update));
    }
    KEDGE_TRY(check_targets(files));
    return std::move(found_);
  }

 private:
  [[nodiscard]] Error corrupt(std::string_view what) const {
    return {ErrorKind::corrupt_data, fmt::format("{}: {}", found_.name_, what)};
  }

  Status take(const TensorView& tensor) {
    const auto split = split_part(tensor.name);
    if (!split) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: tensor '{}' is none of lora_A.weight, lora_B.weight and lora_magnitude_vector of a "
                               "module, which are what low-rank updates have",
                               found_.name_, tensor.name)};
    }
    const auto& [path, part] = *split;
    const auto place = split_layer(path);
    const AdapterModule* module = nullptr;
    for (const AdapterModule& known : *found_.modules_) {
      if (place && place->second.starts_with(parent_of(known.site)) && last_part(place->second) == known.name &&
          place->second.size() == parent_of(known.site).size() + known.name.size()) {
        module = &known;
      }
    }
    if (module == nullptr) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: tensor '{}' is of module '{}', expected one of the model's layers: {}",
                               found_.name_, tensor.name, path, names_of(*found_.modules_))};
    }
    if (place->first >= spec_.layer_count) {
      return corrupt(fmt::format("tensor '{}' is of layer {}, and the model has {}", tensor.name, place->first,
                                 spec_.layer_count));
    }
    ModuleUpdate& update = updates_[{place->first, module->site, module->first_output}];
    update.module = module;
    update.layer = place->first;
    update.path = path;
    const TensorView*& slot = part == Part::a ? update.a : part == Part::b ? update.b : update.magnitude;
    if (slot != nullptr) return corrupt(fmt::format("tensors '{}' and '{}' are the same", slot->name, tensor.name));
    slot = &tensor;
    return Done{};
  }

  Status check(ModuleUpdate& update) const {
    const AdapterModule& module = *update.module;
    if (update.a == nullptr) return corrupt(fmt::format("'{}' has no lora_A.weight", update.path));
    if (update.b == nullptr) return corrupt(fmt::format("'{}' has no lora_B.weight", update.path));
    if (config_.weight_decomposed != (update.magnitude != nullptr)) {
      return corrupt(
          config_.weight_decomposed
              ? fmt::format("'{}' has no lora_magnitude_vector, and adapter_config.json says use_dora", update.path)
              : fmt::format("'{}' has a lora_magnitude_vector, and adapter_config.json says no use_dora", update.path));
    }
    const int64_t rank = config_.rank_of(update.path);
    KEDGE_TRY(check_shape(*update.a, {rank, module.columns}, "rank x inputs of the model"));
    KEDGE_TRY(check_shape(*update.b, {module.outputs, rank}, "outputs of the model x rank"));
    if (update.magnitude != nullptr) {
      KEDGE_TRY(check_shape(*update.magnitude, {module.outputs}, "outputs of the model"));
    }
    if (rank > rank_max_) {
      return Error{ErrorKind::unsupported, fmt::format("{}: '{}' has rank {}, and --max-lora-rank allows {}",
                                                       found_.name_, update.path, rank, rank_max_)};
    }
    update.scale = config_.scale_of(update.path);
    return Done{};
  }

  [[nodiscard]] Status check_shape(const TensorView& tensor, const std::vector<int64_t>& shape,
                                   const char* because) const {
    if (tensor.shape != shape) {
      return corrupt(fmt::format("tensor '{}' has shape {}, expected {} ({})", tensor.name, shape_text(tensor.shape),
                                 shape_text(shape), because));
    }
    if (tensor.dtype != DType::f32 && tensor.dtype != DType::f16 && tensor.dtype != DType::bf16) {
      return Error{ErrorKind::unsupported, fmt::format("{}: tensor '{}' has dtype {}, expected F32, F16 or BF16",
                                                       found_.name_, tensor.name, name_of(tensor.dtype))};
    }
    return Done{};
  }

  /// A module that is listed and has no tensor was lost on the way.
  [[nodiscard]] Status check_targets(const AdapterFiles& files) const {
    for (const std::string& target : config_.target_modules) {
      const bool there = std::ranges::any_of(
          found_.updates_, [&](const ModuleUpdate& update) { return last_part(target) == update.module->name; });
      const bool known = std::ranges::any_of(
          *found_.modules_, [&](const AdapterModule& module) { return last_part(target) == module.name; });
      if (there || !known) continue;
      return Error{
          ErrorKind::corrupt_data,
          fmt::format("{}/adapter_config.json: 'target_modules' lists '{}', and adapter_model.safetensors holds "
                      "no tensor of it",
                      files.name, target)};
    }
    return Done{};
  }

  const AdapterConfig& config_;
  const DecoderSpec& spec_;
  int64_t rank_max_;
  AdapterModules found_;
  std::map<std::tuple<int64_t, AdapterSite, int64_t>, ModuleUpdate> updates_;
};

Result<AdapterModules> AdapterModules::find(const AdapterFiles& files, const AdapterConfig& config,
                                            const DecoderSpec& spec, int64_t rank_max) {
  return AdapterFinder(files, config, spec, rank_max).find(files);
}

}  // namespace kedge::models
