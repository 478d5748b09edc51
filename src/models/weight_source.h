#pragma once
// Where a model's settings and tensors come from: a checkpoint folder or a GGUF file, both under the names of
// Hugging Face checkpoints, so that a family is written once.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/tensor.h"
#include "core/thread_pool.h"
#include "cpu/ops.h"
#include "kedge/result.h"
#include "models/quantization.h"
#include "models/quantized_matrix.h"

namespace kedge::models {

/// A matrix that products read.
struct StoredProduct {
  cpu::WeightView weight;                            // without data where it is still to be laid out:
  std::shared_ptr<const QuantizedMatrix> quantized;  // from this; else null
};

/// Immutable; every view it gives lives as long as the source.
class WeightSource {
 public:
  /// A folder with config.json and safetensors, or a .gguf file. Fails with not_found, corrupt_data or unsupported.
  static Result<std::shared_ptr<const WeightSource>> open(const std::filesystem::path& path);

  virtual ~WeightSource() = default;

  /// config.json (its text_config where the checkpoint is multimodal), or GGUF metadata under the same names.
  [[nodiscard]] virtual const Json& config() const = 0;
  /// What messages call the settings ("config.json").
  [[nodiscard]] virtual const std::string& config_name() const = 0;
  [[nodiscard]] virtual std::string_view format() const = 0;

  /// The tensor under its Hugging Face name, or null.
  [[nodiscard]] virtual const TensorView* find(std::string_view name) const = 0;
  [[nodiscard]] virtual std::vector<const TensorView*> tensors() const = 0;
  /// The file that holds (or should hold) `name`, for messages.
  [[nodiscard]] virtual std::string file_of(std::string_view name) const = 0;

  /// Nothing reads these bytes of a tensor any more: their memory may be given back.
  virtual void forget(std::span<const std::byte>) const {}

  /// How its matrices are quantized; null: they are stored in types that kernels read.
  [[nodiscard]] virtual const Quantization* quantization() const { return nullptr; }
  /// Takes the memory that the tensors need and fills it, where they lie in no file (models/random_source.h). Called at
  /// most once, before anything keeps a view. `packed`: matrices that have a packed form are read only to pack them.
  virtual Status materialize(WorkerPool& /*pool*/, bool /*packed*/) const { return Done{}; }

  /// q and k rows are stored in the order of neighbouring-pair rotation (GGUF's llama architecture).
  [[nodiscard]] virtual bool interleaved_rope() const { return false; }
  /// Gemma's norm weights are stored as 1 + w (GGUF).
  [[nodiscard]] virtual bool norms_include_one() const { return false; }

  /// What is told of a tensor: its type by name, and how many of the model's parameters it holds.
  struct Description {
    std::string_view type;
    uint64_t parameters = 0;
  };
  [[nodiscard]] Description describe(const TensorView& tensor) const;

  // Checked access. `because` says where the expected sizes come from, for the message.

  /// A matrix of exactly [rows, columns] in any type that kernels read.
  [[nodiscard]] Result<cpu::WeightView> matrix(std::string_view name, int64_t rows, int64_t columns,
                                               std::string_view because) const;
  /// The matrix `name` (without ".weight"), quantized or not.
  [[nodiscard]] Result<StoredProduct> product(std::string_view name, int64_t rows, int64_t columns,
                                              std::string_view because) const;
  /// Slice `index` of a [count, rows, columns] tensor.
  [[nodiscard]] Result<cpu::WeightView> slice(std::string_view name, int64_t index, int64_t count, int64_t rows,
                                              int64_t columns) const;
  /// A vector of exactly `size`, widened to f32.
  [[nodiscard]] Result<std::vector<float>> vector(std::string_view name, int64_t size) const;

 protected:
  /// Columns that share a scale in matrices of INT4 and INT8; 0: those of a block.
  [[nodiscard]] virtual int64_t scale_columns() const { return 0; }
  /// `find`, for a tensor that must have this shape.
  [[nodiscard]] virtual const TensorView* find_shaped(std::string_view name,
                                                      const std::vector<int64_t>& /*shape*/) const {
    return find(name);
  }

 private:
  [[nodiscard]] Result<const TensorView*> checked(std::string_view name, std::vector<int64_t> shape,
                                                  std::string_view because) const;
};

/// The settings of a config.json: those of the language model (text_config) over the top ones where a checkpoint is
/// multimodal. Fails with not_found or corrupt_data.
Result<Json> read_config_file(const std::filesystem::path& path);

}  // namespace kedge::models
