#pragma once
// Which stored types have which packed layout (packed_layout.h), and how a stored block becomes a packed one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/dtype.h"
#include "cpu/kernel_table.h"
#include "cpu/packed.h"
#include "cpu/packed_layout.h"

namespace kedge::cpu {

/// What one packed block of a row holds, in the terms of packed_layout.h.
struct PackedBlock {
  size_t groups = 8;  // of 32 columns
  std::array<uint8_t, 256> codes{};
  float wide_scale = 0.0F;
  uint8_t zero = 0;
  uint16_t scale = 0;    // f16
  uint16_t minimum = 0;  // f16
  std::array<uint8_t, 16> group_scales{};
  std::array<uint8_t, 8> group_minimums{};
};

struct PackedForm {
  DType dtype;
  PackedShape layout;
  PackedKernel KernelTable::*kernel;
  PackedTileKernel KernelTable::*tile_kernel;

  /// As many stored blocks as make a packed one.
  void (*read)(const std::byte* stored, PackedBlock& block);
  /// One output's part of a head (null: there is none), and of what follows the codes of group g (likewise).
  void (*write_head)(const PackedBlock& block, size_t output, std::byte* head);
  void (*write_scales)(const PackedBlock& block, size_t g, size_t output, std::byte* scales);

  /// What a kernel needs of the sums of a token's codes of a group's halves, made once for all outputs: for each of the
  /// group's parts.
  using StartsOf = void (*)(const int32_t* sums, float scale, int32_t* starts);
  StartsOf starts;
};

std::span<const PackedForm> packed_forms();
/// Null where `dtype` has none.
const PackedForm* packed_form(DType dtype);

PackedShape shape_of(const PackedForm& form, const PackedView& w);
/// Of all columns.
size_t panel_bytes(const PackedShape& shape, int64_t columns);

/// out: a block of sixteen outputs, of which one is written.
void write_block(const PackedForm& form, const PackedBlock& block, size_t output, std::byte* out);

}  // namespace kedge::cpu
