#include "curate/dedup/index.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/json.h"
#include "curate/dedup/keys.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRunsMax = 1'000'000;

/// One process at a time.
class IndexLock {
 public:
  explicit IndexLock(const fs::path& folder)
      : file_(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    while (file_ >= 0 && !held_) {
      held_ = ::flock(file_, LOCK_EX) == 0;
      if (!held_ && errno != EINTR) break;
    }
  }
  [[nodiscard]] bool held() const { return held_; }
  IndexLock(const IndexLock&) = delete;
  IndexLock& operator=(const IndexLock&) = delete;
  ~IndexLock() {
    if (file_ >= 0) ::close(file_);
  }

 private:
  int file_;
  bool held_ = false;
};

std::vector<fs::path> paths_of(const KeyFiles& files) {
  return {files.keys, files.offsets, files.shingles, files.ids};
}

std::string parameters_of(const DedupOptions& options) {
  return fmt::format("{} normalize {} params {} shingles {}", options.method == DedupMethod::exact ? "exact" : "fuzzy",
                     static_cast<int>(options.normalization), static_cast<int>(options.parameters), options.verify);
}

Error damaged(const fs::path& path, std::string_view what) {
  return {
      ErrorKind::corrupt_data,
      fmt::format("{}: {}; take a copy of the index, or remove it and run again over all inputs", path.string(), what)};
}

class Index {
 public:
  /// Finds the runs of the index that lie before this one.
  static Result<Index> open(const DedupOptions& options, std::string identity) {
    Index index(options.index, parameters_of(options), std::move(identity));
    std::error_code code;
    for (; index.run_ < kRunsMax && fs::exists(index.manifest_path(), code); ++index.run_) {
      KEDGE_ASSIGN(const Json json, read_json_file(index.manifest_path()));
      KEDGE_ASSIGN(const bool own, index.take(json));
      index.known_ = own;
      if (own) break;
    }
    return index;
  }

  [[nodiscard]] const std::vector<fs::path>& earlier() const { return earlier_; }

  Status add(const std::vector<fs::path>& outputs) const {
    if (known_) return Done{};
    std::error_code code;
    fs::create_directories(run_folder(), code);
    Json manifest = {{"version", 1}, {"parameters", parameters_}, {"identity", identity_}, {"shards", Json::array()}};
    for (size_t shard = 0; shard < outputs.size(); ++shard) {
      const auto from = paths_of(key_files_of(outputs[shard]));
      const auto to = paths_of(key_files_of(shard_path(shard)));
      Json checksums = Json::array();
      for (size_t i = 0; i < from.size(); ++i) {
        KEDGE_TRY(copy(from[i], to[i]));
        KEDGE_ASSIGN(const uint64_t sum, data::file_checksum(to[i]));
        checksums.push_back(fmt::format("{:016x}", sum));
      }
      manifest["shards"].push_back(std::move(checksums));
    }
    KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(manifest_path()));
    KEDGE_TRY(file.write(to_text(manifest)));
    return file.commit();
  }

 private:
  Index(fs::path folder, std::string parameters, std::string identity)
      : folder_(std::move(folder)), parameters_(std::move(parameters)), identity_(std::move(identity)) {}

  [[nodiscard]] fs::path run_folder() const { return folder_ / fmt::format("run-{:06}", run_); }
  [[nodiscard]] fs::path manifest_path() const { return run_folder() / "index.json"; }
  [[nodiscard]] fs::path shard_path(size_t shard) const {
    return run_folder() / fmt::format("shard-{:05}.jsonl", shard);
  }

  /// Whether it is this run's own.
  Result<bool> take(const Json& json) {
    const bool whole = json.is_object() && json.contains("parameters") && json["parameters"].is_string() &&
                       json.contains("identity") && json["identity"].is_string() && json.contains("shards") &&
                       json["shards"].is_array();
    if (!whole) return damaged(manifest_path(), "does not say what it holds");
    if (json["parameters"] != parameters_) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("{}: was made with '{}', expected '{}'; choose another folder for this index",
                               folder_.string(), json["parameters"].get<std::string>(), parameters_)};
    }
    if (json["identity"] == identity_) return true;
    for (size_t shard = 0; shard < json["shards"].size(); ++shard) {
      const Json& checksums = json["shards"][shard];
      const fs::path path = shard_path(shard);
      const auto files = paths_of(key_files_of(path));
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

  static Status copy(const fs::path& from, const fs::path& to) {
    KEDGE_ASSIGN(const auto source, MappedFile::open(from));
    KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(to));
    KEDGE_TRY(file.write(source->bytes()));
    return file.commit();
  }

  fs::path folder_;
  std::string parameters_, identity_;
  size_t run_ = 0;      // this one's number
  bool known_ = false;  // it was added before
  std::vector<fs::path> earlier_;
};

Result<KeyLinks> link_files(const std::vector<fs::path>& files, size_t earlier, const DedupOptions& options,
                            const LinkPlace& place, const std::stop_token& stop) {
  const KeyMaker maker(options);
  KEDGE_ASSIGN(auto keys, MappedKeys::open(files, maker.bands() == 0 ? 2 : maker.bands()));
  KEDGE_ASSIGN(UnionFind sets, link_documents(*keys, options, maker.bands(), place.spill, stop));
  const auto& shards = keys->shards();
  const uint32_t first_new = earlier < shards.size() ? shards[earlier].first : keys->documents();
  return KeyLinks{std::move(keys), std::move(sets), first_new};
}

}  // namespace

Result<KeyLinks> link_key_files(const std::vector<fs::path>& outputs, const DedupOptions& options,
                                const LinkPlace& place, const std::stop_token& stop) {
  if (options.index.empty()) return link_files(outputs, 0, options, place, stop);
  std::error_code code;
  fs::create_directories(options.index, code);
  if (code) return Error{ErrorKind::unavailable, options.index.string() + ": cannot be made: " + code.message()};
  const IndexLock lock(options.index);
  if (!lock.held()) {
    return Error{ErrorKind::unavailable, fmt::format("{}: cannot be locked: {}; two runs at once would spoil the index",
                                                     options.index.string(), std::strerror(errno))};
  }
  KEDGE_ASSIGN(const Index index, Index::open(options, place.identity));
  std::vector<fs::path> files = index.earlier();
  files.insert(files.end(), outputs.begin(), outputs.end());
  KEDGE_ASSIGN(KeyLinks links, link_files(files, index.earlier().size(), options, place, stop));
  KEDGE_TRY(index.add(outputs));
  return links;
}

}  // namespace kedge::curate
