#pragma once
// The files of demo/model, linked into the binary by cmake/Embed.cmake.

#include <string_view>

namespace kedge::cli {

extern const std::string_view kDemoConfig;
extern const std::string_view kDemoGenerationConfig;
extern const std::string_view kDemoTokenizer;
extern const std::string_view kDemoTokenizerConfig;
extern const std::string_view kDemoWeights;

}  // namespace kedge::cli
