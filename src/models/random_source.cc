#include "models/random_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <utility>

#include "core/aligned.h"
#include "core/check.h"
#include "core/half.h"
#include "cpu/packed.h"
#include "models/decoder_weights.h"
#include "models/registry.h"

namespace kedge::models {
namespace {

constexpr float kDeviation = 0.02F;     // of the values, as checkpoints are initialised: activations stay finite
constexpr int64_t kGroupColumns = 128;  // of int4-g128
constexpr size_t kPatternBytes = size_t{4} << 20;

// No checkpoint's file bounds what a config.json asks for, so these do.
constexpr size_t kTensorsMax = 1 << 16;
constexpr uint64_t kMatrixBytesMax = uint64_t{1} << 42;  // of all together
constexpr uint64_t kVectorElementsMax = uint64_t{1} << 28;

void put_f16(std::byte* at, float value) {
  const uint16_t half = f32_to_f16(value);
  std::memcpy(at, &half, sizeof(half));
}
void put_bf16(std::byte* at, float value) {
  const uint16_t narrow = f32_to_bf16(value);
  std::memcpy(at, &narrow, sizeof(narrow));
}

/// Uniform in [-1, 1) from random bytes.
float uniform_at(const std::byte* bytes) {
  int16_t code = 0;
  std::memcpy(&code, bytes, sizeof(code));
  return static_cast<float>(code) / 32768.0F;
}

/// Makes a block of random bytes one of random weights: plain numbers in range, or the scales of a block of codes.
using Tame = void (*)(std::byte* block);

struct WeightType {
  std::string_view name;
  DType dtype;
  Tame tame;
};

void tame_f32(std::byte* block) {
  const float value = 2 * kDeviation * uniform_at(block);
  std::memcpy(block, &value, sizeof(value));
}
void tame_f16(std::byte* block) {
  put_f16(block, 2 * kDeviation * uniform_at(block));
}
void tame_bf16(std::byte* block) {
  put_bf16(block, 2 * kDeviation * uniform_at(block));
}
void tame_q8_0(std::byte* block) {
  put_f16(block, kDeviation / 74);  // the deviation of all codes of 8 bits
}
void tame_q4_0(std::byte* block) {
  put_f16(block, kDeviation / 4.6F);  // of 4 bits
}
void tame_q5_0(std::byte* block) {
  put_f16(block, kDeviation / 9.2F);
}
void tame_q4_1(std::byte* block) {
  put_f16(block, kDeviation / 4.6F);
  put_f16(block + 2, -7.5F * kDeviation / 4.6F);
}
void tame_q5_1(std::byte* block) {
  put_f16(block, kDeviation / 9.2F);
  put_f16(block + 2, -15.5F * kDeviation / 9.2F);
}
void tame_iq4_nl(std::byte* block) {
  put_f16(block, kDeviation / 67);  // of the table's values
}
void tame_int4(std::byte* block) {  // one scale for all, and so for every group of columns
  const float scale = kDeviation / 4.6F;
  std::memcpy(block, &scale, sizeof(scale));
  block[4] = std::byte{8};
}
void tame_q4_k(std::byte* block) {
  constexpr float kScale = kDeviation / 255;  // times scales and minimums of 6 bits, of which those centre the codes
  put_f16(block, kScale);
  put_f16(block + 2, 7.5F * kScale);
}
void tame_q5_k(std::byte* block) {
  constexpr float kScale = kDeviation / 510;
  put_f16(block, kScale);
  put_f16(block + 2, 15.5F * kScale);
}
void tame_q2_k(std::byte* block) {
  constexpr float kScale = kDeviation / 14;  // times scales and minimums of 4 bits
  put_f16(block + 80, kScale);
  put_f16(block + 82, 1.5F * kScale);
}
void tame_q3_k(std::byte* block) {
  put_f16(block + 108, kDeviation / (18.5F * 2.35F));  // times scales of -32 to 31
}
void tame_iq4_xs(std::byte* block) {
  put_f16(block, kDeviation / (18.5F * 67));
}
void tame_q6_k(std::byte* block) {
  put_f16(block + 208, kDeviation / (18.5F * 74));
}

// A new type is a line here.
constexpr WeightType kWeightTypes[] = {
    {"f32", DType::f32, tame_f32},
    {"f16", DType::f16, tame_f16},
    {"bf16", DType::bf16, tame_bf16},
    {"int8", DType::q8_0, tame_q8_0},
    {"q8_0", DType::q8_0, tame_q8_0},
    {"int4-g32", DType::q4_0, tame_q4_0},
    {"int4-g128", DType::int4_scaled, tame_int4},
    {"q4_0", DType::q4_0, tame_q4_0},
    {"q4_1", DType::q4_1, tame_q4_1},
    {"q5_0", DType::q5_0, tame_q5_0},
    {"q5_1", DType::q5_1, tame_q5_1},
    {"iq4_nl", DType::iq4_nl, tame_iq4_nl},
    {"q2_k", DType::q2_k, tame_q2_k},
    {"q3_k", DType::q3_k, tame_q3_k},
    {"q4_k", DType::q4_k, tame_q4_k},
    {"q5_k", DType::q5_k, tame_q5_k},
    {"q6_k", DType::q6_k, tame_q6_k},
    {"iq4_xs", DType::iq4_xs, tame_iq4_xs},
};

const WeightType& type_of(DType dtype) {
  const auto* const found = std::ranges::find(kWeightTypes, dtype, &WeightType::dtype);
  KEDGE_CHECK(found != std::end(kWeightTypes));
  return *found;
}

/// Whole blocks of random weights, some megabytes of them.
std::vector<std::byte> pattern_of(DType dtype) {
  const size_t block_bytes = info_of(dtype).block_bytes;
  std::vector<std::byte> pattern(kPatternBytes / block_bytes * block_bytes);
  std::mt19937_64 random(1);
  for (size_t i = 0; i < pattern.size(); i += sizeof(uint64_t)) {
    const uint64_t word = random();
    std::memcpy(pattern.data() + i, &word, std::min(sizeof(word), pattern.size() - i));
  }
  for (size_t i = 0; i < pattern.size(); i += block_bytes) type_of(dtype).tame(pattern.data() + i);
  return pattern;
}

/// Tensors come into being when they are asked for by name and shape while the source is opened; then they are sealed.
class RandomSource final : public WeightSource {
 public:
  RandomSource(std::string config_name, Json config, DType dtype)
      : config_(std::move(config)), config_name_(std::move(config_name)), dtype_(dtype) {}

  [[nodiscard]] const Json& config() const override { return config_; }
  [[nodiscard]] const std::string& config_name() const override { return config_name_; }
  [[nodiscard]] std::string_view format() const override { return "random"; }
  [[nodiscard]] std::string file_of(std::string_view) const override { return config_name_; }

  [[nodiscard]] const TensorView* find(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second.view;
  }
  [[nodiscard]] std::vector<const TensorView*> tensors() const override {
    std::vector<const TensorView*> views;
    for (const auto& [name, tensor] : tensors_) views.push_back(&tensor.view);
    return views;
  }

  /// Asks for every tensor of the decoder once. Fails as build_spec does, or with unsupported for an encoder.
  Status make_tensors() {
    KEDGE_ASSIGN(const ModelSpec spec, build_spec(*this));
    const auto* decoder = std::get_if<DecoderSpec>(&spec.network);
    if (decoder == nullptr) {
      return Error{ErrorKind::unsupported, fmt::format("{}: {} is an encoder, and random weights are made for decoders",
                                                       config_name_, spec.architecture)};
    }
    if (!decoder->tied_embeddings) make("lm_head.weight", {decoder->vocabulary_size, decoder->hidden_size});
    const Result<DecoderWeights> asked = load_decoder_weights(*decoder, *this);
    sealed_ = true;
    if (asked.ok()) return Done{};
    if (too_large_.empty()) return asked.error();
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: tensor '{}' goes beyond the limits of {} tensors, {} bytes and "
                             "rows and columns of {}",
                             config_name_, too_large_, kTensorsMax, kMatrixBytesMax, kDimensionMax)};
  }

  /// Matrices that are packed may share their bytes by shape: what is read in every pass lies apart all the same.
  Status materialize(WorkerPool& pool, bool packed) const override {
    std::map<DType, std::vector<std::byte>> patterns;
    std::map<std::pair<DType, size_t>, const std::byte*> shared;
    for (auto& [name, tensor] : tensors_) {
      TensorView& view = tensor.view;
      if (view.shape.size() == 1) continue;
      if (tensor.bytes.data() == nullptr) {
        return Error{ErrorKind::out_of_memory, fmt::format("{}: tensor '{}' needs {} bytes and the system refused them",
                                                           config_name_, name, view.data.size())};
      }
      const std::byte*& first = shared[{view.dtype, view.data.size()}];
      if (first != nullptr && packed && cpu::has_packed_form(view.dtype)) {
        view.data = {first, view.data.size()};
        continue;
      }
      first = view.data.data();
      std::vector<std::byte>& pattern = patterns[view.dtype];
      if (pattern.empty()) pattern = pattern_of(view.dtype);
      fill(pool, pattern, tensor.bytes);
    }
    return Done{};
  }

 protected:
  [[nodiscard]] int64_t scale_columns() const override { return dtype_ == DType::int4_scaled ? kGroupColumns : 0; }
  [[nodiscard]] const TensorView* find_shaped(std::string_view name, const std::vector<int64_t>& shape) const override {
    const TensorView* found = find(name);
    if (found == nullptr && !sealed_) return make(std::string(name), shape);
    return found;
  }

 private:
  struct Tensor {
    TensorView view;
    PageBuffer bytes;  // of a matrix: addresses only, before `materialize`
    std::vector<float> values;
  };

  /// REQUIRES: a matrix with rows of whole blocks and dimensions in range.
  static uint64_t bytes_of(const std::vector<int64_t>& shape, DType dtype) {
    const auto rows = static_cast<uint64_t>(shape[0]), columns = static_cast<uint64_t>(shape[1]);
    return rows * row_bytes(dtype, columns).value_or(kMatrixBytesMax);
  }

  /// Whether a further tensor keeps within the limits, whose sums it adds to.
  bool fits(const std::vector<int64_t>& shape, DType dtype) const {
    const bool in_range = std::ranges::all_of(shape, [](int64_t size) { return size <= kDimensionMax; });
    if (!in_range || tensors_.size() >= kTensorsMax) return false;
    if (shape.size() == 1) {
      vector_elements_ += static_cast<uint64_t>(shape[0]);
    } else {
      matrix_bytes_ += bytes_of(shape, dtype);
    }
    return vector_elements_ <= kVectorElementsMax && matrix_bytes_ <= kMatrixBytesMax;
  }

  /// Norms are ones, biases small.
  static const TensorView* make_vector(Tensor& tensor) {
    const float value = tensor.view.name.find("norm") != std::string::npos ? 1.0F : kDeviation;
    tensor.values.assign(static_cast<size_t>(tensor.view.shape[0]), value);
    tensor.view.data = std::as_bytes(std::span(tensor.values));
    return &tensor.view;
  }

  /// Null where that goes beyond the limits.
  const TensorView* make(const std::string& name, const std::vector<int64_t>& shape) const {
    const auto columns = static_cast<uint64_t>(shape.back());
    const bool whole = columns % info_of(dtype_).block_elements == 0;
    const DType dtype = shape.size() == 1 ? DType::f32 : whole ? dtype_ : DType::bf16;
    if (!too_large_.empty() || !fits(shape, dtype)) {
      if (too_large_.empty()) too_large_ = name;
      return nullptr;
    }
    Tensor& tensor = tensors_[name];
    tensor.view = {.name = name, .dtype = dtype, .shape = shape, .data = {}};
    if (shape.size() == 1) return make_vector(tensor);
    const uint64_t bytes = bytes_of(shape, dtype);
    tensor.bytes = PageBuffer(bytes);
    tensor.view.data = {tensor.bytes.data(), bytes};
    return &tensor.view;
  }

  static void fill(WorkerPool& pool, const std::vector<std::byte>& pattern, const PageBuffer& bytes) {
    const auto copies = static_cast<int64_t>((bytes.size() + pattern.size() - 1) / pattern.size());
    pool.parallel_for(copies, 1, [&](int64_t begin, int64_t end, unsigned) {
      for (int64_t copy = begin; copy < end; ++copy) {
        const size_t at = static_cast<size_t>(copy) * pattern.size();
        std::memcpy(bytes.data() + at, pattern.data(), std::min(pattern.size(), bytes.size() - at));
      }
    });
  }

  Json config_;
  std::string config_name_;
  DType dtype_;
  bool sealed_ = false;
  mutable std::string too_large_;  // the first tensor that is
  mutable uint64_t matrix_bytes_ = 0, vector_elements_ = 0;
  mutable std::map<std::string, Tensor, std::less<>> tensors_;  // grows until sealed_
};

Result<DType> dtype_of(std::string_view weights) {
  const auto* const found = std::ranges::find(kWeightTypes, weights, &WeightType::name);
  if (found == std::end(kWeightTypes)) {
    return Error{ErrorKind::invalid_input, fmt::format("random weights of type '{}', expected one of {}", weights,
                                                       fmt::join(random_weight_names(), ", "))};
  }
  return found->dtype;
}

}  // namespace

std::vector<std::string_view> random_weight_names() {
  std::vector<std::string_view> names;
  for (const WeightType& type : kWeightTypes) names.push_back(type.name);
  return names;
}

Result<std::shared_ptr<const WeightSource>> open_random_source(const std::filesystem::path& config,
                                                               std::string_view weights) {
  KEDGE_ASSIGN(const DType dtype, dtype_of(weights));
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(config, ignored);
  const std::filesystem::path path = folder ? config / "config.json" : config;
  KEDGE_ASSIGN(Json settings, read_config_file(path));
  auto source = std::make_shared<RandomSource>(path.string(), std::move(settings), dtype);
  KEDGE_TRY(source->make_tensors());
  return std::shared_ptr<const WeightSource>(std::move(source));
}

}  // namespace kedge::models
