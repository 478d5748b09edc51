#include "models/rope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace kedge::models {
namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

double yarn_mscale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

/// The dimension whose wave turns `rotations` times over the original context (YaRN, eq. 20).
double yarn_dimension(const RopeSpec& rope, double rotations) {
  return static_cast<double>(rope.rotary) *
         std::log(static_cast<double>(rope.original_context) / (rotations * kTwoPi)) / (2.0 * std::log(rope.theta));
}

void scale_yarn(const RopeSpec& rope, std::vector<double>& frequencies) {
  double low = yarn_dimension(rope, rope.beta_fast);
  double high = yarn_dimension(rope, rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rope.rotary - 1));
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / rope.factor * ramp + frequencies[i] * (1.0 - ramp);
  }
}

void scale_llama3(const RopeSpec& rope, std::vector<double>& frequencies) {
  const auto context = static_cast<double>(rope.original_context);
  const double low_wavelength = context / rope.low_frequency_factor;
  const double high_wavelength = context / rope.high_frequency_factor;
  for (double& frequency : frequencies) {
    const double wavelength = kTwoPi / frequency;
    if (wavelength > low_wavelength) {
      frequency /= rope.factor;
    } else if (wavelength >= high_wavelength) {
      const double smooth =
          (context / wavelength - rope.low_frequency_factor) / (rope.high_frequency_factor - rope.low_frequency_factor);
      frequency = (1.0 - smooth) * frequency / rope.factor + smooth * frequency;
    }
  }
}

Result<RopeScaling> scaling_of(const ConfigReader& reader, const std::string& type) {
  if (type == "default" || type.empty()) return RopeScaling::none;
  if (type == "linear") return RopeScaling::linear;
  if (type == "dynamic") return RopeScaling::dynamic;
  if (type == "yarn") return RopeScaling::yarn;
  if (type == "llama3") return RopeScaling::llama3;
  if (type == "longrope" || type == "su") return RopeScaling::longrope;
  if (type == "gguf_factors") return RopeScaling::factors;
  return Error{ErrorKind::unsupported,
               fmt::format("{}: rope type '{}', expected default, linear, dynamic, yarn, llama3 or longrope",
                           reader.name(), type)};
}

void read_yarn(ConfigReader& scaling, RopeSpec& rope) {
  rope.beta_fast = scaling.number_or("beta_fast", 32.0);
  rope.beta_slow = scaling.number_or("beta_slow", 1.0);
  rope.truncate = scaling.boolean_or("truncate", true);
  const double mscale = scaling.number_or("mscale", 0.0);
  const double mscale_all = scaling.number_or("mscale_all_dim", 0.0);
  const double computed = mscale != 0.0 && mscale_all != 0.0
                              ? yarn_mscale(rope.factor, mscale) / yarn_mscale(rope.factor, mscale_all)
                              : yarn_mscale(rope.factor, 1.0);
  rope.attention_factor = scaling.number_or("attention_factor", computed);
  rope.query_log_beta = scaling.number_or("llama_4_scaling_beta", 0.0);
}

void read_longrope(const ConfigReader& config, ConfigReader& scaling, int64_t context, RopeSpec& rope) {
  const auto count = static_cast<size_t>(rope.rotary / 2);
  rope.short_factors = scaling.numbers("short_factor", count);
  rope.long_factors = scaling.numbers("long_factor", count);
  const auto original = static_cast<double>(rope.original_context);
  double factor = scaling.number_or("factor", static_cast<double>(context) / original);
  if (config.has("original_max_position_embeddings")) factor = static_cast<double>(context) / original;
  const double computed = factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(factor) / std::log(original));
  rope.attention_factor = scaling.number_or("attention_factor", computed);
  rope.short_attention_factor = scaling.number_or("short_mscale", rope.attention_factor);
  rope.long_attention_factor = scaling.number_or("long_mscale", rope.attention_factor);
}

void read_scaling(const ConfigReader& config, ConfigReader& scaling, int64_t context, RopeSpec& rope) {
  int64_t original = scaling.integer_or("original_max_position_embeddings", 0, 0, kDimensionMax);
  ConfigReader top = config;
  if (original == 0 || rope.scaling == RopeScaling::longrope) {
    original = top.integer_or("original_max_position_embeddings", original > 0 ? original : context, 1, kDimensionMax);
  }
  rope.original_context = original;
  switch (rope.scaling) {
    case RopeScaling::none:
      rope.query_log_beta = scaling.number_or("llama_4_scaling_beta", 0.0);
      break;
    case RopeScaling::linear:
      rope.factor = scaling.number("factor");
      break;
    case RopeScaling::dynamic:
      rope.factor = scaling.number("factor");
      rope.original_context = context;
      break;
    case RopeScaling::yarn:
      rope.factor = scaling.number("factor");
      read_yarn(scaling, rope);
      break;
    case RopeScaling::llama3:
      rope.factor = scaling.number("factor");
      rope.low_frequency_factor = scaling.number("low_freq_factor");
      rope.high_frequency_factor = scaling.number("high_freq_factor");
      if (rope.high_frequency_factor <= rope.low_frequency_factor) {
        scaling.fail(ErrorKind::corrupt_data, "high_freq_factor must be larger than low_freq_factor");
      }
      break;
    case RopeScaling::longrope:
      read_longrope(config, scaling, context, rope);
      break;
    case RopeScaling::factors:
      rope.short_factors = scaling.numbers("factors", static_cast<size_t>(rope.rotary / 2));
      break;
  }
  if (rope.factor <= 0.0) scaling.fail(ErrorKind::corrupt_data, "factor must be positive");
}

}  // namespace

std::vector<float> RopeSpec::inverse_frequencies(int64_t length) const {
  double base = theta;
  if (scaling == RopeScaling::dynamic && length > original_context) {
    const double ratio = static_cast<double>(length) / static_cast<double>(original_context);
    base *= std::pow(factor * ratio - (factor - 1.0), static_cast<double>(rotary) / static_cast<double>(rotary - 2));
  }
  const std::vector<double>& factors = regime(length) == 1 ? long_factors : short_factors;
  std::vector<double> frequencies(static_cast<size_t>(rotary / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    // In float32, step by step as the reference does it: at position p a rounding of the frequency is p times as large
    // in the angle.
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(rotary);
    auto wavelength = static_cast<float>(std::pow(base, static_cast<double>(exponent)));
    if (!factors.empty()) wavelength *= static_cast<float>(factors[i]);
    frequencies[i] = 1.0F / wavelength;
  }
  if (scaling == RopeScaling::linear) {
    for (double& frequency : frequencies) frequency /= factor;
  }
  if (scaling == RopeScaling::yarn) scale_yarn(*this, frequencies);
  if (scaling == RopeScaling::llama3) scale_llama3(*this, frequencies);
  return {frequencies.begin(), frequencies.end()};
}

float RopeSpec::amplitude(int64_t length) const {
  if (scaling != RopeScaling::longrope) return static_cast<float>(attention_factor);
  return static_cast<float>(regime(length) == 1 ? long_attention_factor : short_attention_factor);
}

Result<RopeSpec> read_rope(const ConfigReader& config, int64_t head_size, const char* layer_type) {
  ConfigReader top = config;
  ConfigReader scaling = config.object(config.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
  if (*layer_type != '\0' && scaling.has(layer_type))
    scaling = ConfigReader(scaling.json()[layer_type], scaling.name());

  RopeSpec rope;
  const double partial = scaling.number_or("partial_rotary_factor", top.number_or("partial_rotary_factor", 1.0));
  rope.rotary = static_cast<int64_t>(static_cast<double>(head_size) * partial) / 2 * 2;
  rope.theta = scaling.number_or("rope_theta", top.number_or("rope_theta", 10000.0));
  const std::string type = scaling.text_or("rope_type", scaling.text_or("type", "default"));
  KEDGE_ASSIGN(rope.scaling, scaling_of(scaling, type));
  const int64_t context = top.integer_or("max_position_embeddings", 2048, 1, kDimensionMax);
  if (rope.rotary < 2 || rope.rotary > head_size || rope.theta <= 1.0) {
    top.fail(ErrorKind::corrupt_data,
             fmt::format("rope_theta {} with partial_rotary_factor {} rotates {} of {} elements", rope.theta, partial,
                         rope.rotary, head_size));
  }
  KEDGE_TRY(top.status());
  read_scaling(config, scaling, context, rope);
  KEDGE_TRY(scaling.status());
  return rope;
}

void fill_rope_tables(const RopeSpec& rope, std::span<const float> inverse_frequencies, float amplitude, int64_t first,
                      int64_t count, float* cosine, float* sine) {
  const int64_t half = rope.rotary / 2;
  for (int64_t i = 0; i < count; ++i) {
    const auto position = static_cast<float>(first + i);
    for (int64_t j = 0; j < half; ++j) {
      // The product is rounded to float32 before cos and sin, as the reference does.
      const float angle = position * inverse_frequencies[static_cast<size_t>(j)];
      cosine[i * half + j] = std::cos(angle) * amplitude;
      sine[i * half + j] = std::sin(angle) * amplitude;
    }
  }
}

}  // namespace kedge::models
