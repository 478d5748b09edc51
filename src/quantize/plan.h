#pragma once
// Which matrix gets which format.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "models/decoder_weights.h"
#include "models/spec.h"
#include "models/weight_source.h"
#include "quantize/format.h"
#include "quantize/layer_products.h"
#include "quantize/layer_runner.h"

namespace kedge::quantize {

/// Of each layer's products, as LayerProducts has them; nothing: the matrix stays as stored.
using LayerFormats = std::vector<std::vector<std::optional<Format>>>;

/// The format, with smaller groups (64, 32) where its own do not divide the columns; nothing where none do.
std::optional<Format> fitting(Format format, int64_t columns);

/// The same format for all.
LayerFormats uniform_plan(std::span<const LayerProducts> layers, const Format& format);

/// One way to store a part of the model.
struct Choice {
  double bits = 0;  // in all
  double cost = 0;  // expected KL divergence
};

/// Of each part's choices (ascending bits) one, by index, so that the bits stay within the budget and the costs are
/// small: from the cheapest up, the step that saves most for a bit first. Deterministic.
std::vector<size_t> allocate(std::span<const std::vector<Choice>> parts, double budget);

struct MixedTask {
  const models::DecoderSpec& spec;
  std::shared_ptr<const models::WeightSource> source;
  const TokenSequences& sequences;  // to measure with
  double bits = 0;                  // of a weight, on average
  bool symmetric = true;
  std::function<void(int64_t done, int64_t total)> on_progress;
  std::stop_token stop;
};

/// What it costs to round the matrices that share an input (they share a format, since runtimes fuse them), measured as
/// KL divergence of the whole model with those alone rounded to the narrowest format; other formats by their squared
/// error beside that one's. Then `allocate`. Fails with invalid_input where the budget is below the narrowest.
Result<LayerFormats> mixed_plan(WorkerPool& pool, std::span<const LayerProducts> layers, const MixedTask& task);

}  // namespace kedge::quantize
