#pragma once
// What a forward pass asks of the machine at least: the bytes that it reads and the products that it makes.

#include <cstdint>

#include "cpu/kv_layout.h"
#include "models/decoder.h"

namespace kedge::models {

/// An operation is a multiplication or an addition. By the type that the products are made in.
struct PassCost {
  double read_bytes = 0;
  double f32_operations = 0, bf16_operations = 0, int8_operations = 0;

  PassCost& operator+=(const PassCost& other);
};

/// Sequences of one length in one pass.
struct PassShape {
  Phase phase = Phase::decode;
  int64_t sequences = 1;
  int64_t tokens = 1;   // of each
  int64_t first = 0;    // position of each one's first token
  int64_t outputs = 1;  // rows of logits in all
  cpu::KvType kv_type = cpu::KvType::f32;
};

/// Counted are matrix products (weights as they are stored or packed, read once a pass) and attention (every key and
/// value that a sequence's tokens see, read once a pass); not norms, rotations, activations and what goes between
/// layers. Of a mixture, the experts that a router without favourites would choose: the expected number of different
/// ones for bytes, those of each token for operations.
PassCost pass_cost(const Decoder& decoder, const PassShape& shape);

}  // namespace kedge::models
