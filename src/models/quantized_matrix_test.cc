// Goal: weights of quantized checkpoints have exactly the values that their formats define, and a damaged one is
// refused with one message. Method: every matrix of the reference checkpoints by checksum; random codes, scales, zero
// points and column orders written in each layout from its formula, in several group sizes; then each tensor missing,
// of another shape or type, or out of range.

#include "models/quantized_matrix.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <random>

#include "core/half.h"
#include "formats/sha256_for_tests.h"
#include "models/weight_source.h"

namespace kedge::models {
namespace {

namespace fs = std::filesystem;

std::vector<float> dequantized(const QuantizedMatrix& matrix) {
  WorkerPool pool(2);
  std::vector<std::byte> rows(matrix.laid_out_bytes());
  matrix.lay_out(pool, rows.data());
  const cpu::WeightView view = matrix.view(rows.data());
  std::vector<float> values(static_cast<size_t>(view.rows * view.columns));
  for (int64_t n = 0; n < view.rows; ++n) cpu::dequantize_row(view, n, values.data() + n * view.columns);
  return values;
}

TEST(QuantizedMatrix, every_reference_matrix_by_checksum) {
  const fs::path root = fs::path(KEDGE_SOURCE_DIR) / ".." / "shared" / "data" / "quant";
  if (!fs::is_directory(root)) GTEST_SKIP() << root << " is absent: quantized checkpoints are NOT TESTED";
  size_t folders = 0, matrices = 0;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const auto source = WeightSource::open(entry.path());
    ASSERT_TRUE(source.ok()) << source.error().message;
    ASSERT_NE(source.value()->quantization(), nullptr);
    const auto expected = read_json_file(entry.path() / "expected.json");
    ASSERT_TRUE(expected.ok());
    ++folders;
    for (const auto& item : expected.value()["dequantized_weights"].items()) {
      const std::string name = item.key().substr(0, item.key().size() - std::string(".weight").size());
      const auto shape = item.value()["shape"].get<std::vector<int64_t>>();
      const auto matrix =
          QuantizedMatrix::find(*source.value(), *source.value()->quantization(), name, shape[0], shape[1]);
      ASSERT_TRUE(matrix.ok()) << matrix.error().message;
      ASSERT_NE(matrix.value(), nullptr) << name;
      const std::vector<float> values = dequantized(*matrix.value());
      EXPECT_EQ(formats::sha256_hex(std::as_bytes(std::span(values))), item.value()["sha256"].get<std::string>())
          << name;
      ++matrices;
    }
  }
  EXPECT_GE(folders, 12U);
  EXPECT_GE(matrices, folders * 7);
}

/// Tensors in memory under their names.
class MemorySource final : public WeightSource {
 public:
  explicit MemorySource(Json settings) {
    config_["quantization_config"] = std::move(settings);
    auto read = read_quantization(config_, name_);
    EXPECT_TRUE(read.ok()) << read.error().message;
    quantization_ = std::move(read).value();
  }
  template <typename T>
  void add(const std::string& name, DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
    std::vector<std::byte>& bytes = bytes_[name];
    bytes.resize(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    tensors_[name] = {name, dtype, std::move(shape), bytes};
  }
  TensorView& at(const std::string& name) { return tensors_.at(name); }
  void erase(const std::string& name) { tensors_.erase(name); }
  std::byte* bytes(const std::string& name) { return bytes_.at(name).data(); }

  [[nodiscard]] const Json& config() const override { return config_; }
  [[nodiscard]] const std::string& config_name() const override { return name_; }
  [[nodiscard]] std::string_view format() const override { return "memory"; }
  [[nodiscard]] const Quantization* quantization() const override { return &*quantization_; }
  [[nodiscard]] const TensorView* find(std::string_view name) const override {
    const auto found = tensors_.find(std::string(name));
    return found == tensors_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] std::vector<const TensorView*> tensors() const override {
    std::vector<const TensorView*> all;
    for (const auto& [name, tensor] : tensors_) all.push_back(&tensor);
    return all;
  }
  [[nodiscard]] std::string file_of(std::string_view) const override { return "model.safetensors"; }

 private:
  Json config_;
  std::string name_ = "config.json";
  std::optional<Quantization> quantization_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::vector<std::byte>> bytes_;
};

/// What a matrix means, before any layout.
struct Meaning {
  int64_t rows = 16, columns = 128, group = 32;
  int bits = 4;
  std::vector<uint32_t> codes;    // [rows, columns]
  std::vector<uint32_t> zeros;    // [rows, groups]
  std::vector<uint16_t> scales;   // [rows, groups], f16
  std::vector<int32_t> group_of;  // [columns]

  Meaning(int64_t row_count, int64_t column_count, int64_t group_size, int code_bits, bool shuffled)
      : rows(row_count), columns(column_count), group(group_size), bits(code_bits) {
    std::mt19937 random(static_cast<uint32_t>(rows * 31 + columns * 7 + group + bits));
    const uint32_t mask = (1U << bits) - 1;
    for (int64_t i = 0; i < rows * columns; ++i) codes.push_back(random() & mask);
    for (int64_t i = 0; i < rows * groups(); ++i) {
      zeros.push_back(random() & mask);
      scales.push_back(f32_to_f16(0.001F + static_cast<float>(random() % 1000) / 20000.0F));
    }
    for (int64_t k = 0; k < columns; ++k) group_of.push_back(static_cast<int32_t>(k / group));
    if (shuffled) std::shuffle(group_of.begin(), group_of.end(), random);
  }
  [[nodiscard]] int64_t groups() const { return columns / group; }
  [[nodiscard]] uint32_t code(int64_t n, int64_t k) const { return codes[static_cast<size_t>(n * columns + k)]; }
  [[nodiscard]] uint32_t zero(int64_t n, int64_t g) const { return zeros[static_cast<size_t>(n * groups() + g)]; }
  [[nodiscard]] uint16_t scale(int64_t n, int64_t g) const { return scales[static_cast<size_t>(n * groups() + g)]; }

  /// (code - zero) * scale.
  [[nodiscard]] std::vector<float> values() const {
    std::vector<float> out;
    for (int64_t n = 0; n < rows; ++n) {
      for (int64_t k = 0; k < columns; ++k) {
        const int64_t g = group_of[static_cast<size_t>(k)];
        const int difference = static_cast<int>(code(n, k)) - static_cast<int>(zero(n, g));
        out.push_back(static_cast<float>(difference) * f16_to_f32(scale(n, g)));
      }
    }
    return out;
  }
};

using Element = std::function<uint32_t(int64_t, int64_t)>;

/// Words [outer, inner / p]: element (i, j) in word (i, j / p) from bit bits * place(j % p) on.
std::vector<uint32_t> packed_along_inner(int64_t outer, int64_t inner, int bits, const Element& element,
                                         const std::vector<int>& places = {}) {
  const int64_t per_word = 32 / bits, words = (inner + per_word - 1) / per_word;
  std::vector<uint32_t> out(static_cast<size_t>(outer * words), 0);
  for (int64_t i = 0; i < outer; ++i) {
    for (int64_t j = 0; j < inner; ++j) {
      const auto place = static_cast<int>(j % per_word);
      const int shift = bits * (places.empty() ? place : places[static_cast<size_t>(place)]);
      out[static_cast<size_t>(i * words + j / per_word)] |= element(i, j) << shift;
    }
  }
  return out;
}
/// Words [outer / p, inner]: element (i, j) in word (i / p, j).
std::vector<uint32_t> packed_along_outer(int64_t outer, int64_t inner, int bits, const Element& element) {
  const int64_t per_word = 32 / bits, words = (outer + per_word - 1) / per_word;
  std::vector<uint32_t> out(static_cast<size_t>(words * inner), 0);
  for (int64_t i = 0; i < outer; ++i) {
    for (int64_t j = 0; j < inner; ++j) {
      out[static_cast<size_t>(i / per_word * inner + j)] |= element(i, j) << (bits * static_cast<int>(i % per_word));
    }
  }
  return out;
}

std::vector<uint16_t> scales_by_group(const Meaning& m) {
  std::vector<uint16_t> out;
  for (int64_t g = 0; g < m.groups(); ++g) {
    for (int64_t n = 0; n < m.rows; ++n) out.push_back(m.scale(n, g));
  }
  return out;
}

MemorySource gptq(const Meaning& m, bool first_format) {
  MemorySource source(
      Json{{"quant_method", "gptq"}, {"bits", m.bits}, {"checkpoint_format", first_format ? "gptq" : "gptq_v2"}});
  const int64_t p = 32 / m.bits;
  const uint32_t mask = (1U << m.bits) - 1;
  source.add("m.qweight", DType::i32, {m.columns / p, m.rows},
             packed_along_outer(m.columns, m.rows, m.bits, [&](int64_t k, int64_t n) { return m.code(n, k); }));
  source.add("m.qzeros", DType::i32, {m.groups(), (m.rows + p - 1) / p},
             packed_along_inner(m.groups(), m.rows, m.bits, [&](int64_t g, int64_t n) {
               return first_format ? (m.zero(n, g) - 1) & mask : m.zero(n, g);
             }));
  source.add("m.scales", DType::f16, {m.groups(), m.rows}, scales_by_group(m));
  source.add("m.g_idx", DType::i32, {m.columns}, m.group_of);
  return source;
}

MemorySource awq(const Meaning& m) {
  MemorySource source(Json{{"quant_method", "awq"}, {"bits", 4}, {"version", "gemm"}});
  const std::vector<int> places = {0, 4, 1, 5, 2, 6, 3, 7};
  source.add("m.qweight", DType::i32, {m.columns, m.rows / 8},
             packed_along_inner(m.columns, m.rows, 4, [&](int64_t k, int64_t n) { return m.code(n, k); }, places));
  source.add("m.qzeros", DType::i32, {m.groups(), m.rows / 8},
             packed_along_inner(m.groups(), m.rows, 4, [&](int64_t g, int64_t n) { return m.zero(n, g); }, places));
  source.add("m.scales", DType::f16, {m.groups(), m.rows}, scales_by_group(m));
  return source;
}

MemorySource compressed(const Meaning& m) {
  MemorySource source(Json{{"quant_method", "compressed-tensors"},
                           {"format", "pack-quantized"},
                           {"config_groups", {{"group_0", {{"weights", {{"num_bits", m.bits}}}}}}}});
  const int64_t p = 32 / m.bits;
  source.add("m.weight_packed", DType::i32, {m.rows, m.columns / p},
             packed_along_inner(m.rows, m.columns, m.bits, [&](int64_t n, int64_t k) { return m.code(n, k); }));
  source.add("m.weight_zero_point", DType::i32, {(m.rows + p - 1) / p, m.groups()},
             packed_along_outer(m.rows, m.groups(), m.bits, [&](int64_t n, int64_t g) { return m.zero(n, g); }));
  source.add("m.weight_scale", DType::f16, {m.rows, m.groups()}, m.scales);
  source.add("m.weight_shape", DType::i64, {2}, std::vector<int64_t>{m.rows, m.columns});
  source.add("m.weight_g_idx", DType::i32, {m.columns}, m.group_of);
  return source;
}

Result<std::shared_ptr<const QuantizedMatrix>> find(const MemorySource& source, int64_t rows, int64_t columns) {
  return QuantizedMatrix::find(source, *source.quantization(), "m", rows, columns);
}

void expect_values(const MemorySource& source, const Meaning& m) {
  SCOPED_TRACE(testing::Message() << "[" << m.rows << ", " << m.columns << "], groups of " << m.group << ", " << m.bits
                                  << " bits");
  const auto matrix = find(source, m.rows, m.columns);
  ASSERT_TRUE(matrix.ok()) << matrix.error().message;
  ASSERT_NE(matrix.value(), nullptr);
  EXPECT_EQ(dequantized(*matrix.value()), m.values());
}

TEST(QuantizedMatrix, group_sizes_and_column_orders_in_every_layout) {
  for (const int64_t columns : {128, 256, 384}) {
    for (const int64_t group : {32, 64, 128, static_cast<int>(columns)}) {
      for (const bool shuffled : {false, true}) {
        for (const int bits : {2, 4, 8}) {
          const Meaning m(24, columns, group, bits, shuffled);
          expect_values(gptq(m, true), m);
          expect_values(gptq(m, false), m);
          if (bits > 2) expect_values(compressed(m), m);
          if (bits == 4 && !shuffled) expect_values(awq(m), m);
        }
      }
    }
  }
}

/// A product through the laid out rows equals one through the same values in f32.
TEST(QuantizedMatrix, products_follow_the_column_order) {
  const Meaning m(40, 256, 64, 4, true);
  const MemorySource source = gptq(m, true);
  const auto matrix = find(source, m.rows, m.columns);
  ASSERT_TRUE(matrix.ok());
  WorkerPool pool(2);
  std::vector<std::byte> rows(matrix.value()->laid_out_bytes());
  matrix.value()->lay_out(pool, rows.data());
  const std::vector<float> values = m.values();
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(5 * m.columns));
  for (float& element : x) element = normal(random);
  std::vector<float> y(static_cast<size_t>(5 * m.rows)), expected(y.size());
  cpu::matmul(pool, matrix.value()->view(rows.data()), {x.data(), m.columns, 5}, {y.data(), m.rows}, nullptr,
              cpu::MatmulCompute::f32);
  cpu::matmul(pool,
              {.data = reinterpret_cast<const std::byte*>(values.data()),
               .rows = m.rows,
               .columns = m.columns,
               .row_stride = static_cast<size_t>(m.columns) * sizeof(float)},
              {x.data(), m.columns, 5}, {expected.data(), m.rows}, nullptr, cpu::MatmulCompute::f32);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-4F) << i;
}

// Damage.

struct Damage {
  const char* what;
  std::function<void(MemorySource&)> apply;
  const char* told;
};

void expect_refused(const std::function<MemorySource()>& make, const std::vector<Damage>& damages) {
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.what);
    MemorySource source = make();
    damage.apply(source);
    const auto matrix = find(source, 24, 128);
    ASSERT_FALSE(matrix.ok());
    EXPECT_NE(matrix.error().message.find(damage.told), std::string::npos) << matrix.error().message;
  }
}

TEST(QuantizedMatrix, damaged_gptq_is_refused) {
  const Meaning m(24, 128, 32, 4, true);
  expect_refused(
      [&] { return gptq(m, true); },
      {{"no zeros", [](MemorySource& s) { s.erase("m.qzeros"); }, "'m.qzeros' is missing"},
       {"no scales", [](MemorySource& s) { s.erase("m.scales"); }, "'m.scales' is missing"},
       {"codes in bytes", [](MemorySource& s) { s.at("m.qweight").dtype = DType::u8; }, "dtype U8, expected I32"},
       {"other outputs", [](MemorySource& s) { s.at("m.qweight").shape = {16, 23}; }, "has shape [16, 23]"},
       {"3 bits", [](MemorySource& s) { s.at("m.qweight").shape = {12, 24}; }, "codes of 3 bits, expected 2, 4 or 8"},
       {"no word", [](MemorySource& s) { s.at("m.qweight").shape = {0, 24}; }, "0 rows of words"},
       {"uneven groups", [](MemorySource& s) { s.at("m.scales").shape = {3, 24}; }, "3 groups, expected"},
       {"a group too far", [](MemorySource& s) { std::memset(s.bytes("m.g_idx"), 4, 1); },
        "into group 4, expected 0 to 3"},
       {"a negative group", [](MemorySource& s) { std::memset(s.bytes("m.g_idx"), 0xff, 4); }, "into group -1"},
       {"all in one group", [](MemorySource& s) { std::memset(s.bytes("m.g_idx"), 0, 128 * 4); },
        "puts 128 columns into group 0, expected 32"}});
}

TEST(QuantizedMatrix, damaged_awq_and_compressed_tensors_are_refused) {
  const Meaning m(24, 128, 32, 4, false);
  expect_refused(
      [&] { return awq(m); },
      {{"other columns", [](MemorySource& s) { s.at("m.qweight").shape = {127, 3}; }, "has shape [127, 3]"},
       {"no zeros", [](MemorySource& s) { s.erase("m.qzeros"); }, "'m.qzeros' is missing"},
       {"scales of integers", [](MemorySource& s) { s.at("m.scales").dtype = DType::i32; }, "expected F16 or BF16"}});
  expect_refused(
      [&] { return compressed(m); },
      {{"another shape", [](MemorySource& s) { std::memset(s.bytes("m.weight_shape"), 7, 1); },
        "says [7, 128], expected [24, 128]"},
       {"5 bits", [](MemorySource& s) { s.at("m.weight_packed").shape = {24, 20}; }, "expected 2, 4 or 8"},
       {"zeros by row", [](MemorySource& s) { s.at("m.weight_zero_point").shape = {24, 4}; }, "has shape [24, 4]"}});
}

MemorySource fp8(int64_t rows, int64_t columns, std::vector<int64_t> scale_shape, Json settings) {
  settings["quant_method"] = "fp8";
  MemorySource source(std::move(settings));
  const int64_t count = std::accumulate(scale_shape.begin(), scale_shape.end(), int64_t{1}, std::multiplies<>());
  source.add("m.weight", DType::f8_e4m3, {rows, columns},
             std::vector<uint8_t>(static_cast<size_t>(rows * columns), 0x38));
  source.add("m.weight_scale_inv", DType::f32, std::move(scale_shape),
             std::vector<float>(static_cast<size_t>(count), 2.0F));
  source.add("m.activation_scale", DType::f32, {}, std::vector<float>{0.5F});
  return source;
}

TEST(QuantizedMatrix, damaged_fp8_is_refused) {
  const Json blocks = {{"weight_block_size", {16, 64}}};
  ASSERT_TRUE(find(fp8(24, 128, {2, 2}, blocks), 24, 128).ok());
  expect_refused(
      [&] { return fp8(24, 128, {2, 2}, blocks); },
      {{"one block less", [](MemorySource& s) { s.at("m.weight_scale_inv").shape = {1, 2}; },
        "[2, 2] (blocks of 16 x 64)"},
       {"no scales but a mark", [](MemorySource& s) { s.at("m.weight").dtype = DType::f32; }, "has dtype F32"}});
  const Json fixed = {{"activation_scheme", "static"}};
  ASSERT_TRUE(find(fp8(24, 128, {}, fixed), 24, 128).ok());
  expect_refused([&] { return fp8(24, 128, {}, fixed); },
                 {{"no activation scale", [](MemorySource& s) { s.erase("m.activation_scale"); },
                   "'m.activation_scale' is missing"},
                  {"a scale of 0", [](MemorySource& s) { std::memset(s.bytes("m.activation_scale"), 0, 4); },
                   "one scale above 0"}});
}

TEST(QuantizedMatrix, sizes_that_blocks_do_not_hold_are_refused) {
  const auto columns = find(fp8(24, 100, {}, Json::object()), 24, 100);
  ASSERT_FALSE(columns.ok());
  EXPECT_NE(columns.error().message.find("100 columns, expected a multiple of 32"), std::string::npos);
  const Meaning m(24, 128, 16, 4, false);
  const auto groups = find(gptq(m, true), 24, 128);
  ASSERT_FALSE(groups.ok());
  EXPECT_NE(groups.error().message.find("groups of 16 columns"), std::string::npos) << groups.error().message;
}

TEST(QuantizedMatrix, an_unquantized_matrix_is_none) {
  MemorySource source(Json{{"quant_method", "gptq"}});
  source.add("m.weight", DType::f32, {24, 128}, std::vector<float>(24 * 128));
  const auto matrix = find(source, 24, 128);
  ASSERT_TRUE(matrix.ok());
  EXPECT_EQ(matrix.value(), nullptr);
}

TEST(Quantization, unknown_settings_are_refused_by_name) {
  const std::pair<Json, const char*> kCases[] = {
      {{{"quant_method", "bitsandbytes"}}, "quant_method is 'bitsandbytes', expected gptq, awq"},
      {{{"quant_method", "gptq"}, {"checkpoint_format", "marlin"}}, "checkpoint_format is 'marlin'"},
      {{{"quant_method", "awq"}, {"version", "gemv"}}, "version is 'gemv'"},
      {{{"quant_method", "fp8"}, {"fmt", "e5m2"}}, "fmt is 'e5m2'"},
      {{{"quant_method", "fp8"}, {"activation_scheme", "later"}}, "activation_scheme is 'later'"},
      {{{"quant_method", "fp8"}, {"weight_block_size", {0, 128}}}, "weight_block_size holds 0"},
      {{{"quant_method", "compressed-tensors"}, {"format", "marlin-24"}}, "format is 'marlin-24'"}};
  for (const auto& [settings, told] : kCases) {
    const auto read = read_quantization(Json{{"quantization_config", settings}}, "config.json");
    ASSERT_FALSE(read.ok());
    EXPECT_NE(read.error().message.find(told), std::string::npos) << read.error().message;
  }
}

}  // namespace
}  // namespace kedge::models
