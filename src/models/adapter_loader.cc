#include "models/adapter_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "core/half.h"

namespace kedge::models {
namespace {

constexpr int64_t kNormRows = 64;  // rows of a base matrix that are looked at together

/// A base matrix, as `first` and `count` rows of a stored one.
struct BaseRows {
  const Linear* linear = nullptr;
  int64_t first = 0;
};

BaseRows base_of(const DecoderLayerWeights& layer, const AdapterModule& module, const DecoderSpec& spec) {
  switch (module.site) {
    case AdapterSite::qkv:
      if (spec.fused_qkv) return {&layer.qkv, module.first_output};
      return {module.name == "q_proj" ? &layer.query : module.name == "k_proj" ? &layer.key : &layer.value, 0};
    case AdapterSite::output:
      return {&layer.output, 0};
    case AdapterSite::gate_up:
      return {module.name == "up_proj" ? &layer.mlp.up : &layer.mlp.gate, 0};
    case AdapterSite::down:
      break;
  }
  return {&layer.mlp.down, 0};
}

cpu::WeightView view_of(const TensorView& tensor) {
  const int64_t columns = tensor.shape.back();
  const int64_t rows = tensor.shape.size() > 1 ? tensor.shape.front() : 1;
  return {tensor.dtype, tensor.data.data(), rows, columns, *row_bytes(tensor.dtype, static_cast<uint64_t>(columns))};
}

/// GGUF's `llama` architecture stores the rows of queries and keys as interleaved rope wants them: row 2j + p of a head
/// is row p * head_size / 2 + j of Hugging Face's order, which adapters are in.
std::vector<float> interleaved(const std::vector<float>& rows, int64_t head_size, int64_t columns) {
  std::vector<float> result(rows.size());
  const auto count = static_cast<int64_t>(rows.size()) / columns;
  for (int64_t row = 0; row < count; ++row) {
    const int64_t head = row / head_size * head_size, within = row % head_size;
    const int64_t from = head + within % 2 * (head_size / 2) + within / 2;
    std::copy_n(rows.begin() + from * columns, columns, result.begin() + row * columns);
  }
  return result;
}

/// Blocks of 32 codes and the f16 that they are multiplied by.
void store_blocks(const std::vector<float>& values, std::byte* out) {
  for (size_t first = 0; first < values.size(); first += 32) {
    float largest = 0;
    for (size_t i = first; i < first + 32; ++i) largest = std::max(largest, std::abs(values[i]));
    const uint16_t stored = f32_to_f16(largest / 127.0F);
    const float scale = f16_to_f32(stored);
    std::memcpy(out, &stored, sizeof(stored));
    out += sizeof(stored);
    for (size_t i = first; i < first + 32; ++i) {
      const float code = scale > 0 ? std::clamp(std::nearbyint(values[i] / scale), -127.0F, 127.0F) : 0.0F;
      *out++ = static_cast<std::byte>(static_cast<int8_t>(code));
    }
  }
}

void store(DType dtype, const std::vector<float>& values, std::byte* out) {
  if (dtype == DType::q8_0) return store_blocks(values, out);
  for (const float value : values) {
    const uint16_t narrow = f32_to_bf16(value);
    const size_t size = info_of(dtype).block_bytes;
    std::memcpy(out, dtype == DType::bf16 ? static_cast<const void*>(&narrow) : &value, size);
    out += size;
  }
}

/// Moves a power of two from A to B, so that A's largest number is near 1: the scales of its blocks have 16 bits.
void balance(std::vector<float>& a, std::vector<float>& b) {
  float largest = 0;
  for (const float value : a) largest = std::max(largest, std::abs(value));
  if (largest == 0) return;
  const int exponent = std::ilogb(largest);
  for (float& value : a) value = std::ldexp(value, -exponent);
  for (float& value : b) value = std::ldexp(value, exponent);
}

const float* copied(Arena& arena, const std::vector<float>& values) {
  if (values.empty()) return nullptr;
  const std::span<float> copy = arena.take<float>(values.size());
  std::ranges::copy(values, copy.begin());
  return copy.data();
}

}  // namespace

DType AdapterLoader::dtype_of(const AdapterModule& module) const {
  return dtype_ == DType::q8_0 && module.columns % 32 != 0 ? DType::bf16 : dtype_;
}

size_t AdapterLoader::bytes_of(const ModuleUpdate& update) const {
  const AdapterModule& module = *update.module;
  const auto outputs = static_cast<size_t>(module.outputs);
  const DType dtype = dtype_of(module);
  size_t bytes = Arena::padded(cpu::low_rank_bytes(dtype, module.outputs, update.rank()));
  if (update.magnitude != nullptr) bytes += 2 * Arena::padded(outputs * sizeof(float));
  // A's of one product lie one behind the other; each counts its own border.
  const auto columns = static_cast<uint64_t>(module.columns);
  return bytes + Arena::padded(static_cast<size_t>(update.rank()) * *row_bytes(dtype, columns));
}

Result<std::vector<float>> AdapterLoader::read(const TensorView& tensor) const {
  const cpu::WeightView view = view_of(tensor);
  std::vector<float> values(static_cast<size_t>(view.rows * view.columns));
  for (int64_t row = 0; row < view.rows; ++row) cpu::dequantize_row(view, row, values.data() + row * view.columns);
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) {
    return Error{ErrorKind::corrupt_data,
                 fmt::format("{}: tensor '{}' holds numbers that are not finite", name_, tensor.name)};
  }
  return values;
}

Result<AdapterLoader::Matrices> AdapterLoader::read(const ModuleUpdate& update) const {
  Matrices matrices;
  KEDGE_ASSIGN(matrices.a, read(*update.a));
  KEDGE_ASSIGN(matrices.b, read(*update.b));
  for (float& value : matrices.b) {
    value = static_cast<float>(static_cast<double>(value) * update.scale);
    if (std::isfinite(value)) continue;
    return Error{ErrorKind::corrupt_data,
                 fmt::format("{}: '{}': lora_B times the scale {} is not finite", name_, update.path, update.scale)};
  }
  if (update.magnitude != nullptr) {
    KEDGE_ASSIGN(matrices.gain, read(*update.magnitude));
  }
  if (spec_.interleaved_rope && update.module->rotated) {
    matrices.b = interleaved(matrices.b, spec_.head_size, update.rank());
    if (!matrices.gain.empty()) matrices.gain = interleaved(matrices.gain, spec_.head_size, 1);
  }
  if (update.magnitude != nullptr) KEDGE_TRY(decompose(update, matrices));
  return matrices;
}

/// Turns magnitudes into gains and scales B with them: W' = m / |W + sBA| * (W + sBA), row by row.
Status AdapterLoader::decompose(const ModuleUpdate& update, Matrices& matrices) const {
  const int64_t columns = update.module->columns, rank = update.rank(), outputs = update.module->outputs;
  const BaseRows base = base_of(weights_.layers[static_cast<size_t>(update.layer)], *update.module, spec_);
  cpu::WeightView view = base.linear->weight;
  PageBuffer rows;
  if (base.linear->quantized != nullptr && view.data == nullptr) {
    rows = PageBuffer(base.linear->quantized->laid_out_bytes());
    if (rows.data() == nullptr)
      return Error{ErrorKind::out_of_memory, fmt::format("{}: no memory for {}", name_, update.path)};
    WorkerPool alone(1);
    base.linear->quantized->lay_out(alone, rows.data());
    view = base.linear->quantized->view(rows.data());
  }
  // sBA is B's rows times A, whose columns are the outputs of this update.
  std::vector<float> transposed(matrices.a.size());
  for (int64_t r = 0; r < rank; ++r) {
    for (int64_t k = 0; k < columns; ++k) {
      transposed[static_cast<size_t>(k * rank + r)] = matrices.a[static_cast<size_t>(r * columns + k)];
    }
  }
  std::vector<std::byte> panels(cpu::low_rank_bytes(DType::f32, columns, rank));
  cpu::pack_low_rank(transposed, rank, DType::f32, panels.data());
  const cpu::LowRankOutputs all{.count = columns, .rank = rank, .panels = panels.data()};
  std::vector<float> merged(static_cast<size_t>(kNormRows * columns));
  for (int64_t first = 0; first < outputs; first += kNormRows) {
    const int64_t count = std::min(kNormRows, outputs - first);
    for (int64_t n = 0; n < count; ++n) cpu::dequantize_row(view, base.first + first + n, merged.data() + n * columns);
    cpu::low_rank_rows(all, DType::f32, {matrices.b.data() + first * rank, rank, count}, {merged.data(), columns});
    for (int64_t n = 0; n < count; ++n) {
      double squares = 0;
      for (int64_t k = 0; k < columns; ++k) {
        const auto value = static_cast<double>(merged[static_cast<size_t>(n * columns + k)]);
        squares += value * value;
      }
      float& gain = matrices.gain[static_cast<size_t>(first + n)];
      gain = static_cast<float>(static_cast<double>(gain) / std::sqrt(squares));
      if (!std::isfinite(gain)) {
        return Error{ErrorKind::corrupt_data,
                     fmt::format("{}: '{}': row {} of the updated weights is all zeros, which has "
                                 "no direction",
                                 name_, update.path, first + n)};
      }
      for (int64_t r = 0; r < rank; ++r) matrices.b[static_cast<size_t>((first + n) * rank + r)] *= gain;
    }
  }
  if (base.linear->bias.empty()) return Done{};
  matrices.offset.resize(matrices.gain.size());  // the gain is the weights', not the bias's
  for (size_t n = 0; n < matrices.offset.size(); ++n) {
    matrices.offset[n] = base.linear->bias[static_cast<size_t>(base.first) + n] * (1.0F - matrices.gain[n]);
  }
  return Done{};
}

Status AdapterLoader::place(const ModuleUpdate& update, Arena& arena, std::byte* a, cpu::LowRankOutputs& outputs) {
  KEDGE_ASSIGN(Matrices matrices, read(update));
  const DType dtype = dtype_of(*update.module);
  if (dtype == DType::q8_0) balance(matrices.a, matrices.b);
  store(dtype, matrices.a, a);
  const std::span<std::byte> panels =
      arena.take<std::byte>(cpu::low_rank_bytes(dtype, update.module->outputs, update.rank()));
  cpu::pack_low_rank(matrices.b, update.rank(), dtype, panels.data());
  outputs = {.first = update.module->first_output,
             .count = update.module->outputs,
             .first_rank = outputs.first_rank,
             .rank = update.rank(),
             .panels = panels.data(),
             .gain = copied(arena, matrices.gain),
             .offset = copied(arena, matrices.offset)};
  return Done{};
}

/// The updates of one product: their A's one behind the other.
Status AdapterLoader::fill(std::span<const ModuleUpdate> updates, Arena& arena, Adapter& adapter) {
  const ModuleUpdate& front = updates.front();
  const int64_t columns = front.module->columns;
  const DType dtype = dtype_of(*front.module);
  const size_t bytes_of_row = *row_bytes(dtype, static_cast<uint64_t>(columns));
  int64_t ranks = 0;
  for (const ModuleUpdate& update : updates) ranks += update.rank();
  const std::span<std::byte> a = arena.take<std::byte>(static_cast<size_t>(ranks) * bytes_of_row);
  Adapter::Update& target =
      adapter.updates_[static_cast<size_t>(front.layer) * kAdapterSites + static_cast<size_t>(front.module->site)];
  int64_t first_rank = 0;
  for (const ModuleUpdate& update : updates) {
    cpu::LowRankOutputs& outputs = target.outputs.emplace_back();
    outputs.first_rank = first_rank;
    KEDGE_TRY(place(update, arena, a.data() + static_cast<size_t>(first_rank) * bytes_of_row, outputs));
    first_rank += update.rank();
  }
  target.low_rank = {{dtype, a.data(), ranks, columns, bytes_of_row}, target.outputs};
  return Done{};
}

Result<std::shared_ptr<const Adapter>> AdapterLoader::load(AdapterModules modules) {
  name_ = modules.file_name();
  std::shared_ptr<Adapter> adapter(new Adapter);
  adapter->updates_.resize(static_cast<size_t>(spec_.layer_count) * kAdapterSites);
  size_t bytes = 0;
  std::set<std::string_view> names;
  for (const ModuleUpdate& update : modules.updates()) {
    bytes += bytes_of(update);
    adapter->rank_ = std::max(adapter->rank_, update.rank());
    names.insert(update.module->name);
  }
  adapter->modules_.assign(names.begin(), names.end());
  adapter->arena_ = Arena(bytes);
  if (!adapter->arena_.ok()) {
    return Error{ErrorKind::out_of_memory, fmt::format("{}: the adapter needs {} bytes", name_, bytes)};
  }
  const std::span<const ModuleUpdate> all = modules.updates();
  for (size_t first = 0; first < all.size();) {
    size_t end = first;
    while (end < all.size() && all[end].layer == all[first].layer && all[end].module->site == all[first].module->site)
      ++end;
    KEDGE_TRY(fill(all.subspan(first, end - first), adapter->arena_, *adapter));
    first = end;
  }
  return std::shared_ptr<const Adapter>(std::move(adapter));
}

}  // namespace kedge::models
