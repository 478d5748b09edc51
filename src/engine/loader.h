#pragma once
// Opening a model: weights, spec, settings, tokenizer and chat template, with every description that the engine gives.

#include <filesystem>
#include <memory>
#include <string>

#include "cpu/ops.h"
#include "kedge/engine.h"
#include "models/model_settings.h"
#include "models/spec.h"
#include "models/weight_source.h"
#include "text/chat_template.h"

namespace kedge::engine {

struct LoadedModel {
  std::shared_ptr<const models::WeightSource> source;
  models::ModelSpec spec;
  models::ModelSettings settings;
  std::shared_ptr<const Tokenizer> tokenizer;               // may be null
  std::shared_ptr<const text::ChatTemplate> chat_template;  // may be null
  ModelInfo info;
  std::string source_key;  // the files of the weights, as they are now: names, sizes, times
  cpu::MatmulCompute compute = cpu::MatmulCompute::f32;
  bool onednn = false;  // multiplies what it takes
};

/// Maps and checks everything but takes no memory that matters. Fails as Engine::open does.
Result<LoadedModel> load_model(const std::filesystem::path& path, const EngineOptions& options);

/// Fails with out_of_memory, with the numbers, when the plan does not fit what is available.
Status check_plan(const ModelInfo& info, const MemoryPlan& plan);

}  // namespace kedge::engine
