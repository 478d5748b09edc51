#include "cpu/packed.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/check.h"
#include "cpu/packed_forms.h"
#include "cpu/packed_layout.h"

namespace kedge::cpu {
namespace {

static_assert(kPackedRows == kPanelOutputs);

int64_t panels_of(int64_t rows) {
  return (rows + kPanelOutputs - 1) / kPanelOutputs;
}

constexpr int64_t kHeadColumnsMax = 256;
static_assert(kPackedTileColumns % kHeadColumnsMax == 0);

/// Where a layout leaves it open: the most columns, up to kHeadColumnsMax, that share a scale and come out even.
PackedShape shape_of(const PackedForm& form, const WeightView& w) {
  int64_t columns = kHeadColumnsMax;
  while (columns > kGroupColumns &&
         (w.columns % columns != 0 || w.scale_columns % columns != 0 || w.scale_columns == 0)) {
    columns /= 2;
  }
  return with_block(form.layout, columns);
}

}  // namespace

std::span<const DType> packable_types() {
  static const auto types = [] {
    std::vector<DType> all;
    for (const PackedForm& form : packed_forms()) all.push_back(form.dtype);
    return all;
  }();
  return types;
}

bool has_packed_form(DType dtype) {
  return packed_form(dtype) != nullptr;
}

size_t packed_bytes(const WeightView& w) {
  const PackedForm* const form = packed_form(w.dtype);
  KEDGE_CHECK(form != nullptr);
  return static_cast<size_t>(panels_of(w.rows)) * panel_bytes(shape_of(*form, w), w.columns);
}

PackedView pack(WorkerPool& pool, const WeightView& w, std::byte* out) {
  const PackedForm& form = *packed_form(w.dtype);
  const PackedShape shape = shape_of(form, w);
  const size_t bytes = panel_bytes(shape, w.columns);
  const int64_t blocks = w.columns / shape.block_columns;
  // A packed block is as much of sixteen rows: one stored block of each, or several of one scale.
  const DTypeInfo& info = info_of(w.dtype);
  const size_t stored_bytes = static_cast<size_t>(shape.block_columns) / info.block_elements * info.block_bytes;
  pool.parallel_for(panels_of(w.rows), 1, [&](int64_t begin, int64_t end, unsigned) {
    PackedBlock block{.groups = static_cast<size_t>(shape.block_columns / kGroupColumns)};
    for (int64_t panel = begin; panel < end; ++panel) {
      std::byte* const target = out + static_cast<size_t>(panel) * bytes;
      const int64_t first = panel * kPanelOutputs;
      const int64_t count = std::min(kPanelOutputs, w.rows - first);
      if (count < kPanelOutputs) std::memset(target, 0, bytes);
      for (int64_t b = 0; b < blocks; ++b) {
        for (int64_t n = 0; n < count; ++n) {
          const std::byte* const row = w.data + static_cast<size_t>(first + n) * w.row_stride;
          form.read(row + static_cast<size_t>(b) * stored_bytes, block);
          write_block(form, block, static_cast<size_t>(n), target + b * bytes_of_block(shape));
        }
      }
    }
  });
  return packed_view(w, out);
}

PackedView packed_view(const WeightView& w, const std::byte* data) {
  return {w.dtype, data, w.rows, w.columns, shape_of(*packed_form(w.dtype), w).block_columns, w.column_order};
}

}  // namespace kedge::cpu
