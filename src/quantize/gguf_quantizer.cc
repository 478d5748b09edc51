#include "quantize/gguf_quantizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/file.h"
#include "models/gguf_source.h"
#include "models/registry.h"
#include "quantize/checkpoint_folder.h"
#include "quantize/gguf_blocks.h"
#include "quantize/gguf_model.h"
#include "quantize/sequence_model.h"
#include "quantize/text_choice.h"

namespace kedge::quantize {
namespace {

namespace fs = std::filesystem;

struct FileType {
  DType dtype;
  int64_t number;  // of general.file_type
};
constexpr FileType kFileTypes[] = {{DType::q8_0, 7}, {DType::q4_0, 2}, {DType::q4_k, 14}, {DType::q6_k, 18}};

bool is_quantized(const GgufTensor& tensor) {
  return tensor.shape.size() >= 2 && tensor.name.ends_with(".weight") &&
         tensor.name.find("ffn_gate_inp.") == std::string::npos && tensor.name.find("_norm.") == std::string::npos;
}

bool is_embedding(const GgufTensor& tensor) {
  return tensor.name == "token_embd.weight" || tensor.name == "output.weight";
}

/// The type that a matrix gets.
DType matrix_type(const GgufTensor& tensor, DType wanted) {
  const auto fits = [&](DType type) { return tensor.shape.back() % info_of(type).block_elements == 0; };
  if (fits(wanted)) return wanted;
  const DType narrower = wanted == DType::q4_k ? DType::q5_0 : DType::q8_0;
  return info_of(wanted).block_elements == 256 && fits(narrower) ? narrower : DType::f16;
}

class GgufQuantizer {
 public:
  GgufQuantizer(const Options& options, const Target& target, const Events& events, const std::stop_token& stop)
      : options_(options), target_(target), events_(events), stop_(stop), pool_(options.threads) {}

  Result<Json> run() {
    KEDGE_TRY(open_source());
    const fs::path parts = options_.out.string() + ".parts";
    KEDGE_ASSIGN(const Json identity, identity_of_run());
    KEDGE_ASSIGN(CheckpointFolder folder, CheckpointFolder::open(parts, identity, 0));
    KEDGE_TRY(write_parts(parts));
    KEDGE_TRY(write_file(parts));
    KEDGE_ASSIGN(Json report, report_of());
    std::error_code error;
    fs::remove_all(parts, error);
    if (error) return Error{ErrorKind::unavailable, fmt::format("{}: {}", parts.string(), error.message())};
    return report;
  }

 private:
  void progress(std::string_view stage, size_t done, size_t total) const {
    if (events_.on_progress) events_.on_progress({stage, static_cast<int64_t>(done), static_cast<int64_t>(total)});
  }

  static Result<models::DecoderSpec> decoder_spec(const models::WeightSource& source, const fs::path& path) {
    KEDGE_ASSIGN(const models::ModelSpec model, models::build_spec(source));
    const auto* spec = std::get_if<models::DecoderSpec>(&model.network);
    if (spec != nullptr) return *spec;
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: is an encoder ({}), expected a decoder", path.string(), model.family)};
  }

  Status open_source() {
    std::error_code ignored;
    if (fs::is_directory(options_.out, ignored)) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("--out {}: is a folder, expected the .gguf file to write", options_.out.string())};
    }
    const fs::path parts = options_.out.string() + ".parts";
    if (fs::exists(options_.out, ignored) && !fs::exists(parts, ignored)) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("--out {}: is there already; give a new name", options_.out.string())};
    }
    KEDGE_ASSIGN(source_, models::WeightSource::open(options_.model));
    if (source_->quantization() != nullptr) {
      return Error{ErrorKind::unsupported,
                   fmt::format("{}: is quantized already ({}), expected weights of F32, F16 or BF16",
                               options_.model.string(), source_->quantization()->name)};
    }
    KEDGE_ASSIGN(spec_, decoder_spec(*source_, options_.model));
    if (source_->format() == "gguf") {
      KEDGE_ASSIGN(auto file, formats::GgufFile::open(options_.model));
      KEDGE_ASSIGN(model_, gguf_model_of(std::move(file)));
    } else {
      KEDGE_ASSIGN(model_, gguf_model_of(options_.model, *source_, spec_));
    }
    return Done{};
  }

  Result<Json> identity_of_run() const {
    uint64_t bytes = 0;
    for (const TensorView* tensor : source_->tensors()) bytes += tensor->data.size();
    std::error_code ignored;
    return Json{{"MODEL", fs::weakly_canonical(options_.model, ignored).string()},
                {"weights of bytes", bytes},
                {"--to", options_.target},
                {"--keep-embeddings", options_.keep_embeddings},
                {"--out", options_.out.string()}};
  }

  /// The type of a tensor in the new file.
  [[nodiscard]] DType type_of(const GgufTensor& tensor) const {
    const bool kept = !is_quantized(tensor) || (options_.keep_embeddings && is_embedding(tensor));
    return kept ? tensor.kept_as : matrix_type(tensor, target_.gguf_type);
  }

  static fs::path part_path(const fs::path& parts, size_t index) { return parts / fmt::format("{:05}.tensor", index); }

  /// Every tensor into a file of its own: what is there is done.
  Status write_parts(const fs::path& parts) {
    for (size_t i = 0; i < model_.tensors.size(); ++i) {
      progress("quantizing tensors", i, model_.tensors.size());
      if (stop_.stop_requested()) return Error{ErrorKind::cancelled, "stopped"};
      std::error_code ignored;
      if (fs::exists(part_path(parts, i), ignored)) continue;
      const GgufTensor& tensor = model_.tensors[i];
      const Matrix values = tensor.widened_rows(pool_);
      if (!std::ranges::all_of(values.values, [](float value) { return std::isfinite(value); })) {
        return Error{ErrorKind::corrupt_data, fmt::format("{}: tensor '{}' holds a value that is not finite",
                                                          options_.model.string(), tensor.name)};
      }
      KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(part_path(parts, i)));
      KEDGE_TRY(file.write(encoded(pool_, type_of(tensor), values)));
      KEDGE_TRY(file.commit());
    }
    return Done{};
  }

  [[nodiscard]] std::vector<std::pair<std::string, formats::GgufValue>> metadata() const {
    auto pairs = model_.metadata;
    std::erase_if(pairs, [](const auto& pair) {
      return pair.first == "general.file_type" || pair.first == "general.quantization_version";
    });
    const auto* type = std::ranges::find(kFileTypes, target_.gguf_type, &FileType::dtype);
    pairs.emplace_back("general.file_type", gguf_integer(type->number));
    pairs.emplace_back("general.quantization_version", gguf_integer(2));
    return pairs;
  }

  Status write_file(const fs::path& parts) const {
    std::vector<std::shared_ptr<const MappedFile>> files;
    std::vector<TensorView> views;
    for (size_t i = 0; i < model_.tensors.size(); ++i) {
      const GgufTensor& tensor = model_.tensors[i];
      KEDGE_ASSIGN(auto file, MappedFile::open(part_path(parts, i)));
      views.push_back({tensor.name, type_of(tensor), tensor.shape, file->bytes()});
      files.push_back(std::move(file));
    }
    return formats::write_gguf(options_.out, metadata(), views);
  }

  Result<Json> report_of() {
    KEDGE_ASSIGN(const auto written, models::WeightSource::open(options_.out));
    KEDGE_ASSIGN(const models::DecoderSpec spec, decoder_spec(*written, options_.out));
    double bits = 0, weights = 0, bytes = 0, parameters = 0;
    Json as_stored = Json::array();
    for (const TensorView* tensor : written->tensors()) {
      const auto count = static_cast<double>(written->describe(*tensor).parameters);
      bytes += static_cast<double>(tensor->data.size());
      parameters += count;
      if (tensor->shape.size() < 2) continue;
      if (info_of(tensor->dtype).block_elements == 1) {
        as_stored.push_back(tensor->name);
        continue;
      }
      weights += count;
      bits += 8 * static_cast<double>(tensor->data.size());
    }
    Options held_only = options_;
    held_only.sequences = 0;
    KEDGE_ASSIGN(const Texts texts, choose_texts(pool_, held_only, events_, stop_, source_, spec_));
    int64_t longest = 1;
    for (const auto& sequence : texts.held) longest = std::max(longest, static_cast<int64_t>(sequence.size()));
    KEDGE_ASSIGN(auto before, SequenceModel::open(pool_, spec_, source_, false, longest));
    KEDGE_ASSIGN(auto after, SequenceModel::open(pool_, spec, written, false, longest));
    progress("comparing with the source", 0, 1);
    KEDGE_ASSIGN(const Comparison comparison, compare(pool_, *before, *after, texts.held, stop_));
    return Json{{"model", options_.model.string()},
                {"out", options_.out.string()},
                {"to", options_.target},
                {"method", options_.method},
                {"bits_per_weight", weights > 0 ? bits / weights : 0},
                {"bits_per_parameter", 8 * bytes / parameters},
                {"bytes", static_cast<uint64_t>(bytes)},
                {"as_stored", std::move(as_stored)},
                {"held", json_of(comparison, texts.held_name)},
                {"layers", Json::array()}};
  }

  const Options& options_;
  const Target& target_;
  const Events& events_;
  const std::stop_token& stop_;
  WorkerPool pool_;
  std::shared_ptr<const models::WeightSource> source_;
  models::DecoderSpec spec_;
  GgufModel model_;
};

}  // namespace

Result<Json> quantize_gguf(const Options& options, const Target& target, const Events& events,
                           const std::stop_token& stop) {
  return GgufQuantizer(options, target, events, stop).run();
}

}  // namespace kedge::quantize
