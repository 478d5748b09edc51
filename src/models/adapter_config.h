#pragma once
// adapter_config.json of a PEFT adapter (LoRA, Hu et al. 2021; rsLoRA, Kalajdzievski 2023; DoRA, Liu et al. 2024).

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kedge/result.h"

namespace kedge::models {

inline constexpr size_t kAdapterConfigBytesMax = size_t{1} << 20;
inline constexpr size_t kAdapterPatternsMax = 1024;

struct AdapterConfig {
  int64_t rank = 0;
  double alpha = 0;
  bool rank_stabilised = false;  // scale alpha / sqrt(rank), not alpha / rank
  bool weight_decomposed = false;
  std::vector<std::pair<std::string, int64_t>> rank_pattern;  // of modules whose names match; the first match counts
  std::vector<std::pair<std::string, double>> alpha_pattern;
  std::vector<std::string> target_modules;  // as listed; empty: a pattern or all of them

  [[nodiscard]] int64_t rank_of(std::string_view module) const;
  /// What B A is multiplied by.
  [[nodiscard]] double scale_of(std::string_view module) const;
};

/// Fails with corrupt_data or unsupported, naming the key, what was found and what was expected.
Result<AdapterConfig> parse_adapter_config(std::string_view text, const std::string& name);

/// Whether a key of rank_pattern or alpha_pattern names `module` ("model.layers.0.self_attn.q_proj"): PEFT matches the
/// key as a regular expression at the end of the name, behind a dot or the name's start. Keys here may hold letters,
/// digits, '_', '-', '.', ".*", "\.", and '^' or '$' at their ends.
bool matches_module(std::string_view key, std::string_view module);

}  // namespace kedge::models
