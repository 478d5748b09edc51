#pragma once
// Which family builds which model: one line a family.

#include "kedge/result.h"
#include "models/config_reader.h"
#include "models/spec.h"
#include "models/weight_source.h"

namespace kedge::models {

/// The spec of the model that `source` holds. Fails with unsupported for an unknown model_type (naming those known), or
/// corrupt_data for settings that are missing or contradict each other.
Result<ModelSpec> build_spec(const WeightSource& source);

// One function a family, each in its own file under families/.
Result<ModelSpec> build_llama(ConfigReader& config, const WeightSource& source);
Result<ModelSpec> build_mistral(ConfigReader& config, const WeightSource& source);
Result<ModelSpec> build_gemma(ConfigReader& config, const WeightSource& source);
Result<ModelSpec> build_phi3(ConfigReader& config, const WeightSource& source);
Result<ModelSpec> build_qwen(ConfigReader& config, const WeightSource& source);
Result<ModelSpec> build_bert(ConfigReader& config, const WeightSource& source);
Result<ModelSpec> build_deberta(ConfigReader& config, const WeightSource& source);

/// The settings that every decoder family shares: sizes, norm epsilon, activation, window on all layers, one rope.
/// The family adjusts the result.
Result<DecoderSpec> read_decoder(ConfigReader& config, const WeightSource& source);

/// Sets the head and its labels (id2label, problem_type) where the checkpoint has the product `spec.head_output`.
Status read_head(ConfigReader& config, const WeightSource& source, EncoderSpec& spec);

/// The activation that `hidden_act` names. Fails with unsupported.
Result<cpu::Activation> activation_from_name(const ConfigReader& config, const std::string& name);

}  // namespace kedge::models
