#include "net/hub_select.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

namespace kedge::net {
namespace {

// What other programs read in the place of model*.safetensors.
constexpr const char* kForeignWeights[] = {"*.bin",
                                           "*.pth",
                                           "*.pt",
                                           "*.ckpt",
                                           "*.h5",
                                           "*.msgpack",
                                           "*.ot",
                                           "*.onnx",
                                           "*.onnx_data",
                                           "*.tflite",
                                           "*.gguf",
                                           "onnx/*",
                                           "openvino/*",
                                           "coreml/*",
                                           "original/*",
                                           "metal/*",
                                           "consolidated*.safetensors"};

bool matches_any(const std::string& path, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches_pattern(path, pattern); });
}

bool is_foreign(const std::string& path) {
  return std::ranges::any_of(kForeignWeights, [&](const char* pattern) { return matches_pattern(path, pattern); });
}

bool has_safetensors(const std::vector<HubFile>& files) {
  return std::ranges::any_of(files,
                             [](const HubFile& file) { return matches_pattern(file.path, "model*.safetensors"); });
}

/// Several GGUF files are usually one model quantized in many ways: a lot of bytes of which the user wants one.
Status one_gguf(const std::vector<HubFile>& files, const std::string& repository) {
  constexpr size_t kListedMax = 40;
  std::vector<std::string> names;
  for (const HubFile& file : files) {
    if (!matches_pattern(file.path, "*.gguf")) continue;
    names.push_back(file.size == 0 ? file.path
                                   : fmt::format("{} ({:.1f} GB)", file.path, static_cast<double>(file.size) / 1e9));
  }
  if (names.size() < 2) return Done{};
  const size_t count = names.size();
  names.resize(std::min(count, kListedMax));
  return Error{ErrorKind::invalid_input,
               fmt::format("{} holds {} GGUF files; choose with --include NAME, or take all with --all: {}{}",
                           repository, count, fmt::join(names, ", "), count > kListedMax ? ", ..." : "")};
}

}  // namespace

bool matches_pattern(std::string_view path, const std::string& pattern) {
  const std::string whole = pattern.ends_with('/') ? pattern + "*" : pattern;
  return ::fnmatch(whole.c_str(), std::string(path).c_str(), FNM_NOESCAPE) == 0;
}

Result<HubSelected> select_files(const std::vector<HubFile>& files, const HubSelection& selection,
                                 const std::string& repository) {
  HubSelected selected;
  const bool by_default = !selection.everything && selection.include.empty();
  const bool skip_foreign = by_default && has_safetensors(files);
  for (const HubFile& file : files) {
    if (!selection.include.empty() && !matches_any(file.path, selection.include)) continue;
    if (matches_any(file.path, selection.exclude)) continue;
    (skip_foreign && is_foreign(file.path) ? selected.skipped : selected.files).push_back(file);
  }
  if (selected.files.empty()) {
    std::vector<std::string> names;
    for (const HubFile& file : files) names.push_back(file.path);
    names.resize(std::min<size_t>(names.size(), 20));
    return Error{ErrorKind::invalid_input,
                 fmt::format("none of the {} files of {} matches the patterns; it holds {}", files.size(), repository,
                             names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", ")))};
  }
  if (by_default && selection.exclude.empty()) KEDGE_TRY(one_gguf(selected.files, repository));
  return selected;
}

}  // namespace kedge::net
