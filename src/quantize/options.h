#pragma once
// What a quantization is asked for.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/dtype.h"
#include "kedge/result.h"
#include "quantize/format.h"
#include "quantize/layer_quantizer.h"

namespace kedge::quantize {

enum class TargetKind : uint8_t {
  packed,  // a checkpoint folder, weights of 4 or 8 bits
  w8a8,    // a checkpoint folder, weights and activations of 8 bits
  mixed,   // a checkpoint folder, weights of 4 and 8 bits, chosen for a size
  gguf     // a GGUF file
};

struct Target {
  TargetKind kind = TargetKind::packed;
  Format format;                  // packed, w8a8
  DType gguf_type = DType::q8_0;  // gguf
};

struct Options {
  std::filesystem::path model;             // a checkpoint folder, or a .gguf file for GGUF targets
  std::filesystem::path out;               // a folder that is empty or absent, or a .gguf file
  std::string target;                      // "int4-g64", as parse_target reads it
  std::string method;                      // "rtn", "awq", "gptq", "smooth"; empty: default_method
  bool symmetric = false;                  // no zero points beside the scales of 4 bits
  bool keep_embeddings = false;            // GGUF: token embeddings and output matrix stay as stored, as in folders
  double bits = 4.25;                      // of a weight, scales counted: for mixed
  std::filesystem::path calibration_file;  // text; empty: the model writes its own
  std::filesystem::path held_file;         // text for the report; empty: what is held back, or also the model's own
  int64_t sequences = 128;                 // of calibration text
  int64_t length = 512;                    // tokens of a sequence
  int64_t held_sequences = 16;
  uint64_t seed = 1;
  unsigned threads = 0;  // 0: one per physical core
};

struct Progress {
  std::string_view stage;
  int64_t done = 0, total = 0;
};

struct Events {
  std::function<void(const Progress&)> on_progress;
  std::function<void(const std::string& line)> on_notice;
};

/// int4, int8, either with -g32, -g64 or -g128 (128 without), w8a8, mixed, q8_0, q4_0, q4_k, q6_k. Fails with
/// invalid_input.
Result<Target> parse_target(std::string_view text);

std::string_view default_method(const Target& target);

/// Fails with invalid_input where the method is unknown or not for this target.
Result<Method> parse_method(std::string_view text, const Target& target);

}  // namespace kedge::quantize
