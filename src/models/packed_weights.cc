#include "models/packed_weights.h"

#include <fmt/format.h>

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

bool packable(const Linear& linear) {
  return linear.weight.rows > 0 && cpu::has_packed_form(linear.weight.dtype);
}

}  // namespace

PackingPlan plan_packing(const DecoderWeights& weights) {
  PackingPlan plan;
  for_each_product(weights, [&](const Linear& linear) {
    if (!packable(linear)) return;
    plan.packed_bytes += Arena::padded(cpu::packed_bytes(linear.weight));
    const bool shared = linear.weight.data == weights.embedding.data;  // token rows are still read there
    if (!shared) plan.replaced_bytes += static_cast<uint64_t>(linear.weight.rows) * linear.weight.row_stride;
  });
  return plan;
}

Result<PageBuffer> pack_weights(WorkerPool& pool, DecoderWeights& weights) {
  const uint64_t bytes = plan_packing(weights).packed_bytes;
  if (bytes == 0) return PageBuffer();
  PageBuffer buffer(bytes);
  if (buffer.data() == nullptr) {
    return Error{ErrorKind::out_of_memory, fmt::format("packed weights need {} bytes", bytes)};
  }
  std::byte* next = buffer.data();
  for_each_product(weights, [&](Linear& linear) {
    if (!packable(linear)) return;
    cpu::pack(pool, linear.weight, next);
    linear.packed = {linear.weight.dtype, next, linear.weight.rows, linear.weight.columns};
    next += Arena::padded(cpu::packed_bytes(linear.weight));
  });
  return buffer;
}

}  // namespace kedge::models
