#include "models/packed_weights.h"

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "core/topology.h"
#include "models/packed_cache.h"

namespace kedge::models {
namespace {

/// Calls function(Linear&) for every matrix product of the decoder, routers excepted: they choose in f32.
template <typename Weights, typename Function>
void for_each_product(Weights& weights, Function function) {
  const auto mlp = [&](auto& part) {
    function(part.gate);
    function(part.up);
    function(part.down);
  };
  for (auto& layer : weights.layers) {
    for (auto* linear : {&layer.qkv, &layer.query, &layer.key, &layer.value, &layer.output}) function(*linear);
    mlp(layer.mlp);
    for (auto& expert : layer.experts) mlp(expert);
  }
  function(weights.head);
}

// Of laid out bytes; a change of cpu/packed_layout.h, of a block in core/dtype.h or of the order here needs another
// one.
constexpr int kLayoutVersion = 2;

enum class FormKind : uint8_t { as_stored, packed, rows, blocked };

struct Form {
  FormKind kind = FormKind::as_stored;
  cpu::MatmulCompute compute = cpu::MatmulCompute::f32;  // of blocked ones
};

Form form_of(const Linear& linear, const LayoutChoice& choice) {
  const cpu::WeightView& w = linear.weight;
  if (w.rows == 0) return {};
  const bool pack = choice.compute == cpu::MatmulCompute::int8 && cpu::has_packed_form(w.dtype);
  const cpu::MatmulCompute compute = pack ? choice.compute : cpu::for_stored_weights(choice.compute);
  if (choice.onednn && cpu::has_blocked_form(w, compute)) return {FormKind::blocked, compute};
  if (pack) return {FormKind::packed};
  return {linear.quantized != nullptr ? FormKind::rows : FormKind::as_stored};
}

size_t bytes_of(const Linear& linear, const Form& form) {
  switch (form.kind) {
    case FormKind::as_stored:
      break;
    case FormKind::packed:
      return Arena::padded(cpu::packed_bytes(linear.weight));
    case FormKind::rows:
      return Arena::padded(linear.quantized->laid_out_bytes());
    case FormKind::blocked:
      return Arena::padded(cpu::blocked_bytes(linear.weight, form.compute));
  }
  return 0;
}

/// Everything that the laid out bytes depend on.
std::string key_of(const DecoderWeights& weights, const LayoutOptions& options) {
  std::string key = fmt::format("layout {}\n{}\n", kLayoutVersion, options.source_key);
  if (options.choice.onednn) key += cpu::onednn_version() + "\n";
  for_each_product(weights, [&](const Linear& linear) {
    const cpu::WeightView& w = linear.weight;
    const Form form = form_of(linear, options.choice);
    key += fmt::format("{} {} {} {} {} {}\n", static_cast<int>(form.kind), static_cast<int>(form.compute),
                       name_of(w.dtype), w.rows, w.columns, w.scale_columns);
  });
  return key;
}

/// Stored bytes that nothing reads any more once a matrix is laid out; token rows are still read.
std::span<const std::byte> replaced(const DecoderWeights& weights, const Linear& linear) {
  if (linear.quantized != nullptr) return linear.quantized->stored_codes();
  if (linear.weight.data == weights.embedding.data) return {};
  return {linear.weight.data, static_cast<size_t>(linear.weight.rows) * linear.weight.row_stride};
}

/// Fills `out` with the laid out bytes of one matrix. False when there is no memory for it.
bool fill(WorkerPool& pool, const Linear& linear, const Form& form, std::byte* out) {
  const auto rearrange = [&](const cpu::WeightView& w) {
    if (form.kind == FormKind::blocked) cpu::lay_out_blocked(pool, w, form.compute, out);
    if (form.kind == FormKind::packed) cpu::pack(pool, w, out);
  };
  if (form.kind == FormKind::rows) {
    linear.quantized->lay_out(pool, out);
  } else if (linear.quantized != nullptr) {
    const PageBuffer rows(linear.quantized->laid_out_bytes());  // of this matrix alone
    if (rows.data() == nullptr) return false;
    linear.quantized->lay_out(pool, rows.data());
    rearrange(linear.quantized->view(rows.data()));
  } else {
    rearrange(linear.weight);
  }
  return true;
}

bool fill_all(WorkerPool& pool, const DecoderWeights& weights, const LayoutOptions& options, const PageBuffer& buffer) {
  uint64_t done = 0;
  bool enough = true;
  for_each_product(weights, [&](const Linear& linear) {
    const Form form = form_of(linear, options.choice);
    if (!enough || form.kind == FormKind::as_stored) return;
    place_by_worker({buffer.data() + done, bytes_of(linear, form)}, pool.size());
    enough = fill(pool, linear, form, buffer.data() + done);
    done += bytes_of(linear, form);
    if (options.source != nullptr) options.source->forget(replaced(weights, linear));
    if (options.on_progress) options.on_progress(done, buffer.size());
  });
  return enough;
}

/// Packed matrices of the same input as one product, where they lie side by side; else an empty Linear. One product
/// rounds its input once and wakes the workers once.
Linear joined(std::initializer_list<const Linear*> parts) {
  Linear whole = **parts.begin();
  if (whole.packed.data == nullptr || whole.packed.column_order != nullptr) return {};
  const std::byte* end = whole.packed.data;
  int64_t rows = 0;
  std::vector<float> bias;
  for (const Linear* part : parts) {
    const cpu::PackedView& packed = part->packed;
    const bool alike = packed.data == end && packed.dtype == whole.packed.dtype &&
                       packed.block_columns == whole.packed.block_columns && packed.column_order == nullptr &&
                       rows % cpu::kPackedRows == 0 && part->bias.empty() == whole.bias.empty();
    if (!alike) return {};
    end = packed.data + cpu::packed_bytes(part->weight);
    rows += packed.rows;
    bias.insert(bias.end(), part->bias.begin(), part->bias.end());
  }
  whole.weight.rows = whole.packed.rows = rows;
  whole.bias = std::move(bias);
  return whole;
}

void join_products(DecoderWeights& weights) {
  const auto join_mlp = [](MlpWeights& mlp) {
    if (mlp.up.weight.rows > 0) mlp.gate_up = joined({&mlp.gate, &mlp.up});
  };
  for (DecoderLayerWeights& layer : weights.layers) {
    if (layer.query.weight.rows > 0) layer.qkv = joined({&layer.query, &layer.key, &layer.value});
    join_mlp(layer.mlp);
    for (MlpWeights& expert : layer.experts) join_mlp(expert);
  }
}

void point_at(DecoderWeights& weights, const LayoutChoice& choice, const std::byte* bytes) {
  for_each_product(weights, [&](Linear& linear) {
    const Form form = form_of(linear, choice);
    if (form.kind == FormKind::packed) linear.packed = cpu::packed_view(linear.weight, bytes);
    if (form.kind == FormKind::blocked) linear.blocked = cpu::blocked_view(linear.weight, form.compute, bytes);
    if (form.kind == FormKind::rows) linear.weight = linear.quantized->view(bytes);
    bytes += bytes_of(linear, form);
  });
  join_products(weights);
}

}  // namespace

LayoutPlan plan_layout(const DecoderWeights& weights, const LayoutChoice& choice) {
  LayoutPlan plan;
  for_each_product(weights, [&](const Linear& linear) {
    const Form form = form_of(linear, choice);
    (form.kind == FormKind::packed    ? plan.packed_bytes
     : form.kind == FormKind::blocked ? plan.blocked_bytes
                                      : plan.rows_bytes) += bytes_of(linear, form);
    if (linear.quantized != nullptr) {
      plan.replaced_bytes += linear.quantized->stored_bytes();
    } else if (form.kind == FormKind::packed || form.kind == FormKind::blocked) {
      plan.replaced_bytes += replaced(weights, linear).size();
    }
  });
  return plan;
}

Result<LaidOutWeights> lay_out_weights(WorkerPool& pool, DecoderWeights& weights, const LayoutOptions& options) {
  LaidOutWeights laid_out;
  const uint64_t bytes = plan_layout(weights, options.choice).bytes();
  if (bytes == 0) return laid_out;
  std::optional<PackedCache> cache;
  if (!options.cache_folder.empty() && bytes >= kCachedBytesMin) {
    cache.emplace(options.cache_folder, options.cache_name, key_of(weights, options));
    PackedCache::Stored stored = cache->find(pool, bytes);
    if (stored.file != nullptr) {
      laid_out.file = std::move(stored.file);
      if (options.cache_bytes_max > 0) cache->prune(options.cache_bytes_max);
      point_at(weights, options.choice, stored.bytes.data());
      return laid_out;
    }
  }
  laid_out.buffer = PageBuffer(bytes);
  if (laid_out.buffer.data() == nullptr || !fill_all(pool, weights, options, laid_out.buffer)) {
    return Error{ErrorKind::out_of_memory, fmt::format("weights laid out anew need {} bytes", bytes)};
  }
  if (cache) {
    Status stored = cache->store(pool, {laid_out.buffer.data(), bytes});
    if (!stored.ok()) laid_out.not_stored = std::move(stored).error();
    if (options.cache_bytes_max > 0) cache->prune(options.cache_bytes_max);
  }
  point_at(weights, options.choice, laid_out.buffer.data());
  return laid_out;
}

}  // namespace kedge::models
