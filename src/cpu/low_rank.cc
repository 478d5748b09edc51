#include "cpu/low_rank.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/check.h"
#include "core/half.h"
#include "cpu/dispatch.h"
#include "cpu/scratch.h"
#include "cpu/tile_matmul.h"

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

/// Enough pieces for all workers, and rows enough in each that reading A again costs little.
int64_t rows_of_tile_piece(int64_t rows, unsigned workers) {
  const int64_t share = (rows + 2 * workers - 1) / (2 * workers);
  return std::clamp((share + kTileSide - 1) / kTileSide * kTileSide, kTileSide, int64_t{256});
}

LowRankKernel kernel_of(DType dtype) {
  const KernelTable& table = kernels();
  return dtype == DType::q8_0 ? table.low_rank_int8 : dtype == DType::bf16 ? table.low_rank_bf16 : table.low_rank_f32;
}

LowRankKernel tile_kernel_of(DType dtype) {
  const KernelTable& table = kernels();
  return dtype == DType::q8_0   ? table.low_rank_tiles_int8
         : dtype == DType::bf16 ? table.low_rank_tiles_bf16
                                : table.low_rank_tiles_f32;
}

int64_t panels_of(int64_t outputs) {
  return (outputs + kLowRankOutputs - 1) / kLowRankOutputs;
}

/// Of the calling thread: workers read them through it.
std::vector<Piece>& pieces_of_caller() {
  thread_local std::vector<Piece> pieces;
  return pieces;
}

/// x times the transposed A of every group: rows of `stride` floats, group after group, and in tiles the same in bf16.
struct Projected {
  float* data = nullptr;
  int64_t stride = 0;
  uint16_t* narrow = nullptr;
  int64_t narrow_stride = 0;
};

template <typename Function>
void for_row_blocks(const LowRankRows& group, int64_t most, Function function) {
  for (int64_t row = 0; row < group.count; row += most) function(row, std::min(most, group.count - row));
}

void list_projections(std::span<const LowRankRows> groups, std::vector<Piece>& pieces) {
  pieces.clear();
  int64_t base = 0;
  for (const LowRankRows& group : groups) {
    const int64_t ranks = group.update->a.rows;
    const int64_t step = group.count < kRowsOfPiece ? kRanksOfPiece : ranks;
    for_row_blocks(group, kRowsOfPiece, [&](int64_t row, int64_t count) {
      for (int64_t first = 0; first < ranks; first += step) {
        pieces.push_back({&group, nullptr, row, count, base, first, std::min(step, ranks - first)});
      }
    });
    base += group.count;
  }
}

/// All ranks of some rows: rows are what a product of few outputs has many of.
void list_tile_projections(std::span<const LowRankRows> groups, int64_t rows_of_piece, std::vector<Piece>& pieces) {
  pieces.clear();
  int64_t base = 0;
  for (const LowRankRows& group : groups) {
    for_row_blocks(group, rows_of_piece, [&](int64_t row, int64_t count) {
      pieces.push_back({&group, nullptr, row, count, base, 0, group.update->a.rows});
    });
    base += group.count;
  }
}

void list_outputs(std::span<const LowRankRows> groups, std::vector<Piece>& pieces) {
  pieces.clear();
  int64_t base = 0;
  for (const LowRankRows& group : groups) {
    for_row_blocks(group, kRowsOfPiece, [&](int64_t row, int64_t count) {
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
                  .y = projected.data + (piece.projected_row + piece.row) * projected.stride + piece.first,
                  .y_stride = projected.stride};
  MatmulKernel kernel = format_of(table, a.dtype).matmul_f32;
  // Kernels that convert blocks take few rows; both ways sum in the same order.
  const bool too_many = info_of(a.dtype).block_elements > 1 && piece.row_count > kFusedCountMax;
  if (kernel == nullptr || too_many) {
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

void project_in_tiles(const Piece& piece, const InputRows& x, const Projected& projected) {
  const int64_t first = piece.projected_row + piece.row;
  const InputRows rows{x.data + (piece.group->first + piece.row) * x.stride, x.stride, piece.row_count};
  const WeightView& a = piece.group->update->a;
  float* const wide = projected.data + first * projected.stride;
  multiply_few_in_tiles(kernels(), a, rows, {wide, projected.stride});
  for (int64_t i = 0; i < piece.row_count; ++i) {
    uint16_t* const narrow = projected.narrow + (first + i) * projected.narrow_stride;
    kernels().to_bf16(wide + i * projected.stride, a.rows, narrow);
    std::memset(narrow + a.rows, 0, static_cast<size_t>(projected.narrow_stride - a.rows) * sizeof(uint16_t));
  }
}

/// y: of the piece's first row and output.
void add(const Piece& piece, const LowRankProjection& projection, float* y, int64_t y_stride) {
  const LowRankOutputs& outputs = *piece.outputs;
  const DType dtype = piece.group->update->a.dtype;
  KEDGE_DCHECK(piece.first % kLowRankOutputs == 0);
  const int64_t row = piece.projected_row + piece.row;
  LowRankTile tile{.projected = projection.data + row * projection.stride + outputs.first_rank,
                   .projected_stride = projection.stride,
                   .count = piece.row_count,
                   .rank = outputs.rank,
                   .panels = outputs.panels + low_rank_bytes(dtype, piece.first, outputs.rank),
                   .outputs = piece.count,
                   .y = y,
                   .y_stride = y_stride,
                   .gain = outputs.gain != nullptr ? outputs.gain + piece.first : nullptr,
                   .offset = outputs.offset != nullptr ? outputs.offset + piece.first : nullptr};
  const int64_t in_tiles = piece.count / kLowRankOutputs * kLowRankOutputs;
  if (projection.narrow != nullptr && tile.gain == nullptr && tile.offset == nullptr && in_tiles > 0) {
    const uint16_t* const narrow = projection.narrow + row * projection.narrow_stride + outputs.first_rank;
    tile.narrow = reinterpret_cast<const std::byte*>(narrow);
    tile.narrow_stride = static_cast<size_t>(projection.narrow_stride) * sizeof(uint16_t);
    tile.outputs = in_tiles;
    tile_kernel_of(dtype)(tile);
    if (in_tiles == piece.count) return;
    tile.outputs = piece.count - in_tiles;
    tile.panels += low_rank_bytes(dtype, in_tiles, outputs.rank);
    tile.y += in_tiles;
  }
  kernel_of(dtype)(tile);
}

std::byte* write_plain(std::span<const float> panel, DType dtype, std::byte* out) {
  const size_t size = info_of(dtype).block_bytes;
  for (const float value : panel) {
    const uint16_t narrow = f32_to_bf16(value);
    std::memcpy(out, dtype == DType::bf16 ? static_cast<const void*>(&narrow) : &value, size);
    out += size;
  }
  return out;
}

std::byte* write_codes(std::span<const float> panel, std::byte* out) {
  float largest = 0;
  for (const float value : panel) largest = std::max(largest, std::abs(value));
  const float scale = largest / 127.0F;
  std::memcpy(out, &scale, sizeof(scale));
  out += sizeof(scale);
  for (const float value : panel) {
    *out++ = static_cast<std::byte>(static_cast<int8_t>(scale > 0 ? std::lrint(value / scale) : 0));
  }
  return out;
}

}  // namespace

size_t low_rank_bytes(DType dtype, int64_t outputs, int64_t rank) {
  KEDGE_CHECK(dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::q8_0);
  const auto codes = static_cast<size_t>(rank * kLowRankOutputs);
  const size_t panel = dtype == DType::q8_0 ? sizeof(float) + codes : codes * info_of(dtype).block_bytes;
  return static_cast<size_t>(panels_of(outputs)) * panel;
}

void pack_low_rank(std::span<const float> b, int64_t rank, DType dtype, std::byte* out) {
  const auto outputs = static_cast<int64_t>(b.size()) / rank;
  std::vector<float> panel(static_cast<size_t>(rank * kLowRankOutputs));
  for (int64_t first = 0; first < outputs; first += kLowRankOutputs) {
    for (int64_t r = 0; r < rank; ++r) {
      for (int64_t lane = 0; lane < kLowRankOutputs; ++lane) {
        const int64_t n = first + lane;
        panel[static_cast<size_t>(r * kLowRankOutputs + lane)] =
            n < outputs ? b[static_cast<size_t>(n * rank + r)] : 0.0F;
      }
    }
    out = dtype == DType::q8_0 ? write_codes(panel, out) : write_plain(panel, dtype, out);
  }
}

LowRankProjection low_rank_project(WorkerPool& pool, std::span<const LowRankRows> groups, const InputRows& x,
                                   MatmulCompute compute) {
  KEDGE_DCHECK(x.norm == nullptr);
  thread_local Scratch scratch;
  int64_t rows = 0, stride = 0;
  for (const LowRankRows& group : groups) {
    stride = std::max(stride, group.update->a.rows);
    rows += group.count;
  }
  const bool tiles = compute == MatmulCompute::bf16_tiles && kernels().tile_product != nullptr;
  Projected projected{.stride = stride};
  if (tiles) projected.narrow_stride = (stride + kTileColumns - 1) / kTileColumns * kTileColumns + kTileColumns;
  const size_t wide_bytes = static_cast<size_t>(rows * stride) * sizeof(float);
  const size_t narrow_bytes = static_cast<size_t>(rows * projected.narrow_stride) * sizeof(uint16_t);
  projected.data = reinterpret_cast<float*>(scratch.take(wide_bytes + narrow_bytes));
  if (tiles) projected.narrow = reinterpret_cast<uint16_t*>(projected.data + rows * stride);
  std::vector<Piece>& pieces = pieces_of_caller();
  if (tiles) {
    list_tile_projections(groups, rows_of_tile_piece(rows, pool.size()), pieces);
  } else {
    list_projections(groups, pieces);
  }
  pool.parallel_for_parts(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      tiles ? project_in_tiles(piece, x, projected) : project(piece, x, projected);
    }
  });
  return {groups, projected.data, stride, projected.narrow, projected.narrow_stride};
}

void low_rank_apply(const LowRankProjection& projection, const OutputBlock& block) {
  int64_t base = 0;
  for (const LowRankRows& group : projection.groups) {
    const int64_t row = std::max(group.first, block.first_row);
    const int64_t rows = std::min(group.first + group.count, block.first_row + block.rows) - row;
    for (const LowRankOutputs& outputs : group.update->outputs) {
      const int64_t first = std::max(outputs.first, block.first);
      const int64_t count = std::min(outputs.first + outputs.count, block.first + block.outputs) - first;
      if (rows <= 0 || count <= 0) continue;
      add({&group, &outputs, row - group.first, rows, base, first - outputs.first, count}, projection,
          block.y + (row - block.first_row) * block.y_stride + (first - block.first), block.y_stride);
    }
    base += group.count;
  }
}

void low_rank_rows(const LowRankOutputs& outputs, DType dtype, const InputRows& projected, const OutputRows& y) {
  kernel_of(dtype)({.projected = projected.data,
                    .projected_stride = projected.stride,
                    .count = projected.count,
                    .rank = outputs.rank,
                    .panels = outputs.panels,
                    .outputs = outputs.count,
                    .y = y.data,
                    .y_stride = y.stride});
}

// Bound: with one row a group, the bytes of A and B, which each step reads once; with many, multiply-adds and y.
void low_rank_add(WorkerPool& pool, std::span<const LowRankRows> groups, const InputRows& x, const OutputRows& y,
                  MatmulCompute compute) {
  if (groups.empty()) return;
  const LowRankProjection projection = low_rank_project(pool, groups, x, compute);
  std::vector<Piece>& pieces = pieces_of_caller();
  list_outputs(groups, pieces);
  pool.parallel_for_parts(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end, unsigned) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      float* const at = y.data + (piece.group->first + piece.row) * y.stride + piece.outputs->first + piece.first;
      add(piece, projection, at, y.stride);
    }
  });
}

}  // namespace kedge::cpu
