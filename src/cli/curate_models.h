#pragma once
// Lets the operators of `kedge curate` use this program's engine.

namespace kedge::cli {

/// From now on pipelines open models: checkpoints' folders and .gguf files.
void offer_models_to_curate();

}  // namespace kedge::cli
