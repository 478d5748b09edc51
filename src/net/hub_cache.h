#pragma once
// The Hugging Face hub's cache on disk, as huggingface_hub lays it out, so that both find each other's models:
//   models--ORG--NAME/blobs/ETAG                  contents
//   models--ORG--NAME/snapshots/COMMIT/path/file  symbolic links to them
//   models--ORG--NAME/refs/REVISION               the commit that a branch or tag stood for
//   .locks/models--ORG--NAME/ETAG.lock            held (flock) while a blob is downloaded

#include <filesystem>
#include <optional>
#include <string>

#include "kedge/result.h"
#include "net/hub_names.h"

namespace kedge::net {

/// Paths of one model in the cache. A value; the files themselves may change under it.
class HubCache {
 public:
  HubCache(const std::filesystem::path& root, const std::string& name);

  [[nodiscard]] std::filesystem::path blob(const std::string& etag) const { return folder_ / "blobs" / etag; }
  [[nodiscard]] std::filesystem::path snapshot(const std::string& commit) const;
  [[nodiscard]] std::filesystem::path lock_file(const std::string& etag) const;

  /// The commit that `revision` stands for here: itself, or what its ref says.
  [[nodiscard]] std::optional<std::string> find_commit(const std::string& revision) const;
  /// The folder of `revision`, if it is here.
  [[nodiscard]] std::optional<std::filesystem::path> find_snapshot(const std::string& revision) const;

  /// Makes the folders. Fails with unavailable (no permission, disk full).
  [[nodiscard]] Status create_folders() const;
  /// Makes snapshots/COMMIT/PATH point to the blob, atomically.
  [[nodiscard]] Status link(const std::string& commit, const std::string& path, const std::string& etag) const;
  /// Remembers what `revision` stands for (nothing to do for a commit).
  [[nodiscard]] Status write_ref(const std::string& revision, const std::string& commit) const;

 private:
  std::filesystem::path root_;
  std::string folder_name_;
  std::filesystem::path folder_;
};

/// An exclusive lock on a file (flock), released with the object.
class FileLock {
 public:
  /// Nothing when another process holds it. Fails with unavailable when the file can't be made.
  static Result<std::optional<FileLock>> try_lock(const std::filesystem::path& path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace kedge::net
