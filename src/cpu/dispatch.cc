#include "cpu/dispatch.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>

#include "core/check.h"
#include "cpu/dequantize.h"

namespace kedge::cpu {
namespace {

using Slots = std::array<void (*)(), sizeof(KernelTable) / sizeof(void (*)())>;
static_assert(sizeof(Slots) == sizeof(KernelTable), "KernelTable holds function pointers only");

KernelTable laid_over(const KernelTable& below, const KernelTable& above) {
  Slots slots = std::bit_cast<Slots>(below);
  const Slots over = std::bit_cast<Slots>(above);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (over[i] != nullptr) slots[i] = over[i];
  }
  return std::bit_cast<KernelTable>(slots);
}

struct Layer {
  Isa isa;
  const KernelTable* table;
};
constexpr Layer kLayers[] = {{Isa::scalar, &kScalarKernels},
                             {Isa::avx2, &kAvx2Kernels},
                             {Isa::avx_vnni, &kAvxVnniKernels},
                             {Isa::avx512, &kAvx512Kernels},
                             {Isa::avx512_vnni, &kAvx512VnniKernels},
                             {Isa::avx512_bf16, &kAvx512Bf16Kernels},
                             {Isa::amx, &kAmxKernels}};

constexpr size_t kIsaCount = std::size(kIsas);

std::array<KernelTable, kIsaCount> complete_tables() {
  std::array<KernelTable, kIsaCount> tables;
  for (const Isa isa : kIsas) {
    KernelTable& table = tables[static_cast<size_t>(isa)];
    for (const Layer& layer : kLayers) {
      if (includes(isa, layer.isa)) table = laid_over(table, *layer.table);
    }
  }
  return tables;
}

}  // namespace

const KernelTable& kernels_of(Isa isa) {
  static const std::array<KernelTable, kIsaCount> tables = complete_tables();
  return tables[static_cast<size_t>(isa)];
}

const KernelTable& kernels() {
  return kernels_of(active_isa());
}

std::vector<Isa> runnable_isas() {
  std::vector<Isa> isas;
  std::ranges::copy_if(kIsas, std::back_inserter(isas), can_run);
  return isas;
}

const FormatKernels& format_of(const KernelTable& table, DType dtype) {
  switch (dtype) {
    case DType::f32:
      return table.f32;
    case DType::f16:
      return table.f16;
    case DType::bf16:
      return table.bf16;
    case DType::f8_e4m3:
      return table.f8_e4m3;
    case DType::q4_0:
      return table.q4_0;
    case DType::q4_1:
      return table.q4_1;
    case DType::q5_0:
      return table.q5_0;
    case DType::q5_1:
      return table.q5_1;
    case DType::q8_0:
      return table.q8_0;
    case DType::q2_k:
      return table.q2_k;
    case DType::q3_k:
      return table.q3_k;
    case DType::q4_k:
      return table.q4_k;
    case DType::q5_k:
      return table.q5_k;
    case DType::q6_k:
      return table.q6_k;
    case DType::iq4_nl:
      return table.iq4_nl;
    case DType::iq4_xs:
      return table.iq4_xs;
    case DType::int4_scaled:
      return table.int4_scaled;
    case DType::int8_scaled:
      return table.int8_scaled;
    case DType::f8_scaled:
      return table.f8_scaled;
    case DType::i8:
    case DType::i32:
    case DType::i64:
    case DType::u8:
      break;
  }
  KEDGE_CHECK(!"integer tensors are no weights");
  return table.f32;
}

void dequantize(const KernelTable& table, DType dtype, const std::byte* row, int64_t columns, float* out) {
  const DequantizeKernel kernel = format_of(table, dtype).dequantize;
  if (kernel != nullptr) {
    kernel(row, columns, out);
  } else {
    dequantize_row_scalar(dtype, row, columns, out);
  }
}

}  // namespace kedge::cpu
