#include "cpu/low_rank.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/check.h"
#include "core/half.h"
#include "cpu/dispatch.h"
#include "cpu/scratch.h"

namespace kedge::cpu {
namespace {

// A piece is what one worker takes at once: some rows of a group, by some of A's rows or of the product's outputs.
constexpr int64_t kRowsOfPiece = 48;      // a multiple of every kernel's rows
constexpr int64_t kRanksOfPiece = 8;      // of few rows: a group of one row should keep several workers busy
constexpr int64_t kOutputsOfPiece = 512;  // whole panels

struct Piece {
  const LowRankRows* group;
  const LowRankOutputs* outputs;  // of the second product
  int64_t row, row_count;         // within the group
  int64_t projected_row;          // of row 0 of the group
  int64_t first, count;           // ranks, or outputs of `outputs`
};

int64_t panels_of(int64_t outputs) {
  return (outputs + kLowRankOutputs - 1) / kLowRankOutputs;
}

/// x times the transposed A of every group: rows of `stride` floats, group after group.
struct Projected {
  float* data = nullptr;
  int64_t stride = 0;
  [[nodiscard]] float* row(int64_t index) const { return data + index * stride; }
};

template <typename Function>
void for_row_blocks(const LowRankRows& group, Function function) {
  for (int64_t row = 0; row < group.count; row += kRowsOfPiece)
    function(row, std::min(kRowsOfPiece, group.count - row));
}

void list_projections(std::span<const LowRankRows> groups, std::vector<Piece>& pieces) {
  pieces.clear();
  int64_t base = 0;
  for (const LowRankRows& group : groups) {
    const int64_t ranks = group.update->a.rows;
    const int64_t step = group.count < kRowsOfPiece ? kRanksOfPiece : ranks;
    for_row_blocks(group, [&](int64_t row, int64_t count) {
      for (int64_t first = 0; first < ranks; first += step) {
        pieces.push_back({&group, nullptr, row, count, base, first, std::min(step, ranks - first)});
      }
    });
    base += group.count;
  }
}

void list_outputs(std::span<const LowRankRows> groups, std::vector<Piece>& pieces) {
  pieces.clear();
  int64_t base = 0;
  for (const LowRankRows& group : groups) {
    for_row_blocks(group, [&](int64_t row, int64_t count) {
      for (const LowRankOutputs& outputs : group.update->outputs) {
        for (int64_t first = 0; first < outputs.count; first += kOutputsOfPiece) {
          pieces.push_back(
              {&group, &outputs, row, count, base, first, std::min(kOutputsOfPiece, outputs.count - first)});
        }
      }
    });
    base += group.count;
  }
}

void project(const Piece& piece, const InputRows& x, const Projected& projected) {
  const WeightView& a = piece.group->update->a;
  const KernelTable& table = kernels();
  const float* const rows = x.data + (piece.group->first + piece.row) * x.stride;
  MatmulTile tile{.weights = a.data + static_cast<size_t>(piece.first) * a.row_stride,
                  .weight_stride = a.row_stride,
                  .outputs = piece.count,
                  .columns = a.columns,
                  .x = reinterpret_cast<const std::byte*>(rows),
                  .x_stride = static_cast<size_t>(x.stride) * sizeof(float),
                  .count = piece.row_count,
                  .y = projected.row(piece.projected_row + piece.row) + piece.first,
                  .y_stride = projected.stride};
  MatmulKernel kernel = format_of(table, a.dtype).matmul_f32;
  if (kernel == nullptr) {
    thread_local Scratch widened;
    const size_t row_bytes = static_cast<size_t>(a.columns) * sizeof(float);
    std::byte* const panel = widened.take(static_cast<size_t>(piece.count) * row_bytes);
    for (int64_t r = 0; r < piece.count; ++r) {
      dequantize(table, a.dtype, tile.weights + static_cast<size_t>(r) * a.row_stride, a.columns,
                 reinterpret_cast<float*>(panel + static_cast<size_t>(r) * row_bytes));
    }
    tile.weights = panel;
    tile.weight_stride = row_bytes;
    kernel = table.f32.matmul_f32;
  }
  kernel(tile);
}

void add(const Piece& piece, const Projected& projected, const OutputRows& y) {
  const LowRankOutputs& outputs = *piece.outputs;
  const DType dtype = piece.group->update->a.dtype;
  const size_t skipped = low_rank_bytes(dtype, piece.first, outputs.rank);
  const LowRankTile tile{.projected = projected.row(piece.projected_row + piece.row) + outputs.first_rank,
                         .projected_stride = projected.stride,
                         .count = piece.row_count,
                         .rank = outputs.rank,
                         .panels = outputs.panels + skipped,
                         .outputs = piece.count,
                         .y = y.data + (piece.group->first + piece.row) * y.stride + outputs.first + piece.first,
                         .y_stride = y.stride,
                         .gain = outputs.gain != nullptr ? outputs.gain + piece.first : nullptr,
                         .offset = outputs.offset != nullptr ? outputs.offset + piece.first : nullptr};
  (dtype == DType::bf16 ? kernels().low_rank_bf16 : kernels().low_rank_f32)(tile);
}

}  // namespace

size_t low_rank_bytes(DType dtype, int64_t outputs, int64_t rank) {
  KEDGE_CHECK(dtype == DType::f32 || dtype == DType::bf16);
  return static_cast<size_t>(panels_of(outputs) * kLowRankOutputs * rank) * info_of(dtype).block_bytes;
}

void pack_low_rank(std::span<const float> b, int64_t rank, DType dtype, std::byte* out) {
  const auto outputs = static_cast<int64_t>(b.size()) / rank;
  for (int64_t panel = 0; panel < panels_of(outputs); ++panel) {
    for (int64_t r = 0; r < rank; ++r) {
      for (int64_t n = panel * kLowRankOutputs; n < (panel + 1) * kLowRankOutputs; ++n) {
        const float value = n < outputs ? b[static_cast<size_t>(n * rank + r)] : 0.0F;
        const uint16_t narrow = f32_to_bf16(value);
        const size_t size = info_of(dtype).block_bytes;
        std::memcpy(out, dtype == DType::bf16 ? static_cast<const void*>(&narrow) : &value, size);
        out += size;
      }
    }
  }
}

void low_rank_rows(const LowRankOutputs& outputs, DType dtype, const InputRows& projected, const OutputRows& y) {
  (dtype == DType::bf16 ? kernels().low_rank_bf16 : kernels().low_rank_f32)({.projected = projected.data,
                                                                             .projected_stride = projected.stride,
                                                                             .count = projected.count,
                                                                             .rank = outputs.rank,
                                                                             .panels = outputs.panels,
                                                                             .outputs = outputs.count,
                                                                             .y = y.data,
                                                                             .y_stride = y.stride});
}

// Bound: with one row a group, the bytes of A and B, which each step reads once; with many, multiply-adds.
void low_rank_add(WorkerPool& pool, std::span<const LowRankRows> groups, const InputRows& x, const OutputRows& y) {
  if (groups.empty()) return;
  KEDGE_DCHECK(x.norm == nullptr && !y.added);
  thread_local Scratch scratch;
  thread_local std::vector<Piece> pieces;
  Projected projected;
  int64_t rows = 0;
  for (const LowRankRows& group : groups) {
    projected.stride = std::max(projected.stride, group.update->a.rows);
    rows += group.count;
  }
  projected.data = reinterpret_cast<float*>(scratch.take(static_cast<size_t>(rows * projected.stride) * sizeof(float)));
  const std::vector<Piece>& all = pieces;  // the workers have vectors of their own
  list_projections(groups, pieces);
  pool.parallel_for_parts(static_cast<int64_t>(all.size()), 1, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) project(all[static_cast<size_t>(i)], x, projected);
  });
  list_outputs(groups, pieces);
  pool.parallel_for_parts(static_cast<int64_t>(all.size()), 1, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) add(all[static_cast<size_t>(i)], projected, y);
  });
}

}  // namespace kedge::cpu
