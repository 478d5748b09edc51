#include "curate/mix_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "core/file.h"
#include "data/line_file.h"

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

Status write_whole(const fs::path& path, const Json& json) {
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(path));
  KEDGE_TRY(file.write(to_text(json)));
  return file.commit();
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

Result<std::unique_ptr<MixFile>> MixFile::open(const MixOutput& output, const Json& identity) {
  std::unique_ptr<MixFile> file(new MixFile(output, output.path.string() + ".tmp-mix"));
  KEDGE_TRY(file->begin(identity));
  KEDGE_ASSIGN(file->file_, data::DocumentFile::create(output.path, {}, output.shard_bytes, file->files_));
  return file;
}

Status MixFile::begin(const Json& identity) {
  std::error_code code;
  fs::create_directories(folder_, code);
  if (code)
    return Error{ErrorKind::unavailable, fmt::format("{}: cannot be made: {}", folder_.string(), code.message())};
  lock_ = ::open((folder_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ >= 0 && ::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(lock_);
    lock_ = -1;
    return Error{ErrorKind::unavailable,
                 fmt::format("{}: another process writes this output; wait for it", output_.path.string())};
  }
  remove_torn();
  const fs::path run = folder_ / "run.json";
  const auto found = read_json_file(run);
  if (found.ok() && found.value() == identity) {
    find_done();
    return Done{};
  }
  for (const auto& entry : fs::directory_iterator(folder_, code)) {
    if (entry.path().filename() != "lock") fs::remove_all(entry.path(), code);
  }
  return write_whole(run, identity);
}

MixFile::~MixFile() {
  std::error_code code;
  file_.reset();
  if (!keep_ && lock_ >= 0) fs::remove_all(folder_, code);
  if (lock_ >= 0) ::close(lock_);
}

fs::path MixFile::marker(size_t file) const {
  return folder_ / fmt::format("file-{:05}.json", file);
}

void MixFile::find_done() {
  if (output_.shard_bytes == 0) return;
  for (;; ++files_) {
    const auto json = read_json_file(marker(files_));
    if (!json.ok() || !json.value().is_object()) return;
    const Json& said = json.value();
    const bool whole = said.value("name", Json()).is_string() && said.value("bytes", Json()).is_number_unsigned() &&
                       said.value("documents", Json()).is_number_unsigned() && said.contains("memory");
    if (!whole) return;
    const fs::path path = folder_of(output_.path) / said["name"].get<std::string>();
    std::error_code code;
    if (fs::file_size(path, code) != said["bytes"] || code) return;
    const auto checksum = data::file_checksum(path);
    if (!checksum.ok() || fmt::format("{:016x}", checksum.value()) != said.value("checksum", "")) return;
    done_ = said["documents"].get<uint64_t>();
    whole_ = done_;
    remembered_ = said["memory"];
  }
}

/// What a killed process was writing: NAME.tmp-..., NAME-00007.ENDING.tmp-...
void MixFile::remove_torn() const {
  std::error_code code;
  const std::string name = output_.path.filename().string();
  const std::string stem = name.substr(0, std::min(name.find('.'), name.size()));
  const auto is_torn = [&](const std::string& found) {
    if (found.starts_with(name + ".tmp-")) return true;
    const std::string_view rest = std::string_view(found).substr(std::min(stem.size() + 1, found.size()));
    return output_.shard_bytes > 0 && found.starts_with(stem + "-") && rest.size() > 5 &&
           rest.find_first_not_of("0123456789") == 5 && rest.substr(5).starts_with(name.substr(stem.size()) + ".tmp-");
  };
  std::vector<fs::path> torn;
  for (const auto& entry : fs::directory_iterator(folder_of(output_.path), code)) {
    if (entry.is_regular_file(code) && is_torn(entry.path().filename().string())) torn.push_back(entry.path());
  }
  for (const fs::path& path : torn) fs::remove(path, code);
}

Status MixFile::write(std::string_view line, const std::function<Json()>& memory) {
  if (++position_ <= done_) return Done{};
  const size_t before = output_.shard_bytes > 0 ? file_->written().size() : 0;
  KEDGE_TRY(file_->write(line));
  if (output_.shard_bytes == 0 || file_->written().size() == before) return Done{};
  const data::WrittenFile file = file_->written().back();
  whole_ = position_;
  return write_whole(marker(files_ + before), {{"name", file.name},
                                               {"bytes", file.bytes},
                                               {"checksum", fmt::format("{:016x}", file.checksum)},
                                               {"documents", position_},
                                               {"memory", memory()}});
}

Status MixFile::commit() {
  KEDGE_TRY(file_->commit());
  keep_ = false;
  return Done{};
}

Json inputs_json(const std::vector<data::Input>& inputs) {
  Json all = Json::array();
  for (const data::Input& input : inputs) {
    std::error_code code;
    if (input.id == data::kStandardInput) {
      all.push_back({input.id, ::getpid(), fs::file_time_type::clock::now().time_since_epoch().count()});
      continue;
    }
    all.push_back({fs::absolute(input.path, code).lexically_normal().string(), fs::file_size(input.path, code),
                   fs::last_write_time(input.path, code).time_since_epoch().count()});
  }
  return all;
}

Json fields_json(const data::Fields& fields) {
  return {fields.id, fields.text, fields.url};
}

bool may_go_on(const Error& error) {
  return error.kind == ErrorKind::cancelled || error.kind == ErrorKind::unavailable;
}

}  // namespace kedge::curate
