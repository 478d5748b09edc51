#pragma once
// What a GGUF file is written from: another GGUF file, or a checkpoint folder under GGUF's names.

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/gguf.h"
#include "models/spec.h"
#include "models/weight_source.h"
#include "quantize/matrix.h"

namespace kedge::quantize {

struct GgufTensor {
  std::string name;  // GGUF's
  std::vector<int64_t> shape;
  std::vector<cpu::WeightView> stored;  // all but the last dimension as rows; parts that follow one another (experts)
  int64_t rotated_heads = 0;            // rows of so many heads go from halves to neighbouring pairs; 0: as they are
  float added = 0;                      // to every value (norms that are stored as w of 1 + w)
  std::vector<float> values;            // where nothing is stored
  DType kept_as = DType::f32;           // its type where it is not quantized

  /// All of it as floats, in the order of rows that the file will have.
  [[nodiscard]] Matrix widened_rows(WorkerPool& pool) const;
};

struct GgufModel {
  std::vector<std::pair<std::string, formats::GgufValue>> metadata;
  std::vector<GgufTensor> tensors;
  std::shared_ptr<const formats::GgufFile> file;  // that the tensors view, where they do
};

formats::GgufValue gguf_integer(int64_t value);  // u32
formats::GgufValue gguf_text(std::string value);
formats::GgufValue gguf_number(double value);  // f32
cpu::WeightView gguf_rows(const TensorView& tensor);

/// Metadata as it is, less general.alignment. Fails with unsupported where a matrix is of a block type already.
Result<GgufModel> gguf_model_of(std::shared_ptr<const formats::GgufFile> file);

/// A folder of a model that one of GGUF's architectures describes. Fails with unsupported, saying what it has that the
/// architecture has not, or what its tokenizer has that GGUF cannot say.
Result<GgufModel> gguf_model_of(const std::filesystem::path& folder, const models::WeightSource& source,
                                const models::DecoderSpec& spec);

/// The tokenizer.ggml.* keys for the tokenizer of `folder`, for a vocabulary of `size` tokens.
Result<std::vector<std::pair<std::string, formats::GgufValue>>> gguf_tokenizer(const std::filesystem::path& folder,
                                                                               int64_t size);

}  // namespace kedge::quantize
