#include "serve/model_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <system_error>

namespace kedge::serve {

namespace fs = std::filesystem;

namespace {

constexpr size_t kEntriesMax = 4096;
constexpr size_t kModelsMax = 4096;

/// Entries that are not hidden, in the order of their names; at most kEntriesMax.
std::optional<std::vector<fs::path>> entries_of(const fs::path& folder, std::error_code& error) {
  fs::directory_iterator entries(folder, fs::directory_options::skip_permission_denied, error);
  std::vector<fs::path> paths;
  for (; !error && entries != fs::directory_iterator() && paths.size() < kEntriesMax; entries.increment(error)) {
    if (!entries->path().filename().string().starts_with('.')) paths.push_back(entries->path());
  }
  if (error) return std::nullopt;
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool is_gguf(const fs::path& path) {
  std::error_code ignored;
  return path.extension() == ".gguf" && fs::is_regular_file(path, ignored);
}

/// The model that the entry is, if it is one.
std::optional<FoundModel> model_at(const fs::path& entry, const std::string& prefix) {
  std::error_code ignored;
  if (is_gguf(entry)) return FoundModel{prefix + entry.stem().string(), entry};
  if (fs::is_regular_file(entry / "config.json", ignored)) return FoundModel{prefix + entry.filename().string(), entry};
  std::error_code error;
  std::vector<fs::path> files = entries_of(entry, error).value_or(std::vector<fs::path>());
  std::erase_if(files, [](const fs::path& file) { return !is_gguf(file); });
  if (files.size() != 1) return std::nullopt;
  return FoundModel{prefix + entry.filename().string(), files.front()};
}

}  // namespace

ModelSignature signature_of(const fs::path& model) {
  ModelSignature signature;
  const auto add = [&](const fs::path& file) {
    std::error_code absent;
    const auto time = fs::last_write_time(file, absent);
    const uint64_t size = absent ? 0 : fs::file_size(file, absent);
    if (!absent) signature.emplace_back(time.time_since_epoch().count(), size);
  };
  std::error_code error;
  const std::optional<std::vector<fs::path>> files = entries_of(model, error);
  if (!files) {
    add(model);
    return signature;
  }
  for (const fs::path& file : *files) add(file);
  return signature;
}

Result<std::vector<FoundModel>> list_models(const fs::path& folder) {
  std::error_code error;
  const std::optional<std::vector<fs::path>> entries = entries_of(folder, error);
  if (!entries) {
    return Error{ErrorKind::not_found,
                 fmt::format("{}: cannot be read ({}), expected a folder of models", folder.string(), error.message())};
  }
  std::vector<FoundModel> models;
  for (const fs::path& entry : *entries) {
    if (std::optional<FoundModel> model = model_at(entry, "")) {
      models.push_back(std::move(*model));
      continue;
    }
    std::error_code ignored;
    for (const fs::path& inner : entries_of(entry, ignored).value_or(std::vector<fs::path>())) {
      std::optional<FoundModel> model = model_at(inner, entry.filename().string() + "/");
      if (model && models.size() < kModelsMax) models.push_back(std::move(*model));
    }
  }
  return models;
}

}  // namespace kedge::serve
