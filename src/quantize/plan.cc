#include "quantize/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "quantize/overlay_source.h"
#include "quantize/rounding.h"
#include "quantize/sequence_model.h"

namespace kedge::quantize {
namespace {

constexpr int64_t kColumnsOf = 32;  // columns that a quantized matrix must be a multiple of
constexpr Format kFormats[] = {
    {.bits = 4, .group = 128}, {.bits = 4, .group = 64}, {.bits = 4, .group = 32}, {.bits = 8, .group = 128}};

/// The matrices of one layer that share an input.
struct Part {
  size_t layer = 0;
  std::vector<size_t> products;
  std::vector<Format> formats;  // ascending bits
  std::vector<Choice> choices;  // of each format
};

std::vector<Part> parts_of(std::span<const LayerProducts> layers, bool symmetric) {
  std::vector<Part> parts;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    for (size_t input = 0; input < layers[layer].inputs.size(); ++input) {
      Part part{.layer = layer};
      for (size_t i = 0; i < layers[layer].products.size(); ++i) {
        if (layers[layer].products[i].input == input) part.products.push_back(i);
      }
      for (Format format : kFormats) {
        format.symmetric = symmetric || format.bits == 8;
        const std::optional<Format> found = fitting(format, layers[layer].inputs[input].columns);
        if (found && std::ranges::find(part.formats, *found) == part.formats.end()) part.formats.push_back(*found);
      }
      if (!part.formats.empty()) parts.push_back(std::move(part));
    }
  }
  return parts;
}

/// A step from one choice of a part to a later one that saves the most for each bit.
struct Step {
  size_t part = 0, from = 0, to = 0;
  double bits = 0, saved_per_bit = 0;
};

/// The steps along the lower convex hull of a part's choices, the most saving first.
void add_steps(std::span<const Choice> choices, size_t part, std::vector<Step>& steps) {
  for (size_t from = 0; from + 1 < choices.size();) {
    Step best{.part = part, .from = from};
    for (size_t to = from + 1; to < choices.size(); ++to) {
      const double bits = choices[to].bits - choices[from].bits;
      const double saved = choices[from].cost - choices[to].cost;
      if (bits <= 0 || saved <= 0 || saved / bits <= best.saved_per_bit) continue;
      best.to = to;
      best.bits = bits;
      best.saved_per_bit = saved / bits;
    }
    if (best.to == 0) return;
    steps.push_back(best);
    from = best.to;
  }
}

class Measurement {
 public:
  Measurement(WorkerPool& pool, std::span<const LayerProducts> layers, const MixedTask& task)
      : pool_(pool), layers_(layers), task_(task) {
    for (const auto& sequence : task.sequences) {
      length_max_ = std::max(length_max_, static_cast<int64_t>(sequence.size()));
    }
  }

  Status run(std::vector<Part>& parts) {
    KEDGE_ASSIGN(source_model_, SequenceModel::open(pool_, task_.spec, task_.source, false, length_max_));
    for (size_t i = 0; i < parts.size(); ++i) {
      KEDGE_TRY(measure(parts[i]));
      if (task_.on_progress) task_.on_progress(static_cast<int64_t>(i) + 1, static_cast<int64_t>(parts.size()));
    }
    return Done{};
  }

 private:
  Status measure(Part& part) {
    auto replaced = std::make_shared<ReplacedSource>(task_.source);
    std::vector<double> errors(part.formats.size(), 0.0);
    part.choices.resize(part.formats.size());
    for (const size_t index : part.products) {
      const Product& product = layers_[part.layer].products[index];
      const Matrix weights = widened(pool_, product.linear->weight);
      for (size_t f = 0; f < part.formats.size(); ++f) {
        Matrix values = round_to_nearest(pool_, weights, part.formats[f], DType::bf16).values(pool_);
        errors[f] += squared_distance(pool_, weights, values);
        part.choices[f].bits += bits_per_weight(part.formats[f], weights.columns) * static_cast<double>(weights.rows) *
                                static_cast<double>(weights.columns);
        if (f > 0) continue;
        replaced->replace(fmt::format("model.layers.{}.{}.weight", part.layer, product.name),
                          {weights.rows, weights.columns}, std::move(values.values));
      }
    }
    KEDGE_ASSIGN(const auto model, SequenceModel::open(pool_, task_.spec, replaced, false, length_max_));
    KEDGE_ASSIGN(const Comparison found, compare(pool_, *source_model_, *model, task_.sequences, task_.stop));
    for (size_t f = 0; f < errors.size(); ++f) {
      part.choices[f].cost = errors[0] > 0 ? found.divergence * errors[f] / errors[0] : 0;
    }
    return Done{};
  }

  WorkerPool& pool_;
  std::span<const LayerProducts> layers_;
  const MixedTask& task_;
  std::unique_ptr<SequenceModel> source_model_;
  int64_t length_max_ = 1;
};

}  // namespace

std::optional<Format> fitting(Format format, int64_t columns) {
  if (columns % kColumnsOf != 0) return std::nullopt;
  for (; !format.fits(columns); format.group /= 2) {
    if (format.group <= kColumnsOf) return std::nullopt;
  }
  return format;
}

LayerFormats uniform_plan(std::span<const LayerProducts> layers, const Format& format) {
  LayerFormats plan;
  for (const LayerProducts& layer : layers) {
    std::vector<std::optional<Format>>& formats = plan.emplace_back();
    for (const Product& product : layer.products) formats.push_back(fitting(format, product.linear->weight.columns));
  }
  return plan;
}

std::vector<size_t> allocate(std::span<const std::vector<Choice>> parts, double budget) {
  std::vector<size_t> chosen(parts.size(), 0);
  std::vector<Step> steps;
  for (size_t part = 0; part < parts.size(); ++part) {
    budget -= parts[part].front().bits;
    add_steps(parts[part], part, steps);
  }
  std::ranges::stable_sort(steps, std::greater<>(), &Step::saved_per_bit);
  for (const Step& step : steps) {
    if (chosen[step.part] != step.from || step.bits > budget) continue;
    chosen[step.part] = step.to;
    budget -= step.bits;
  }
  return chosen;
}

Result<LayerFormats> mixed_plan(WorkerPool& pool, std::span<const LayerProducts> layers, const MixedTask& task) {
  std::vector<Part> parts = parts_of(layers, task.symmetric);
  Measurement measurement(pool, layers, task);
  KEDGE_TRY(measurement.run(parts));
  double weights = 0, least = 0;
  std::vector<std::vector<Choice>> choices;
  for (const Part& part : parts) {
    for (const size_t i : part.products) {
      const cpu::WeightView& weight = layers[part.layer].products[i].linear->weight;
      weights += static_cast<double>(weight.rows) * static_cast<double>(weight.columns);
    }
    least += part.choices.front().bits;
    choices.push_back(part.choices);
  }
  if (least > task.bits * weights) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("--bits {}: expected at least {:.4f}, what the narrowest formats "
                             "take with their scales",
                             task.bits, least / weights)};
  }
  const std::vector<size_t> chosen = allocate(choices, task.bits * weights);
  LayerFormats plan;
  for (const LayerProducts& layer : layers) plan.emplace_back(layer.products.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    for (const size_t product : parts[i].products) plan[parts[i].layer][product] = parts[i].formats[chosen[i]];
  }
  return plan;
}

}  // namespace kedge::quantize
