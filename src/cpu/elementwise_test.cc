// Goal: norms, rotary embedding, activations and reductions equal their formulas on every instruction set.
// Method: formulas in double, sizes around every vector edge, inputs from subnormal to overflow; guards around every
// output show that nothing else is written.

#include <algorithm>
#include <cmath>
#include <functional>

#include "cpu/test_support.h"

namespace kedge::cpu {
namespace {

constexpr int64_t kSizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 257};
constexpr float kGuard = -77.0F;

double silu(double x) {
  return x / (1.0 + std::exp(-x));
}
double gelu_erf(double x) {
  return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
}
double gelu_tanh(double x) {
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}
double relu(double x) {
  return std::max(x, 0.0);
}

struct Function {
  Activation act;
  double (*formula)(double);
};
constexpr Function kFunctions[] = {{Activation::silu, silu},
                                   {Activation::gelu_erf, gelu_erf},
                                   {Activation::gelu_tanh, gelu_tanh},
                                   {Activation::relu, relu}};

/// Values of every size and sign.
std::vector<float> sweep() {
  std::vector<float> x = {0.0F, -0.0F, 1e-41F, -1e-41F, 1e-30F, 3e-6F, -3e-6F, 1e4F, -1e4F, 1e30F, -1e30F};
  for (int i = -4000; i <= 4000; ++i) x.push_back(static_cast<float>(i) * 0.03F);
  for (int i = -2000; i <= 2000; ++i) x.push_back(static_cast<float>(i) * 0.001F);
  return x;
}

TEST(Activations, equal_their_formulas) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const Function& f : kFunctions) {
      const std::vector<float> x = sweep();
      std::vector<float> y = x;
      activation(pool, f.act, y.data(), static_cast<int64_t>(y.size()));
      for (size_t i = 0; i < x.size(); ++i) {
        const double expected = f.formula(static_cast<double>(x[i]));
        // Next to -infinity the functions are a difference of near equals: absolute in x.
        const double error_max =
            3e-7 * std::abs(expected) + 1.5e-7 * std::min(std::abs(static_cast<double>(x[i])), 10.0);
        ASSERT_NEAR(static_cast<double>(y[i]), expected, error_max) << "at " << x[i];
      }
    }
  });
}

TEST(Activations, gates_of_every_size) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const Function& f : kFunctions) {
      for (const int64_t size : kSizes) {
        const auto in = random_floats(static_cast<size_t>(3 * 2 * size), 1, 2.0F);  // gate, then up
        std::vector<float> out(static_cast<size_t>(3 * (size + 2)), kGuard);
        gated_activation(pool, f.act, {in.data(), 2 * size, 3}, in.data() + size, size, {out.data() + 1, size + 2});
        for (int64_t i = 0; i < 3; ++i) {
          ASSERT_EQ(out[static_cast<size_t>(i * (size + 2))], kGuard);
          ASSERT_EQ(out[static_cast<size_t>((i + 1) * (size + 2) - 1)], kGuard);
          for (int64_t j = 0; j < size; ++j) {
            const double gate = static_cast<double>(in[static_cast<size_t>(2 * i * size + j)]);
            const double up = static_cast<double>(in[static_cast<size_t>((2 * i + 1) * size + j)]);
            ASSERT_NEAR(static_cast<double>(out[static_cast<size_t>(i * (size + 2) + 1 + j)]), f.formula(gate) * up,
                        1e-6 * (1.0 + std::abs(gate * up)));
          }
        }
      }
    }
  });
}

TEST(Activations, gate_in_place_over_interleaved_rows) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    const auto in = random_floats(4 * 38, 2);
    std::vector<float> separate(4 * 19);
    std::vector<float> shared = in;
    gated_activation(pool, Activation::silu, {in.data(), 38, 4}, in.data() + 19, 19, {separate.data(), 19});
    gated_activation(pool, Activation::silu, {shared.data(), 38, 4}, shared.data() + 19, 19, {shared.data(), 38});
    for (size_t i = 0; i < 4; ++i) {
      for (size_t j = 0; j < 19; ++j) ASSERT_EQ(shared[i * 38 + j], separate[i * 19 + j]);
    }
  });
}

TEST(Softcap, equals_its_formula) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const float cap : {30.0F, 50.0F, 1.0F}) {
      const std::vector<float> x = sweep();
      std::vector<float> y = x;
      softcap(pool, cap, y.data(), static_cast<int64_t>(y.size()));
      for (size_t i = 0; i < x.size(); ++i) {
        const double expected =
            static_cast<double>(cap) * std::tanh(static_cast<double>(x[i]) / static_cast<double>(cap));
        ASSERT_NEAR(static_cast<double>(y[i]), expected, 4e-7 * std::abs(expected) + 2e-45 * static_cast<double>(cap))
            << "at " << x[i];
      }
    }
  });
}

TEST(AddScaled, every_size_and_nothing_past_it) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const int64_t size : kSizes) {
      const auto x = random_floats(static_cast<size_t>(size), 3);
      auto y = random_floats(static_cast<size_t>(size + 1), 4);
      const auto before = y;
      add_scaled(pool, 0.75F, x.data(), y.data(), size);
      for (size_t i = 0; i < x.size(); ++i) ASSERT_FLOAT_EQ(y[i], before[i] + 0.75F * x[i]);
      ASSERT_EQ(y.back(), before.back());
    }
  });
}

TEST(RmsNorm, equals_its_formula) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const int64_t size : kSizes) {
      for (const float offset : {0.0F, 1.0F}) {
        const auto x = random_floats(static_cast<size_t>(3 * size), 5, 4.0F);
        const auto weight = random_floats(static_cast<size_t>(size), 6);
        for (const float* w : {weight.data(), static_cast<const float*>(nullptr)}) {
          std::vector<float> out(static_cast<size_t>(3 * (size + 1)), kGuard);
          rms_norm(pool, {w, size, 1e-5F, offset}, {x.data(), size, 3}, {out.data(), size + 1});
          for (int64_t i = 0; i < 3; ++i) {
            double squares = 0.0;
            const float* row = x.data() + i * size;
            for (int64_t j = 0; j < size; ++j) squares += static_cast<double>(row[j]) * static_cast<double>(row[j]);
            const double scale = 1.0 / std::sqrt(squares / static_cast<double>(size) + 1e-5);
            for (int64_t j = 0; j < size; ++j) {
              const double factor = w != nullptr ? static_cast<double>(w[j] + offset) : 1.0;
              const double expected = static_cast<double>(row[j]) * scale * factor;
              ASSERT_NEAR(static_cast<double>(out[static_cast<size_t>(i * (size + 1) + j)]), expected,
                          1e-6 * std::abs(expected) + 1e-9);
            }
            ASSERT_EQ(out[static_cast<size_t>(i * (size + 1) + size)], kGuard);
          }
        }
      }
    }
  });
}

TEST(RmsNorm, in_place_and_on_zeros) {
  WorkerPool pool(1);
  for_every_isa([&](Isa) {
    const auto x = random_floats(90, 7);
    std::vector<float> apart(90);
    std::vector<float> in_place = x;
    rms_norm(pool, {nullptr, 45}, {x.data(), 45, 2}, {apart.data(), 45});
    rms_norm(pool, {nullptr, 45}, {in_place.data(), 45, 2}, {in_place.data(), 45});
    expect_same(in_place, apart);
    std::vector<float> zeros(45, 0.0F);
    rms_norm(pool, {nullptr, 45}, {zeros.data(), 45, 1}, {zeros.data(), 45});
    for (const float value : zeros) ASSERT_EQ(value, 0.0F);
  });
}

TEST(LayerNorm, equals_its_formula) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const int64_t size : kSizes) {
      auto x = random_floats(static_cast<size_t>(2 * size), 8);
      for (float& value : x) value += 3.0F;
      const auto weight = random_floats(static_cast<size_t>(size), 9);
      const auto bias = random_floats(static_cast<size_t>(size), 10);
      for (const float* b : {bias.data(), static_cast<const float*>(nullptr)}) {
        std::vector<float> out(static_cast<size_t>(2 * (size + 1)), kGuard);
        layer_norm(pool, {weight.data(), b, size, 1e-5F}, {x.data(), size, 2}, {out.data(), size + 1});
        for (int64_t i = 0; i < 2; ++i) {
          const float* row = x.data() + i * size;
          double mean = 0.0;
          double variance = 0.0;
          for (int64_t j = 0; j < size; ++j) mean += static_cast<double>(row[j]) / static_cast<double>(size);
          for (int64_t j = 0; j < size; ++j) {
            variance += std::pow(static_cast<double>(row[j]) - mean, 2) / static_cast<double>(size);
          }
          for (int64_t j = 0; j < size; ++j) {
            const auto at = static_cast<size_t>(j);
            const double expected =
                (static_cast<double>(row[j]) - mean) / std::sqrt(variance + 1e-5) * static_cast<double>(weight[at]) +
                (b != nullptr ? static_cast<double>(bias[at]) : 0.0);
            // One element: 0 / sqrt(eps) multiplies the rounding of the mean by 316.
            ASSERT_NEAR(static_cast<double>(out[static_cast<size_t>(i * (size + 1) + j)]), expected, 1e-5);
          }
          ASSERT_EQ(out[static_cast<size_t>(i * (size + 1) + size)], kGuard);
        }
      }
    }
  });
}

TEST(Rope, rotates_the_pairs_it_should) {
  WorkerPool pool(2);
  for_every_isa([&](Isa) {
    for (const bool interleaved : {false, true}) {
      for (const int64_t half : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 32, 40}) {
        const int64_t head_size = 2 * half + 3;  // three elements stay as they are
        const int64_t stride = 2 * head_size + 1;
        const auto x = random_floats(static_cast<size_t>(3 * stride), 11);
        const auto cosine = random_floats(static_cast<size_t>(3 * half), 12);
        const auto sine = random_floats(static_cast<size_t>(3 * half), 13);
        std::vector<float> expected = x;
        for (int64_t i = 0; i < 3; ++i) {
          for (int64_t head = 0; head < 2; ++head) {
            for (int64_t j = 0; j < half; ++j) {
              const int64_t base = i * stride + head * head_size;
              const auto a = static_cast<size_t>(base + (interleaved ? 2 * j : j));
              const auto b = static_cast<size_t>(base + (interleaved ? 2 * j + 1 : j + half));
              const float c = cosine[static_cast<size_t>(i * half + j)];
              const float s = sine[static_cast<size_t>(i * half + j)];
              expected[a] = x[a] * c - x[b] * s;
              expected[b] = x[b] * c + x[a] * s;
            }
          }
        }
        std::vector<float> found = x;
        apply_rope(pool, {cosine.data(), sine.data(), 2 * half, 2, head_size, interleaved}, found.data(), stride, 3);
        for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-6F) << half << " at " << i;
      }
    }
  });
}

TEST(Softmax, equals_its_formula) {
  for_every_isa([&](Isa) {
    for (const int64_t size : kSizes) {
      for (const float spread : {1.0F, 50.0F}) {
        auto x = random_floats(static_cast<size_t>(size), 14, spread);
        if (size > 2) x[1] = -INFINITY;  // a masked token
        const double largest = static_cast<double>(*std::max_element(x.begin(), x.end()));
        double total = 0.0;
        for (const float value : x) total += std::exp(static_cast<double>(value) - largest);
        EXPECT_NEAR(static_cast<double>(log_sum_exp(x.data(), size)), largest + std::log(total),
                    4e-7 * (1.0 + std::abs(largest)));
        std::vector<float> y = x;
        softmax(y.data(), size);
        for (size_t i = 0; i < y.size(); ++i) {
          const double expected = std::exp(static_cast<double>(x[i]) - largest) / total;
          // The argument is rounded to f32 before: relative in its size.
          const double error = 3e-7 + 6e-8 * std::min(100.0, std::abs(static_cast<double>(x[i]) - largest));
          // What is too small for a normal number may be 0.
          ASSERT_NEAR(static_cast<double>(y[i]), expected, error * expected + 1.2e-38);
        }
      }
    }
  });
}

TEST(Argmax, the_first_of_the_largest) {
  for_every_isa([&](Isa) {
    for (const int64_t size : kSizes) {
      auto x = random_floats(static_cast<size_t>(size), 15);
      const auto largest = std::max_element(x.begin(), x.end());
      EXPECT_EQ(argmax(x.data(), size), largest - x.begin());
      const float value = *largest + 1.0F;
      x.back() = value;
      EXPECT_EQ(argmax(x.data(), size), size - 1);
      x[static_cast<size_t>(size / 2)] = value;
      EXPECT_EQ(argmax(x.data(), size), size / 2);
      std::fill(x.begin(), x.end(), -INFINITY);
      EXPECT_EQ(argmax(x.data(), size), 0);
    }
  });
}

TEST(Selection, maxima_of_blocks_and_indices_of_the_largest) {
  for_every_isa([&](Isa) {
    for (const int64_t size : kSizes) {
      auto x = random_floats(static_cast<size_t>(size), 16);
      x[static_cast<size_t>(size / 3)] = NAN;  // is never found, and hides no other
      std::vector<float> maxima(static_cast<size_t>((size + kMaximaElements - 1) / kMaximaElements));
      block_maxima(x.data(), size, maxima.data());
      for (int64_t block = 0; block * kMaximaElements < size; ++block) {
        float expected = -INFINITY;
        for (int64_t i = block * kMaximaElements; i < std::min(size, (block + 1) * kMaximaElements); ++i) {
          if (x[static_cast<size_t>(i)] > expected) expected = x[static_cast<size_t>(i)];
        }
        EXPECT_EQ(maxima[static_cast<size_t>(block)], expected);
      }
      for (const float least : {-INFINITY, -1.0F, 0.5F, x[static_cast<size_t>(size - 1)], 2.0F, INFINITY}) {
        std::vector<int32_t> expected, found(static_cast<size_t>(size));
        for (int64_t i = 0; i < size; ++i) {
          if (x[static_cast<size_t>(i)] >= least) expected.push_back(static_cast<int32_t>(i));
        }
        found.resize(static_cast<size_t>(indices_at_least(x.data(), size, least, found.data())));
        EXPECT_EQ(found, expected) << size << " elements, at least " << least;
      }
    }
  });
}

TEST(Scale, multiplies_every_element) {
  for_every_isa([&](Isa) {
    for (const int64_t size : kSizes) {
      const auto x = random_floats(static_cast<size_t>(size), 17);
      auto y = x;
      scale(0.3F, y.data(), size);
      for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], 0.3F * x[i]);
    }
  });
}

TEST(Bf16, every_isa_rounds_to_nearest_even) {
  for_every_isa([&](Isa isa) {
    std::vector<float> x = {1.0F, 1.00390625F, 1.01171875F, 1.0039063F, 3.3e38F, INFINITY, -INFINITY, -0.0F, 65504.0F};
    for (const float value : random_floats(100, 16)) x.push_back(value);
    std::vector<uint16_t> narrow(x.size());
    std::vector<float> wide(x.size());
    const KernelTable& table = kernels_of(isa);
    table.to_bf16(x.data(), static_cast<int64_t>(x.size()), narrow.data());
    table.round_to_bf16(x.data(), static_cast<int64_t>(x.size()), wide.data());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(narrow[i], f32_to_bf16(x[i])) << x[i];
      ASSERT_EQ(wide[i], bf16_to_f32(f32_to_bf16(x[i]))) << x[i];
    }
    const float nan = NAN;
    table.to_bf16(&nan, 1, narrow.data());
    EXPECT_TRUE(std::isnan(bf16_to_f32(narrow[0])));
  });
}

TEST(Isa, names_go_both_ways) {
  for (const Isa isa : kIsas) {
    EXPECT_EQ(isa_from_name(name_of(isa)), isa);
  }
  EXPECT_FALSE(isa_from_name("avx1024").has_value());
}

TEST(Isa, a_cap_lowers_and_never_raises) {
  const Isa detected = detected_isa();
  {
    const WithIsa capped(Isa::scalar);
    EXPECT_EQ(active_isa(), Isa::scalar);
  }
  EXPECT_EQ(active_isa(), detected);
}

TEST(Isa, a_cap_that_the_cpu_lacks_takes_the_next_below) {
  for (const Isa isa : kIsas) {
    const WithIsa capped(isa);
    EXPECT_TRUE(can_run(active_isa()));
    EXPECT_LE(active_isa(), isa);
    EXPECT_EQ(active_isa() == isa, can_run(isa));
  }
}

// Skylake and Ice Lake have AVX-512 and no AVX-VNNI: not one of its kernels may be in their tables.
TEST(Isa, only_avx_vnni_itself_runs_its_kernels) {
  const auto packed_of = [](const KernelTable& table) {
    return std::vector<PackedKernel>{table.packed_w4, table.packed_w8, table.packed_w4_k, table.packed_w6_k,
                                     table.packed_w4_g};
  };
  const std::vector<PackedKernel> own = packed_of(kAvxVnniKernels);
  for (const Isa isa : kIsas) {
    const std::vector<PackedKernel> found = packed_of(kernels_of(isa));
    for (size_t i = 0; i < own.size(); ++i) {
      EXPECT_EQ(found[i] == own[i], isa == Isa::avx_vnni) << name_of(isa);
      EXPECT_EQ(found[i] == packed_of(kAvx2Kernels)[i], isa == Isa::avx2 || isa == Isa::avx512) << name_of(isa);
    }
    EXPECT_EQ(kernels_of(isa).peak_int8 == kAvxVnniKernels.peak_int8, isa == Isa::avx_vnni) << name_of(isa);
  }
}

}  // namespace
}  // namespace kedge::cpu
