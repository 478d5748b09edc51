#include "engine/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <system_error>
#include <vector>

#include "core/memory_info.h"
#include "cpu/isa.h"
#include "cpu/onednn.h"
#include "cpu/packed.h"
#include "models/random_source.h"
#include "models/registry.h"
#include "text/template_source.h"

namespace kedge::engine {
namespace {

std::string model_name(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::path whole = std::filesystem::weakly_canonical(path, ignored);
  const std::filesystem::path name = whole.has_filename() ? whole.filename() : whole.parent_path().filename();
  return name.empty() ? path.string() : name.string();
}

/// The weights are made up: the folder's name, or the file's where it is not called config.json.
std::string random_name(const std::filesystem::path& path, std::string_view weights) {
  const bool generic = path.filename() == "config.json";
  const std::string name = model_name(generic ? path.parent_path() / "." : path);
  return fmt::format("{} (random {})", name.ends_with(".json") ? name.substr(0, name.size() - 5) : name, weights);
}

bool is_packable(std::string_view dtype) {
  return std::ranges::any_of(cpu::packable_types(), [&](DType type) { return kedge::name_of(type) == dtype; });
}

/// The narrowest that the CPU multiplies and that costs the weights nothing (or little beside what they lost already).
cpu::MatmulCompute choose_compute(Compute wanted, const ModelInfo& info) {
  if (wanted == Compute::f32) return cpu::MatmulCompute::f32;
  if (wanted == Compute::bf16) return cpu::MatmulCompute::bf16;
  if (wanted == Compute::int8) return cpu::MatmulCompute::int8;
  const auto largest = std::ranges::max_element(info.dtype_bytes, {}, &std::pair<std::string, uint64_t>::second);
  const bool wide = largest == info.dtype_bytes.end() || largest->first == "F32" || largest->first == "F16";
  const bool packed = info.kind == ModelKind::decoder && !wide && is_packable(largest->first);
  if (packed && cpu::active_isa() >= cpu::Isa::avx2) return cpu::MatmulCompute::int8;
  return cpu::active_isa() >= cpu::Isa::avx512_bf16 && !wide ? cpu::MatmulCompute::bf16 : cpu::MatmulCompute::f32;
}

std::string_view name_of(cpu::MatmulCompute compute) {
  if (compute == cpu::MatmulCompute::int8) return "int8";
  return compute == cpu::MatmulCompute::bf16 ? "bf16" : "f32";
}

Status choose_gemm(Gemm wanted, LoadedModel& model) {
  model.onednn = wanted == Gemm::onednn;  // why `auto` is not: docs/decisions/0013-onednn.md
  model.info.gemm = "kedge";
  if (!model.onednn) return Done{};
  const Status loaded = cpu::load_onednn();
  if (!loaded.ok()) return Error{loaded.error().kind, fmt::format("--gemm onednn: {}", loaded.error().message)};
  model.info.gemm = cpu::onednn_version();
  return Done{};
}

void describe_weights(const models::WeightSource& source, ModelInfo& info) {
  std::map<std::string, uint64_t> bytes;
  for (const TensorView* tensor : source.tensors()) {
    const models::WeightSource::Description description = source.describe(*tensor);
    info.parameter_count += description.parameters;
    bytes[std::string(description.type)] += tensor->data.size();
  }
  info.dtype_bytes.assign(bytes.begin(), bytes.end());
}

void describe_network(const models::ModelSpec& spec, ModelInfo& info) {
  if (const auto* decoder = std::get_if<models::DecoderSpec>(&spec.network)) {
    info.kind = ModelKind::decoder;
    info.context_tokens = decoder->context_tokens;
    info.vocabulary_size = decoder->vocabulary_size;
    info.hidden_size = decoder->hidden_size;
    info.layer_count = decoder->layer_count;
    info.head_count = decoder->heads;
    info.kv_head_count = decoder->kv_heads;
    info.head_size = decoder->head_size;
    return;
  }
  const auto& encoder = std::get<models::EncoderSpec>(spec.network);
  info.kind = encoder.head == models::EncoderHead::rerank ? ModelKind::reranker : ModelKind::embedder;
  info.labels = encoder.labels;
  info.multi_label = encoder.multi_label;
  info.context_tokens = encoder.context_tokens();
  info.vocabulary_size = encoder.vocabulary_size;
  info.hidden_size = encoder.hidden_size;
  info.layer_count = encoder.layer_count;
  info.head_count = info.kv_head_count = encoder.heads;
  info.head_size = encoder.hidden_size / encoder.heads;
}

Status load_text(const std::filesystem::path& path, const EngineOptions& options, LoadedModel& model) {
  if (options.without_tokenizer || !options.random_weights.empty()) return Done{};
  Result<std::shared_ptr<const Tokenizer>> tokenizer = Tokenizer::open(path);
  if (tokenizer.ok()) {
    model.tokenizer = std::move(tokenizer).value();
  } else if (tokenizer.error().kind != ErrorKind::not_found) {
    return std::move(tokenizer).error();  // a broken tokenizer is no missing one
  }
  KEDGE_ASSIGN(auto source, text::load_chat_template(path, options.chat_template_file));
  if (source) {
    KEDGE_ASSIGN(model.chat_template, text::ChatTemplate::parse(source->source));
  }
  return Done{};
}

/// Weights that were laid out from files of another key are not believed.
std::string source_key(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::vector<std::string> lines;
  std::error_code ignored;
  const auto add = [&](const fs::path& file) {
    lines.push_back(fmt::format("{} {} {}", file.filename().string(), fs::file_size(file, ignored),
                                fs::last_write_time(file, ignored).time_since_epoch().count()));
  };
  if (!fs::is_directory(path, ignored)) {
    add(path);
  } else {
    for (const auto& entry : fs::directory_iterator(path, ignored)) {
      const fs::path extension = entry.path().extension();
      if (extension == ".safetensors" || extension == ".json") add(entry.path());
    }
  }
  std::ranges::sort(lines);
  return fmt::format("{}", fmt::join(lines, "\n"));
}

double gib(uint64_t bytes) {
  return static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30);
}

}  // namespace

Result<LoadedModel> load_model(const std::filesystem::path& path, const EngineOptions& options) {
  LoadedModel model;
  const bool is_random = !options.random_weights.empty();
  KEDGE_ASSIGN(model.source,
               is_random ? models::open_random_source(path, options.random_weights) : models::WeightSource::open(path));
  KEDGE_ASSIGN(model.spec, models::build_spec(*model.source));
  KEDGE_ASSIGN(model.settings, models::read_model_settings(path, *model.source));
  KEDGE_TRY(load_text(path, options, model));
  ModelInfo& info = model.info;
  info.name = is_random ? random_name(path, options.random_weights) : model_name(path);
  info.architecture = model.spec.architecture;
  info.family = model.spec.family;
  info.format = model.source->format();
  describe_weights(*model.source, info);
  describe_network(model.spec, info);
  model.compute = choose_compute(options.compute, info);
  info.compute = name_of(model.compute);
  info.isa = cpu::name_of(cpu::active_isa());
  KEDGE_TRY(choose_gemm(options.gemm, model));
  model.source_key = source_key(path);
  return model;
}

Status check_plan(const ModelInfo& info, const MemoryPlan& plan) {
  if (plan.total_bytes() <= plan.available_bytes) return Done{};
  return Error{
      ErrorKind::out_of_memory,
      fmt::format("{}: needs {:.2f} GiB (weights {:.2f}, packed {:.2f}, KV cache {:.2f} for {} tokens, activations "
                  "{:.2f}, scratch "
                  "{:.2f}, draft model {:.2f}) and {:.2f} GiB are available; use a smaller --context or "
                  "--kv-cache-bytes, or weights of "
                  "fewer bits",
                  info.name, gib(plan.total_bytes()), gib(plan.weights_bytes), gib(plan.packed_bytes),
                  gib(plan.kv_cache_bytes), plan.kv_tokens, gib(plan.activation_bytes), gib(plan.scratch_bytes),
                  gib(plan.draft_bytes), gib(plan.available_bytes))};
}

}  // namespace kedge::engine
