#include "quantize/checkpoint_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <system_error>

#include "core/file.h"
#include "formats/safetensors.h"

namespace kedge::quantize {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStateFile = "quantize.state.json";
constexpr std::string_view kReportFile = "quantization_report.json";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";
constexpr std::string_view kTemporaryMark = ".tmp-";  // of AtomicFile

/// Weights, and what says where they are.
bool is_copied(const fs::path& file) {
  constexpr std::array<std::string_view, 9> kWeights = {".safetensors", ".bin", ".pt",      ".pth", ".gguf",
                                                        ".h5",          ".ot",  ".msgpack", ".onnx"};
  const std::string name = file.filename().string();
  if (name == "config.json" || name == kReportFile || name == "quantize_config.json") return false;
  return !name.ends_with(".index.json") &&
         std::ranges::none_of(kWeights, [&](std::string_view end) { return name.ends_with(end); });
}

std::string indented(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Error io_error(const fs::path& path, const std::error_code& error) {
  return Error{ErrorKind::unavailable, fmt::format("{}: {}", path.string(), error.message())};
}

Status check_identity(const fs::path& path, const Json& found, const Json& wanted) {
  for (const auto& [key, value] : wanted.items()) {
    if (found.is_object() && found.contains(key) && found[key] == value) continue;
    const std::string before = found.is_object() && found.contains(key) ? to_text(found[key]) : "nothing";
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}: holds a quantization that was begun with {} {}, now it is {}; give the same options "
                             "to go on with it, or another folder",
                             path.string(), key, before, to_text(value))};
  }
  return Done{};
}

/// What a killed run left half written.
void remove_temporaries(const fs::path& path) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    if (entry.path().filename().string().find(kTemporaryMark) != std::string::npos) fs::remove(entry.path(), ignored);
  }
}

}  // namespace

Status write_text(const fs::path& path, std::string_view text) {
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path));
  KEDGE_TRY(file.write(text));
  return file.commit();
}

Result<CheckpointFolder> CheckpointFolder::open(const fs::path& path, const Json& identity, int64_t shard_count) {
  CheckpointFolder folder(path, shard_count);
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return io_error(path, error);
  if (fs::exists(path / kStateFile, error)) {
    KEDGE_ASSIGN(folder.state_, read_json_file(path / kStateFile));
    const bool whole = folder.state_.is_object() && folder.state_.contains("identity") &&
                       folder.state_.contains("notes") && folder.state_["notes"].is_object();
    if (!whole) {
      return Error{ErrorKind::corrupt_data, fmt::format("{}: is no state of a quantization; remove the folder {}",
                                                        (path / kStateFile).string(), path.string())};
    }
    KEDGE_TRY(check_identity(path, folder.state_["identity"], identity));
    remove_temporaries(path);
    folder.resumed_ = true;
    return folder;
  }
  if (!fs::is_empty(path, error) || error) {
    return Error{ErrorKind::invalid_input, fmt::format("{}: is not empty; give a new folder", path.string())};
  }
  folder.state_ = {{"identity", identity}, {"notes", Json::object()}};
  KEDGE_TRY(folder.keep_notes());
  return folder;
}

Status CheckpointFolder::keep_notes() const {
  return write_text(path_ / kStateFile, to_text(state_));
}

fs::path CheckpointFolder::shard_path(int64_t shard) const {
  return path_ / fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards_);
}

Status CheckpointFolder::write_shard(int64_t shard, std::span<const TensorView> tensors) const {
  return formats::write_safetensors(shard_path(shard), tensors, {{"format", "pt"}});
}

Status CheckpointFolder::write_index() const {
  std::map<std::string, std::string> map;
  uint64_t bytes = 0;
  for (int64_t shard = 0; shard < shards_; ++shard) {
    KEDGE_ASSIGN(const auto file, formats::SafetensorsFile::open(shard_path(shard)));
    for (const TensorView& tensor : file->tensors()) {
      map.emplace(tensor.name, shard_path(shard).filename().string());
      bytes += tensor.data.size();
    }
  }
  return write_text(path_ / kIndexFile,
                    to_text(Json{{"metadata", {{"total_size", bytes}}}, {"weight_map", map}}) + "\n");
}

Status CheckpointFolder::copy_files(const fs::path& source) const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(source, error)) {
    if (!entry.is_regular_file() || !is_copied(entry.path())) continue;
    KEDGE_ASSIGN(const auto file, MappedFile::open(entry.path()));
    KEDGE_ASSIGN(AtomicFile copy, AtomicFile::create(path_ / entry.path().filename()));
    KEDGE_TRY(copy.write(file->bytes()));
    KEDGE_TRY(copy.commit());
  }
  return error ? Status(io_error(source, error)) : Status(Done{});
}

Status CheckpointFolder::complete(const fs::path& source, const Json& config) const {
  KEDGE_TRY(write_index());
  KEDGE_TRY(copy_files(source));
  return write_text(path_ / "config.json", indented(config));
}

Status CheckpointFolder::close(const Json& report) const {
  KEDGE_TRY(write_text(path_ / kReportFile, indented(report)));
  std::error_code error;
  fs::remove(path_ / kStateFile, error);
  return error ? Status(io_error(path_ / kStateFile, error)) : Status(Done{});
}

}  // namespace kedge::quantize
