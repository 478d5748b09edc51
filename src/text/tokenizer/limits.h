#pragma once
// What a tokenizer file may ask for, and what one call may: hostile files end in an error, not in a hang.

#include <cstddef>

namespace kedge::text {

inline constexpr size_t kTokenizerFileBytesMax = size_t{256} << 20;
inline constexpr size_t kTokenCountMax = size_t{1} << 22;
inline constexpr size_t kTokenBytesMax = size_t{1} << 16;
inline constexpr size_t kMergeCountMax = size_t{1} << 23;
inline constexpr size_t kAddedTokenBytesMax = 1024;
inline constexpr size_t kPipelineDepthMax = 8;  // Sequence inside Sequence
inline constexpr size_t kPipelineStepsMax = 64;
inline constexpr size_t kTextBytesMax = size_t{1} << 30;

}  // namespace kedge::text
