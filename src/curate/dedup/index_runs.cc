#include "curate/dedup/index_runs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/file.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRunsMax = 1'000'000;

Error damaged(const fs::path& path, std::string_view what) {
  return {
      ErrorKind::corrupt_data,
      fmt::format("{}: {}; take a copy of the index, or remove it and run again over all inputs", path.string(), what)};
}

Status copy_over(const fs::path& from, const fs::path& to) {
  KEDGE_ASSIGN(const auto source, MappedFile::open(from));
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(to));
  KEDGE_TRY(file.write(source->bytes()));
  return file.commit();
}

}  // namespace

/// One process at a time.
class IndexRuns::Lock {
 public:
  explicit Lock(const fs::path& folder) : file_(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    while (file_ >= 0 && !held_) {
      held_ = ::flock(file_, LOCK_EX) == 0;
      if (!held_ && errno != EINTR) break;
    }
  }
  [[nodiscard]] bool held() const { return held_; }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    if (file_ >= 0) ::close(file_);
  }

 private:
  int file_;
  bool held_ = false;
};

std::string identity_of(const Job& job) {
  std::error_code code;
  std::string identity = std::filesystem::absolute(job.output, code).lexically_normal().string();
  for (const auto& input : job.inputs) {
    identity += " " + std::filesystem::absolute(input.path, code).lexically_normal().string() + " " +
                std::to_string(std::filesystem::file_size(input.path, code));
  }
  return identity;
}

IndexRuns::IndexRuns(fs::path folder, IndexKind kind, std::string identity, std::unique_ptr<Lock> lock)
    : folder_(std::move(folder)), kind_(std::move(kind)), identity_(std::move(identity)), lock_(std::move(lock)) {}
IndexRuns::IndexRuns(IndexRuns&& other) noexcept = default;
IndexRuns::~IndexRuns() = default;

Result<IndexRuns> IndexRuns::open(const fs::path& folder, IndexKind kind, std::string identity) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) return Error{ErrorKind::unavailable, folder.string() + ": cannot be made: " + code.message()};
  auto lock = std::make_unique<Lock>(folder);
  if (!lock->held()) {
    return Error{ErrorKind::unavailable, fmt::format("{}: cannot be locked: {}; two runs at once would spoil the index",
                                                     folder.string(), std::strerror(errno))};
  }
  IndexRuns index(folder, std::move(kind), std::move(identity), std::move(lock));
  for (; index.run_ < kRunsMax && fs::exists(index.manifest_path(), code); ++index.run_) {
    KEDGE_ASSIGN(const Json json, read_json_file(index.manifest_path()));
    KEDGE_ASSIGN(const bool own, index.take(json));
    index.known_ = own;
    if (own) break;
  }
  if (!index.known_) {
    fs::remove_all(index.run_folder(), code);
    fs::create_directories(index.run_folder(), code);
  }
  return index;
}

fs::path IndexRuns::run_folder() const {
  return folder_ / fmt::format("run-{:06}", run_);
}

fs::path IndexRuns::shard_path(size_t shard) const {
  return run_folder() / fmt::format("shard-{:05}.jsonl", shard);
}

Status IndexRuns::add(const std::vector<fs::path>& outputs) const {
  if (known_) return Done{};
  Json manifest = {
      {"version", 1}, {"parameters", kind_.parameters}, {"identity", identity_}, {"shards", Json::array()}};
  for (size_t shard = 0; shard < outputs.size(); ++shard) {
    const auto from = kind_.files_of(outputs[shard]);
    const auto to = kind_.files_of(shard_path(shard));
    Json checksums = Json::array();
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] != to[i]) KEDGE_TRY(copy_over(from[i], to[i]));
      KEDGE_ASSIGN(const uint64_t sum, data::file_checksum(to[i]));
      checksums.push_back(fmt::format("{:016x}", sum));
    }
    manifest["shards"].push_back(std::move(checksums));
  }
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(manifest_path()));
  KEDGE_TRY(file.write(to_text(manifest)));
  return file.commit();
}

Result<bool> IndexRuns::take(const Json& json) {
  const bool whole = json.is_object() && json.contains("parameters") && json["parameters"].is_string() &&
                     json.contains("identity") && json["identity"].is_string() && json.contains("shards") &&
                     json["shards"].is_array();
  if (!whole) return damaged(manifest_path(), "does not say what it holds");
  if (json["parameters"] != kind_.parameters) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("{}: was made with '{}', expected '{}'; choose another folder for this index",
                             folder_.string(), json["parameters"].get<std::string>(), kind_.parameters)};
  }
  if (json["identity"] == identity_) return true;
  for (size_t shard = 0; shard < json["shards"].size(); ++shard) {
    const Json& checksums = json["shards"][shard];
    const fs::path path = shard_path(shard);
    const auto files = kind_.files_of(path);
    if (!checksums.is_array() || checksums.size() != files.size()) {
      return damaged(manifest_path(), "does not say what it holds");
    }
    for (size_t i = 0; i < files.size(); ++i) {
      KEDGE_ASSIGN(const uint64_t sum, data::file_checksum(files[i]));
      if (checksums[i] != fmt::format("{:016x}", sum)) return damaged(files[i], "is not what was written there");
    }
    earlier_.push_back(path);
  }
  return false;
}

}  // namespace kedge::curate
