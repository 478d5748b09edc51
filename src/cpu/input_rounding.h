#pragma once
// Activations as a quantized checkpoint expects them: rounded to 8 bits and back, products then in full precision. What
// the checkpoint's publisher measured its quality with.

#include <cstdint>

#include "core/thread_pool.h"
#include "cpu/ops.h"

namespace kedge::cpu {

enum class InputRoundingKind : uint8_t {
  none,
  int8_token,  // scale = largest magnitude of the row / 127, codes to nearest even
  fp8_token,   // scale = largest magnitude of the row / 448, then F8_E4M3 to nearest even
  fp8_groups,  // the same for each `group` elements of a row (the last group may be shorter)
  fp8_static,  // `scale` is given; what is beyond 448 of it is cut there
};

struct InputRounding {
  InputRoundingKind kind = InputRoundingKind::none;
  int64_t group = 0;
  float scale = 1.0F;

  bool operator==(const InputRounding&) const = default;
};

/// Rows of `columns` elements, rounded. Valid until this thread's next call.
InputRows rounded_inputs(WorkerPool& pool, const InputRows& x, int64_t columns, const InputRounding& rounding);

}  // namespace kedge::cpu
