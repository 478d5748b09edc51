#include "net/hub_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "core/file.h"

namespace kedge::net {
namespace {

Error folder_error(const std::filesystem::path& path, std::string_view doing, const std::error_code& error) {
  return {ErrorKind::unavailable, fmt::format("{}: cannot {}: {}", path.string(), doing, error.message())};
}

std::string folder_name(const std::string& name) {
  std::string folder = "models--";
  for (const char c : name) c == '/' ? folder += "--" : folder += c;
  return folder;
}

Status make_folders(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return folder_error(path, "create the folder", error);
  return Done{};
}

}  // namespace

HubCache::HubCache(const std::filesystem::path& root, const std::string& name)
    : root_(root), folder_name_(folder_name(name)), folder_(root / folder_name_) {}

std::filesystem::path HubCache::snapshot(const std::string& commit) const {
  return folder_ / "snapshots" / commit;
}

std::filesystem::path HubCache::lock_file(const std::string& etag) const {
  return root_ / ".locks" / folder_name_ / (etag + ".lock");
}

std::optional<std::string> HubCache::find_commit(const std::string& revision) const {
  constexpr size_t kRefBytesMax = 1024;
  if (is_commit(revision)) return revision;
  Result<std::string> ref = read_file(folder_ / "refs" / revision, kRefBytesMax);
  if (!ref.ok()) return std::nullopt;
  const std::string commit = ref.value().substr(0, ref.value().find_last_not_of(" \r\n\t") + 1);
  return is_commit(commit) ? std::optional(commit) : std::nullopt;
}

std::optional<std::filesystem::path> HubCache::find_snapshot(const std::string& revision) const {
  const std::optional<std::string> commit = find_commit(revision);
  if (!commit.has_value()) return std::nullopt;
  std::error_code ignored;
  const std::filesystem::path path = snapshot(*commit);
  return std::filesystem::is_directory(path, ignored) ? std::optional(path) : std::nullopt;
}

Status HubCache::create_folders() const {
  for (const auto& path :
       {folder_ / "blobs", folder_ / "snapshots", folder_ / "refs", root_ / ".locks" / folder_name_}) {
    KEDGE_TRY(make_folders(path));
  }
  return Done{};
}

Status HubCache::link(const std::string& commit, const std::string& path, const std::string& etag) const {
  const std::filesystem::path place = snapshot(commit) / path;
  KEDGE_TRY(make_folders(place.parent_path()));
  // Relative, so that the whole cache can be moved.
  const std::filesystem::path target = blob(etag).lexically_relative(place.parent_path());
  std::error_code error;
  if (std::filesystem::read_symlink(place, error) == target) return Done{};
  const std::filesystem::path temporary = place.string() + fmt::format(".tmp-{}", ::getpid());
  std::filesystem::remove(temporary, error);
  std::filesystem::create_symlink(target, temporary, error);
  if (error) return folder_error(place, "create the link", error);
  std::filesystem::rename(temporary, place, error);
  if (!error) return Done{};
  std::error_code ignored;
  std::filesystem::remove(temporary, ignored);
  return folder_error(place, "create the link", error);
}

Status HubCache::write_ref(const std::string& revision, const std::string& commit) const {
  if (is_commit(revision)) return Done{};
  const std::filesystem::path path = folder_ / "refs" / revision;
  KEDGE_TRY(make_folders(path.parent_path()));
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path));
  KEDGE_TRY(file.write(commit));
  return file.commit();
}

Result<std::optional<FileLock>> FileLock::try_lock(const std::filesystem::path& path) {
  KEDGE_TRY(make_folders(path.parent_path()));
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    return Error{ErrorKind::unavailable, fmt::format("{}: cannot create: {}", path.string(), std::strerror(errno))};
  }
  FileLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return std::optional<FileLock>(std::move(lock));
  if (errno == EWOULDBLOCK) return std::optional<FileLock>();
  return Error{ErrorKind::unavailable, fmt::format("{}: cannot lock: {}", path.string(), std::strerror(errno))};
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace kedge::net
