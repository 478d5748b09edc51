// Goal: what is written in the layout of compressed-tensors is what kedge's reader of such checkpoints finds, bit for
// bit. Method: seeded matrices in every format, through a safetensors file and a weight source.

#include "quantize/compressed_tensors.h"

#include <gtest/gtest.h>

#include "core/aligned.h"
#include "formats/safetensors.h"
#include "models/quantization.h"
#include "models/tiny_model_test_support.h"
#include "quantize/overlay_source.h"
#include "quantize/random_for_tests.h"
#include "quantize/rounding.h"

namespace kedge::quantize {
namespace {

/// The matrix as kedge reads it from the tensors, or an empty one.
Matrix read_back(WorkerPool& pool, const std::vector<OwnedTensor>& tensors, const Json& config,
                 const CodedMatrix& coded) {
  const models::TemporaryFolder folder;
  std::vector<TensorView> views;
  for (const OwnedTensor& tensor : tensors) views.push_back(tensor.view());
  const auto path = folder.path() / "layer.safetensors";
  if (!formats::write_safetensors(path, views).ok()) return {};
  auto quantization = models::read_quantization(Json{{"quantization_config", config}}, "config.json");
  auto file = formats::SafetensorsFile::open(path);
  if (!quantization.ok() || !file.ok()) return {};
  const LayerSource source(nullptr, 0, file.value(), &*quantization.value());
  const auto product = source.product("model.layers.0.test", coded.rows, coded.columns, "test");
  if (!product.ok()) {
    ADD_FAILURE() << product.error().message;
    return {};
  }
  PageBuffer rows(product.value().quantized->laid_out_bytes());
  product.value().quantized->lay_out(pool, rows.data());
  return widened(pool, product.value().quantized->view(rows.data()));
}

TEST(CompressedTensors, packed_matrices_come_back) {
  WorkerPool pool(2);
  for (const int64_t rows : {1, 8, 13}) {
    const Matrix weights = random_matrix(rows, 256, static_cast<unsigned>(rows), 0.05F);
    for (const int bits : {4, 8}) {
      for (const int64_t group : {32, 64, 128, 0}) {
        for (const bool symmetric : {true, false}) {
          for (const DType type : {DType::bf16, DType::f16}) {
            const Format format{bits, group, symmetric};
            const CodedMatrix coded = round_to_nearest(pool, weights, format, type);
            const Matrix found = read_back(pool, packed_tensors("model.layers.0.test", coded),
                                           quantization_config({{"model.layers.0.test", format}}, {}, false), coded);
            EXPECT_EQ(found.values, coded.values(pool).values) << name_of(format) << ", " << rows << " rows";
          }
        }
      }
    }
  }
}

TEST(CompressedTensors, byte_matrices_come_back) {
  WorkerPool pool(1);
  const Format format{8, 0, true};
  const CodedMatrix coded = round_to_nearest(pool, random_matrix(7, 96, 4), format, DType::bf16);
  const Json config = quantization_config({{"model.layers.0.test", format}}, {}, true);
  EXPECT_EQ(read_back(pool, byte_tensors("model.layers.0.test", coded), config, coded).values,
            coded.values(pool).values);
  const auto read = models::read_quantization(Json{{"quantization_config", config}}, "config.json");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read.value()->input.kind, cpu::InputRoundingKind::int8_token);
}

TEST(CompressedTensors, one_format_targets_all_modules_and_several_name_theirs) {
  const Format narrow{4, 64, true}, wide{8, 128, true};
  const Json one = quantization_config({{"a", narrow}, {"b", narrow}}, {"lm_head"}, false);
  EXPECT_EQ(one["config_groups"]["group_0"]["targets"], Json::array({"Linear"}));
  EXPECT_EQ(one["ignore"], Json::array({"lm_head"}));
  const Json two = quantization_config({{"a", narrow}, {"b", wide}, {"c", narrow}}, {}, false);
  EXPECT_EQ(two["config_groups"]["group_0"]["targets"], Json::array({"a", "c"}));
  EXPECT_EQ(two["config_groups"]["group_1"]["targets"], Json::array({"b"}));
  EXPECT_EQ(two["config_groups"]["group_1"]["weights"]["num_bits"], 8);
}

}  // namespace
}  // namespace kedge::quantize
