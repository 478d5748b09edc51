#include "quantize/folder_quantizer.h"

#include <fmt/format.h>

#include <cmath>
#include <deque>
#include <map>

#include "models/registry.h"
#include "quantize/checkpoint_folder.h"
#include "quantize/compressed_tensors.h"
#include "quantize/layer_quantizer.h"
#include "quantize/overlay_source.h"
#include "quantize/plan.h"
#include "quantize/sequence_model.h"
#include "quantize/text_choice.h"

namespace kedge::quantize {
namespace {

constexpr int64_t kSensitivityTokens = 1024;

Json json_of(const std::optional<Format>& format) {
  if (!format) return nullptr;
  return {{"bits", format->bits}, {"group", format->group}, {"symmetric", format->symmetric}};
}

Json json_of(const LayerFormats& plan) {
  Json json = Json::array();
  for (const auto& layer : plan) {
    Json formats = Json::array();
    for (const auto& format : layer) formats.push_back(json_of(format));
    json.push_back(std::move(formats));
  }
  return json;
}

LayerFormats plan_of(const Json& json) {
  LayerFormats plan;
  for (const Json& layer : json) {
    auto& formats = plan.emplace_back();
    for (const Json& format : layer) {
      if (format.is_null()) {
        formats.emplace_back();
      } else {
        formats.emplace_back(Format{format["bits"], format["group"], format["symmetric"]});
      }
    }
  }
  return plan;
}

class FolderQuantizer {
 public:
  FolderQuantizer(const Options& options, const Target& target, Method method, const Events& events,
                  const std::stop_token& stop)
      : options_(options), target_(target), method_(method), events_(events), stop_(stop), pool_(options.threads) {}

  Result<Json> run() {
    KEDGE_TRY(open_source());
    KEDGE_ASSIGN(const Json identity, identity_of_run());
    KEDGE_ASSIGN(CheckpointFolder folder, CheckpointFolder::open(options_.out, identity, spec_.layer_count + 1));
    if (folder.resumed() && events_.on_notice) {
      events_.on_notice(fmt::format("{}: going on with an unfinished quantization", options_.out.string()));
    }
    KEDGE_TRY(read_texts(folder));
    KEDGE_TRY(make_plan(folder));
    KEDGE_TRY(run_layers(folder));
    KEDGE_TRY(write_rest(folder));
    KEDGE_TRY(folder.complete(options_.model, config()));
    KEDGE_ASSIGN(const Json report, report_of(folder));
    KEDGE_TRY(folder.close(report));
    return report;
  }

 private:
  void progress(std::string_view stage, int64_t done, int64_t total) const {
    if (events_.on_progress) events_.on_progress({stage, done, total});
  }

  // Source, texts, plan.

  Status open_source() {
    KEDGE_ASSIGN(source_, models::WeightSource::open(options_.model));
    if (source_->format() != "safetensors") {
      return Error{ErrorKind::unsupported, fmt::format("{}: is a GGUF file, expected a checkpoint folder for --to {}",
                                                       options_.model.string(), options_.target)};
    }
    if (source_->quantization() != nullptr) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: is quantized already ({}), expected weights of F32, F16 or BF16",
                               options_.model.string(), source_->quantization()->name)};
    }
    KEDGE_ASSIGN(config_json_, read_json_file(options_.model / "config.json"));
    KEDGE_ASSIGN(const models::ModelSpec model, models::build_spec(*source_));
    const auto* spec = std::get_if<models::DecoderSpec>(&model.network);
    if (spec == nullptr) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: is an encoder ({}), expected a decoder", options_.model.string(), model.family)};
    }
    spec_ = *spec;
    KEDGE_ASSIGN(weights_, models::load_decoder_weights(spec_, *source_));
    for (const auto& layer : weights_.layers) layers_.push_back(products_of(spec_, layer));
    return Done{};
  }

  /// What must be the same for a run to be gone on with.
  Result<Json> identity_of_run() const {
    uint64_t bytes = 0;
    for (const TensorView* tensor : source_->tensors()) bytes += tensor->data.size();
    std::error_code ignored;
    KEDGE_ASSIGN(const std::string calibration, text_identity(options_.calibration_file));
    KEDGE_ASSIGN(const std::string held, text_identity(options_.held_file));
    return Json{{"MODEL", std::filesystem::weakly_canonical(options_.model, ignored).string()},
                {"weights of bytes", bytes},
                {"--to", options_.target},
                {"--method", options_.method},
                {"--symmetric", options_.symmetric},
                {"--bits", target_.kind == TargetKind::mixed ? options_.bits : 0.0},
                {"--calib", calibration},
                {"--text", held},
                {"--sequences", options_.sequences},
                {"--length", options_.length},
                {"--held-sequences", options_.held_sequences},
                {"--seed", options_.seed}};
  }

  Status read_texts(CheckpointFolder& folder) {
    Json& notes = folder.notes();
    if (!notes.contains("texts")) {
      KEDGE_ASSIGN(const Texts texts, choose_texts(pool_, options_, events_, stop_, source_, spec_));
      notes["texts"] = {{"calibration", texts.calibration},
                        {"held", texts.held},
                        {"calibration_name", texts.calibration_name},
                        {"held_name", texts.held_name}};
      KEDGE_TRY(folder.keep_notes());
    }
    texts_.calibration = notes["texts"]["calibration"].get<TokenSequences>();
    texts_.held = notes["texts"]["held"].get<TokenSequences>();
    texts_.calibration_name = notes["texts"]["calibration_name"];
    texts_.held_name = notes["texts"]["held_name"];
    return Done{};
  }

  Status make_plan(CheckpointFolder& folder) {
    Json& notes = folder.notes();
    if (!notes.contains("plan")) {
      if (target_.kind == TargetKind::mixed) {
        KEDGE_ASSIGN(plan_, mixed_plan(pool_, layers_, mixed_task()));
      } else {
        Format format = target_.format;
        format.symmetric = format.bits == 8 || options_.symmetric;
        plan_ = uniform_plan(layers_, format);
      }
      notes["plan"] = json_of(plan_);
      KEDGE_TRY(folder.keep_notes());
    }
    plan_ = plan_of(notes["plan"]);
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
      for (size_t i = 0; i < layers_[layer].products.size(); ++i) {
        const std::string name = module_name(layer, i);
        if (plan_[layer][i]) {
          modules_.emplace(name, *plan_[layer][i]);
        } else {
          as_stored_.push_back(name);
        }
      }
    }
    if (modules_.empty()) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: no matrix has rows of whole groups of 32 weights", options_.model.string())};
    }
    quantization_json_ = quantization_config(modules_, ignored_modules(), target_.kind == TargetKind::w8a8);
    KEDGE_ASSIGN(quantization_,
                 models::read_quantization(Json{{"quantization_config", quantization_json_}}, "the new config.json"));
    return Done{};
  }

  [[nodiscard]] MixedTask mixed_task() {
    int64_t tokens = 0;
    for (const auto& sequence : texts_.calibration) {
      if (tokens >= kSensitivityTokens) break;
      sensitivity_text_.push_back(sequence);
      tokens += static_cast<int64_t>(sequence.size());
    }
    return {.spec = spec_,
            .source = source_,
            .sequences = sensitivity_text_,
            .bits = options_.bits,
            .symmetric = options_.symmetric,
            .on_progress = [this](int64_t done, int64_t total) { progress("measuring sensitivity", done, total); },
            .stop = stop_};
  }

  /// As the checkpoint spells it.
  [[nodiscard]] std::string module_name(size_t layer, size_t product) const {
    const std::string name = fmt::format("model.layers.{}.{}.weight", layer, layers_[layer].products[product].name);
    const TensorView* tensor = source_->find(name);
    return tensor->name.substr(0, tensor->name.size() - std::string_view(".weight").size());
  }

  /// Every other linear module that a reader might take for a quantized one.
  [[nodiscard]] std::vector<std::string> ignored_modules() const {
    std::vector<std::string> ignored = as_stored_;
    for (const TensorView* tensor : source_->tensors()) {
      const std::string_view name = tensor->name;
      if (tensor->shape.size() != 2 || !name.ends_with(".weight") || name.find("embed") != std::string_view::npos)
        continue;
      std::string module(name.substr(0, name.size() - std::string_view(".weight").size()));
      if (!modules_.contains(module) && std::ranges::find(ignored, module) == ignored.end()) {
        ignored.push_back(std::move(module));
      }
    }
    if (std::ranges::find(ignored, "lm_head") == ignored.end()) ignored.emplace_back("lm_head");
    return ignored;
  }

  // Layers.

  Status run_layers(CheckpointFolder& folder) {
    Json& reports = folder.notes()["layers"];
    if (!reports.is_array()) reports = Json::array();
    KEDGE_ASSIGN(states_, embedded(spec_, *source_, texts_.calibration));
    if (method_ == Method::gptq) source_states_ = states_;
    for (int64_t layer = 0; layer < spec_.layer_count; ++layer) {
      progress("quantizing layers", layer, spec_.layer_count);
      if (layer < static_cast<int64_t>(reports.size())) {
        KEDGE_TRY(propagate_source(layer));
        KEDGE_TRY(propagate(folder, layer));
        continue;
      }
      KEDGE_ASSIGN(Json report, quantize_one(folder, layer));
      reports.push_back(std::move(report));
      KEDGE_TRY(folder.keep_notes());
    }
    progress("quantizing layers", spec_.layer_count, spec_.layer_count);
    states_ = {};
    source_states_ = {};
    return Done{};
  }

  [[nodiscard]] models::DecoderOptions layer_options(bool round_inputs) const {
    return {.round_inputs = round_inputs, .tokens_max = batch_tokens(texts_.calibration), .outputs_max = 0};
  }

  /// One layer at hand.
  struct LayerWork {
    int64_t layer = 0;
    std::shared_ptr<const LayerSource> source;
    std::unique_ptr<LayerRunner> runner;  // with the source's weights
    LayerProducts products;
    std::shared_ptr<ReplacedSource> replaced;  // the source with the matrices that are quantized so far
    std::vector<float> wanted;                 // states after the source's layer on the states at hand
    QuantizedLayer quantized;
  };

  Result<Json> quantize_one(const CheckpointFolder& folder, int64_t layer) {
    LayerWork work{.layer = layer, .source = std::make_shared<LayerSource>(source_, layer)};
    KEDGE_ASSIGN(work.runner, LayerRunner::open(pool_, spec_, layer, work.source, layer_options(false)));
    work.products = products_of(spec_, work.runner->weights());
    work.replaced = std::make_shared<ReplacedSource>(work.source);
    work.quantized.products.resize(work.products.products.size());
    if (method_ == Method::gptq) {
      for (int stage = 0; stage < kStages; ++stage) KEDGE_TRY(quantize_stage(work, stage));
      KEDGE_TRY(propagate_source(layer));
    } else {
      KEDGE_TRY(quantize_stage(work, -1));
    }
    KEDGE_TRY(write_layer(folder, layer, work.products, work.quantized));
    KEDGE_TRY(propagate(folder, layer));
    return layer_report(layer, work.products, work.quantized, relative_error(work.wanted));
  }

  /// The products that read inputs of one stage, fitted to what those of the earlier stages give now they are rounded;
  /// or
  /// (-1) all at once.
  Status quantize_stage(LayerWork& work, int stage) {
    std::vector<std::optional<Format>> formats = plan_[static_cast<size_t>(work.layer)];
    for (size_t i = 0; i < formats.size(); ++i) {
      if (stage >= 0 && work.products.inputs[work.products.products[i].input].stage != stage) formats[i].reset();
    }
    LayerStatistics statistics(pool_, spec_, work.products,
                               {.method = method_, .stage = stage, .rows_expected = token_count(texts_.calibration)});
    KEDGE_TRY(collect(work, stage, statistics));
    const LayerTask task{.spec = spec_,
                         .source = *work.source,
                         .products = work.products,
                         .statistics = statistics,
                         .formats = formats,
                         .method = method_,
                         .round_inputs = target_.kind == TargetKind::w8a8,
                         .gptq = {}};
    KEDGE_ASSIGN(QuantizedLayer found, quantize_layer(pool_, task));
    if (stop_.stop_requested()) return Error{ErrorKind::cancelled, "stopped"};
    for (size_t i = 0; i < formats.size(); ++i) {
      if (!found.products[i]) continue;
      const CodedMatrix& coded = found.products[i]->coded;
      if (stage >= 0 && stage + 1 < kStages) {
        work.replaced->replace(fmt::format("model.layers.0.{}.weight", work.products.products[i].name),
                               {coded.rows, coded.columns}, coded.values(pool_).values);
      }
      work.quantized.products[i] = std::move(found.products[i]);
    }
    std::ranges::move(found.vectors, std::back_inserter(work.quantized.vectors));
    return Done{};
  }

  /// Fills the statistics; the first time also work.wanted.
  Status collect(LayerWork& work, int stage, LayerStatistics& statistics) {
    std::unique_ptr<LayerRunner> rounded;
    if (stage > 0) {
      KEDGE_ASSIGN(rounded, LayerRunner::open(pool_, spec_, work.layer, work.replaced, layer_options(false)));
    }
    LayerRunner* const runner = stage > 0 ? rounded.get() : work.runner.get();
    const LayerProducts products = products_of(spec_, runner->weights());
    LayerStatistics::Side source_side{&statistics, &work.products}, side{&statistics, &products};
    std::vector<float> states = states_, source_states = source_states_;
    std::vector<LayerRunner::States> runs;
    if (method_ == Method::gptq) {
      runs.push_back({work.runner.get(), source_states, LayerStatistics::source_sink, &source_side});
    }
    runs.push_back({runner, states, LayerStatistics::sink, &side});
    KEDGE_TRY(LayerRunner::run(pool_, texts_.calibration, runs, stop_));
    if (stage <= 0) work.wanted = std::move(states);
    return Done{};
  }

  /// Of the states after the layer, to those of the source's layer on the same input.
  [[nodiscard]] double relative_error(const std::vector<float>& wanted) const {
    double distance = 0, whole = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const double difference = static_cast<double>(wanted[i]) - static_cast<double>(states_[i]);
      distance += difference * difference;
      whole += static_cast<double>(wanted[i]) * static_cast<double>(wanted[i]);
    }
    return whole > 0 ? std::sqrt(distance / whole) : 0;
  }

  /// The states through a layer as it was written: what a later run finds is what this one went on with.
  Status propagate(const CheckpointFolder& folder, int64_t layer) {
    KEDGE_ASSIGN(auto shard, formats::SafetensorsFile::open(folder.shard_path(layer)));
    const auto source = std::make_shared<LayerSource>(source_, layer, std::move(shard), &*quantization_);
    KEDGE_ASSIGN(auto runner,
                 LayerRunner::open(pool_, spec_, layer, source, layer_options(target_.kind == TargetKind::w8a8)));
    const LayerRunner::States run{runner.get(), states_};
    return LayerRunner::run(pool_, texts_.calibration, {&run, 1}, stop_);
  }

  /// The states of the source model, where they are wanted, through a layer that is done.
  Status propagate_source(int64_t layer) {
    if (source_states_.empty()) return Done{};
    const auto source = std::make_shared<LayerSource>(source_, layer);
    KEDGE_ASSIGN(auto runner, LayerRunner::open(pool_, spec_, layer, source, layer_options(false)));
    const LayerRunner::States run{runner.get(), source_states_};
    return LayerRunner::run(pool_, texts_.calibration, {&run, 1}, stop_);
  }

  Status write_layer(const CheckpointFolder& folder, int64_t layer, const LayerProducts& products,
                     const QuantizedLayer& quantized) const {
    std::deque<OwnedTensor> owned;
    std::vector<TensorView> views;
    std::map<std::string, size_t> coded;  // by the names of the source's tensors
    for (size_t i = 0; i < products.products.size(); ++i) {
      if (quantized.products[i]) coded.emplace(module_name(static_cast<size_t>(layer), i) + ".weight", i);
    }
    std::map<std::string, const ChangedVector*> changed;
    for (const ChangedVector& vector : quantized.vectors) {
      changed.emplace(source_->find(fmt::format("model.layers.{}.{}", layer, vector.name))->name, &vector);
    }
    for (const TensorView* tensor : source_->tensors()) {
      if (layer_of_tensor(tensor->name) != layer) continue;
      if (const auto found = coded.find(tensor->name); found != coded.end()) {
        const std::string name = tensor->name.substr(0, tensor->name.rfind('.'));
        const CodedMatrix& matrix = quantized.products[found->second]->coded;
        auto parts = target_.kind == TargetKind::w8a8 ? byte_tensors(name, matrix) : packed_tensors(name, matrix);
        for (OwnedTensor& part : parts) views.push_back(owned.emplace_back(std::move(part)).view());
      } else if (const auto vector = changed.find(tensor->name); vector != changed.end()) {
        views.push_back(
            owned.emplace_back(plain_tensor(tensor->name, tensor->dtype, tensor->shape, vector->second->values))
                .view());
      } else {
        views.push_back(*tensor);
      }
    }
    return folder.write_shard(layer, views);
  }

  static Json layer_report(int64_t layer, const LayerProducts& products, const QuantizedLayer& quantized,
                           double error) {
    Json list = Json::array();
    for (size_t i = 0; i < products.products.size(); ++i) {
      if (!quantized.products[i]) continue;
      const QuantizedProduct& product = *quantized.products[i];
      const int64_t columns = product.coded.columns;
      Json entry{{"name", products.products[i].name},
                 {"format", name_of(product.coded.format)},
                 {"weights", product.coded.rows * columns},
                 {"bits_per_weight", bits_per_weight(product.coded.format, columns)},
                 {"relative_error", product.relative_error}};
      if (product.without_inputs) entry["without_inputs"] = true;
      list.push_back(std::move(entry));
    }
    return {{"layer", layer}, {"relative_error", error}, {"products", std::move(list)}};
  }

  // The rest.

  Status write_rest(const CheckpointFolder& folder) const {
    std::vector<TensorView> views;
    for (const TensorView* tensor : source_->tensors()) {
      const int64_t layer = layer_of_tensor(tensor->name);
      if (layer < 0 || layer >= spec_.layer_count) views.push_back(*tensor);
    }
    return folder.write_shard(spec_.layer_count, views);
  }

  [[nodiscard]] Json config() const {
    Json config = config_json_;
    config["quantization_config"] = quantization_json_;
    return config;
  }

  Result<Json> report_of(CheckpointFolder& folder) {
    KEDGE_ASSIGN(const auto written, models::WeightSource::open(options_.out));
    const Json& layers = folder.notes()["layers"];
    double bits = 0, weights = 0, parameters = 0;
    for (const Json& layer : layers) {
      for (const Json& product : layer["products"]) {
        const auto count = product["weights"].get<double>();
        weights += count;
        bits += count * product["bits_per_weight"].get<double>();
      }
    }
    for (const TensorView* tensor : source_->tensors()) {
      parameters += static_cast<double>(source_->describe(*tensor).parameters);
    }
    double bytes = 0;
    for (const TensorView* tensor : written->tensors()) bytes += static_cast<double>(tensor->data.size());
    KEDGE_ASSIGN(const Comparison comparison, compare_with_source(written));
    return Json{{"model", options_.model.string()},
                {"out", options_.out.string()},
                {"to", options_.target},
                {"method", options_.method},
                {"bits_per_weight", bits / weights},
                {"bits_per_parameter", 8 * bytes / parameters},
                {"bytes", static_cast<uint64_t>(bytes)},
                {"as_stored", as_stored_},
                {"calibration", {{"text", texts_.calibration_name}, {"tokens", token_count(texts_.calibration)}}},
                {"held", json_of(comparison, texts_.held_name)},
                {"layers", layers}};
  }

  Result<Comparison> compare_with_source(const std::shared_ptr<const models::WeightSource>& written) {
    int64_t longest = 1;
    for (const auto& sequence : texts_.held) longest = std::max(longest, static_cast<int64_t>(sequence.size()));
    KEDGE_ASSIGN(auto before, SequenceModel::open(pool_, spec_, source_, false, longest));
    KEDGE_ASSIGN(auto after, SequenceModel::open(pool_, spec_, written, target_.kind == TargetKind::w8a8, longest));
    progress("comparing with the source", 0, 1);
    return compare(pool_, *before, *after, texts_.held, stop_);
  }

  const Options& options_;
  const Target& target_;
  Method method_;
  const Events& events_;
  const std::stop_token& stop_;
  WorkerPool pool_;
  std::shared_ptr<const models::WeightSource> source_;
  Json config_json_;
  models::DecoderSpec spec_;
  models::DecoderWeights weights_;
  std::vector<LayerProducts> layers_;
  Texts texts_;
  TokenSequences sensitivity_text_;
  LayerFormats plan_;
  std::map<std::string, Format> modules_;  // those that are quantized
  std::vector<std::string> as_stored_;     // those that could have been
  Json quantization_json_;
  std::optional<models::Quantization> quantization_;
  std::vector<float> states_;         // of the calibration text, before the layer at hand
  std::vector<float> source_states_;  // the same in the source model; empty where nobody asks for them
};

}  // namespace

Result<Json> quantize_folder(const Options& options, const Target& target, Method method, const Events& events,
                             const std::stop_token& stop) {
  return FolderQuantizer(options, target, method, events, stop).run();
}

}  // namespace kedge::quantize
