#pragma once
// Rotary position embeddings: the base frequencies of every published scaling, in both spellings of config.json.

#include <cstdint>
#include <span>
#include <vector>

#include "kedge/result.h"
#include "models/config_reader.h"

namespace kedge::models {

enum class RopeScaling : uint8_t { none, linear, dynamic, yarn, llama3, longrope, factors };

/// One rotary embedding of a model (Gemma 3 has two). Formulas: transformers' modeling_rope_utils and the papers it
/// names (YaRN: Peng et al. 2023; LongRoPE: Ding et al. 2024; dynamic NTK: bloc97 2023; llama3: Llama 3.1's release).
struct RopeSpec {
  RopeScaling scaling = RopeScaling::none;
  int64_t rotary = 0;  // rotated elements of a head, even
  double theta = 10000.0;
  double factor = 1.0;
  int64_t original_context = 0;
  double attention_factor = 1.0;                    // multiplies cos and sin
  double low_frequency_factor = 1.0;                // llama3
  double high_frequency_factor = 4.0;               // llama3
  double beta_fast = 32.0, beta_slow = 1.0;         // yarn
  bool truncate = true;                             // yarn
  std::vector<double> short_factors, long_factors;  // longrope (rotary / 2 each); factors: short_factors
  double short_attention_factor = 1.0, long_attention_factor = 1.0;  // longrope
  double query_log_beta = 0.0;  // Llama 4's attention temperature: q *= 1 + beta log(1 + floor(position / original))

  /// The regime that a sequence of `length` tokens is in: sequences whose regime changes must be computed anew.
  [[nodiscard]] int regime(int64_t length) const {
    return scaling == RopeScaling::longrope && length > original_context ? 1 : 0;
  }

  /// rotary / 2 angles per position step, for a sequence of `length` tokens in all.
  [[nodiscard]] std::vector<float> inverse_frequencies(int64_t length) const;

  /// The factor on cos and sin for a sequence of `length` tokens in all.
  [[nodiscard]] float amplitude(int64_t length) const;
};

/// Reads rope_theta and rope_scaling (transformers 4) or rope_parameters (transformers 5).
/// `layer_type` picks one entry where rope_parameters holds one per layer type ("full_attention", ...); may be empty.
Result<RopeSpec> read_rope(const ConfigReader& config, int64_t head_size, const char* layer_type = "");

/// cos and sin of positions [first, first + count): [count, rotary / 2] each, times the amplitude.
void fill_rope_tables(const RopeSpec& rope, std::span<const float> inverse_frequencies, float amplitude, int64_t first,
                      int64_t count, float* cosine, float* sine);

}  // namespace kedge::models
