#include "models/adapter_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "core/json.h"
#include "models/config_reader.h"

namespace kedge::models {
namespace {

constexpr int64_t kRankLimit = 1 << 14;  // of any adapter that is read; what a server takes is its own choice

/// Settings that change what an adapter computes, in ways that are not computed here.
constexpr const char* kRefused[] = {"modules_to_save",
                                    "layer_replication",
                                    "target_parameters",
                                    "trainable_token_indices",
                                    "alora_invocation_tokens",
                                    "arrow_config",
                                    "use_bdlora",
                                    "velora_config",
                                    "use_qalora",
                                    "lora_bias",
                                    "monteclora_config",
                                    "kasa_config"};

bool is_set(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return false;
  if (found->is_boolean()) return found->get<bool>();
  return found->is_number() || !found->empty();
}

/// Ways of starting that change the model's own weights too: such an adapter belongs to a model that is not this one.
bool changes_base(const Json& json) {
  const auto found = json.find("init_lora_weights");
  if (found == json.end() || !found->is_string()) return false;
  const auto way = found->get<std::string>();
  return way != "gaussian" && way != "eva" && way != "orthogonal";
}

bool is_plain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
}

bool is_readable_pattern(std::string_view key) {
  if (key.starts_with('^')) key.remove_prefix(1);
  if (key.ends_with('$')) key.remove_suffix(1);
  if (key.empty()) return false;
  for (size_t i = 0; i < key.size(); ++i) {
    const bool star = key[i] == '*' && i > 0 && key[i - 1] == '.' && (i < 2 || key[i - 2] != '\\');
    const bool dot = key[i] == '\\' && i + 1 < key.size() && key[i + 1] == '.';
    if (!is_plain(key[i]) && !star && !dot) return false;
  }
  return true;
}

/// Whether the whole of `text` matches `key`.
bool matches_whole(std::string_view key, std::string_view text) {
  size_t k = 0, t = 0;
  size_t star_key = std::string_view::npos, star_text = 0;  // to go back to: behind the last ".*"
  while (true) {
    if (k < key.size() && key.substr(k).starts_with(".*")) {
      star_key = k += 2;
      star_text = t;
      continue;
    }
    if (k == key.size() && t == text.size()) return true;
    const bool literal = k + 1 < key.size() && key[k] == '\\';
    if (k < key.size() && t < text.size() && (literal ? key[k + 1] == text[t] : key[k] == '.' || key[k] == text[t])) {
      k += literal ? 2 : 1;
      ++t;
      continue;
    }
    if (star_key == std::string_view::npos || star_text == text.size()) return false;
    k = star_key;
    t = ++star_text;
  }
}

template <typename Value, typename Read>
std::vector<std::pair<std::string, Value>> read_pattern(ConfigReader& reader, const char* name, Read read) {
  std::vector<std::pair<std::string, Value>> patterns;
  if (!reader.has(name)) return patterns;
  const Json& json = reader.json().at(name);
  if (!json.is_object() || json.size() > kAdapterPatternsMax) {
    reader.fail(ErrorKind::corrupt_data,
                fmt::format("'{}' is no object of at most {} members", name, kAdapterPatternsMax));
    return patterns;
  }
  ConfigReader members = reader.object(name);
  for (const auto& [key, value] : json.items()) {
    if (!is_readable_pattern(key)) {
      reader.fail(ErrorKind::unsupported, fmt::format("'{}' has the key '{}', expected a module's name, or its end; of "
                                                      "regular expressions '^', '$', '.', '.*' and '\\.' alone",
                                                      name, key));
      return patterns;
    }
    patterns.emplace_back(key, read(members, key));
  }
  if (const Status status = members.status(); !status.ok()) reader.fail(status.error().kind, status.error().message);
  return patterns;
}

void check_kind(ConfigReader& reader) {
  if (const std::string kind = reader.text_or("peft_type", ""); kind != "LORA") {
    reader.fail(ErrorKind::unsupported, fmt::format("'peft_type' is '{}', expected LORA", kind));
  }
  if (const std::string bias = reader.text_or("bias", "none"); bias != "none") {
    reader.fail(ErrorKind::unsupported,
                fmt::format("'bias' is '{}', expected none: an adapter's own biases are not computed", bias));
  }
  for (const char* key : kRefused) {
    if (!is_set(reader.json(), key)) continue;
    reader.fail(ErrorKind::unsupported,
                fmt::format("'{}' is set, which changes more than low-rank updates do; expected "
                            "an adapter without it",
                            key));
  }
  if (changes_base(reader.json())) {
    reader.fail(
        ErrorKind::unsupported,
        fmt::format("'init_lora_weights' is {}: such an adapter goes with weights of the model that were changed "
                    "too; convert it to plain LoRA when saving it (path_initial_model_for_weight_conversion)",
                    to_text(reader.json().at("init_lora_weights"))));
  }
}

}  // namespace

bool matches_module(std::string_view key, std::string_view module) {
  const bool from_start = key.starts_with('^');
  if (from_start) key.remove_prefix(1);
  if (key.ends_with('$')) key.remove_suffix(1);
  if (matches_whole(key, module)) return true;
  if (from_start) return false;
  for (size_t dot = module.find('.'); dot != std::string_view::npos; dot = module.find('.', dot + 1)) {
    if (matches_whole(key, module.substr(dot + 1))) return true;
  }
  return false;
}

int64_t AdapterConfig::rank_of(std::string_view module) const {
  for (const auto& [key, value] : rank_pattern) {
    if (matches_module(key, module)) return value;
  }
  return rank;
}

double AdapterConfig::scale_of(std::string_view module) const {
  double numerator = alpha;
  for (const auto& [key, value] : alpha_pattern) {
    if (!matches_module(key, module)) continue;
    numerator = value;
    break;
  }
  const auto size = static_cast<double>(rank_of(module));
  return numerator / (rank_stabilised ? std::sqrt(size) : size);
}

Result<AdapterConfig> parse_adapter_config(std::string_view text, const std::string& name) {
  KEDGE_ASSIGN(const Json json, parse_json(text, name));
  if (!json.is_object()) return Error{ErrorKind::corrupt_data, fmt::format("{}: expected a JSON object", name)};
  ConfigReader reader(json, name);
  check_kind(reader);
  AdapterConfig config;
  config.rank = reader.integer("r", 1, kRankLimit);
  config.alpha = reader.number("lora_alpha");
  config.rank_stabilised = reader.boolean_or("use_rslora", false);
  config.weight_decomposed = reader.boolean_or("use_dora", false);
  config.rank_pattern = read_pattern<int64_t>(
      reader, "rank_pattern", [](ConfigReader& r, const std::string& key) { return r.integer(key, 1, kRankLimit); });
  config.alpha_pattern = read_pattern<double>(reader, "alpha_pattern",
                                              [](ConfigReader& r, const std::string& key) { return r.number(key); });
  const auto targets = json.find("target_modules");
  if (targets != json.end() && targets->is_array()) config.target_modules = reader.texts("target_modules");
  KEDGE_TRY(reader.status());
  return config;
}

}  // namespace kedge::models
