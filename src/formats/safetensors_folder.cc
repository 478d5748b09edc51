#include <fmt/format.h>

#include <set>
#include <system_error>

#include "formats/message.h"
#include "formats/safetensors.h"
#include "formats/safetensors_index.h"

namespace kedge::formats {
namespace {

constexpr size_t kIndexBytesMax = size_t{256} << 20;
constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";

using WeightMap = std::map<std::string, std::string>;

/// Names every tensor that the index puts elsewhere than the shards do.
Status check_index(const WeightMap& weight_map, std::span<const std::shared_ptr<const SafetensorsFile>> files,
                   std::span<const std::string> names, const std::string& index_path) {
  std::map<std::string_view, const SafetensorsFile*> by_name;
  for (size_t i = 0; i < files.size(); ++i) by_name.emplace(names[i], files[i].get());
  for (const auto& [tensor, shard] : weight_map) {
    const SafetensorsFile& file = *by_name.at(shard);
    if (file.find(tensor) == nullptr) {
      return corrupt_tensor(file.name(), tensor, fmt::format("is missing, but {} says it is there", index_path));
    }
  }
  return Done{};
}

}  // namespace

Result<std::shared_ptr<const SafetensorsFolder>> SafetensorsFolder::open(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  WeightMap weight_map;
  const std::filesystem::path index_path = folder / kIndexFile;
  std::error_code ignored;
  // The order of transformers: a single file wins over an index.
  if (std::filesystem::exists(folder / kSingleFile, ignored)) {
    names.emplace_back(kSingleFile);
  } else if (std::filesystem::exists(index_path, ignored)) {
    KEDGE_ASSIGN(const std::string text, read_file(index_path, kIndexBytesMax));
    KEDGE_ASSIGN(weight_map, parse_safetensors_index(text, index_path.string()));
    std::set<std::string> shards;
    for (const auto& [tensor, shard] : weight_map) shards.insert(shard);
    names.assign(shards.begin(), shards.end());
  } else {
    return Error{ErrorKind::not_found,
                 fmt::format("{}: no weights, expected {} or {}", folder.string(), kSingleFile, kIndexFile)};
  }

  std::shared_ptr<SafetensorsFolder> result(new SafetensorsFolder());
  for (const std::string& name : names) {
    Result<std::shared_ptr<const SafetensorsFile>> opened = SafetensorsFile::open(folder / name);
    if (!opened.ok()) {
      Error error = opened.error();
      if (!weight_map.empty()) error.message += fmt::format(" (a shard named by {})", index_path.string());
      return error;
    }
    result->files_.push_back(std::move(opened).value());
  }
  KEDGE_TRY(check_index(weight_map, result->files_, names, index_path.string()));
  for (size_t i = 0; i < result->files_.size(); ++i) {
    for (const TensorView& tensor : result->files_[i]->tensors()) {
      const auto [place, fresh] = result->index_.try_emplace(tensor.name, i, &tensor);
      if (!fresh) {
        return corrupt_tensor(result->files_[i]->name(), tensor.name,
                              fmt::format("is also in {}", result->files_[place->second.first]->name()));
      }
    }
  }
  return std::shared_ptr<const SafetensorsFolder>(std::move(result));
}

const TensorView* SafetensorsFolder::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : found->second.second;
}

std::vector<const TensorView*> SafetensorsFolder::tensors() const {
  std::vector<const TensorView*> all;
  all.reserve(index_.size());
  for (const auto& file : files_) {
    for (const TensorView& tensor : file->tensors()) all.push_back(&tensor);
  }
  return all;
}

std::string SafetensorsFolder::file_of(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? std::string() : files_[found->second.first]->name();
}

}  // namespace kedge::formats
