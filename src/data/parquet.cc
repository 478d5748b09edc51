// Parquet files, by way of the library that knows Apache Arrow.
#include <dlfcn.h>
#include <fmt/format.h>

#include <mutex>

#include "data/json_text.h"
#include "data/own_folder.h"
#include "data/parquet_plugin/parquet_plugin.h"
#include "data/source.h"
#include "text/unicode/utf8.h"

namespace kedge::data {
namespace {

constexpr char kLibrary[] = "libkedge_parquet.so";

// Arrow must find its own simdjson before ours; the sanitizers' runtimes refuse to have it so, and do without.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kLoadFlags = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kLoadFlags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

/// The library's one function, once it is loaded. Never unloaded: Arrow keeps threads.
OpenParquet function = nullptr;  // set under load's lock

/// Loads the library beside the program, once.
Status load() {
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  if (function != nullptr) return Done{};
  const std::filesystem::path library = own_folder() / kLibrary;
  void* handle = ::dlopen(library.c_str(), kLoadFlags);
  if (handle != nullptr) function = reinterpret_cast<OpenParquet>(::dlsym(handle, kOpenParquetName));
  if (function != nullptr) return Done{};
  const char* why = ::dlerror();
  return Error{
      ErrorKind::unsupported,
      fmt::format("Parquet needs {} beside the program: {}; `./kd up` builds it where it can fetch Apache Arrow",
                  kLibrary, why != nullptr ? why : "not found")};
}

class ParquetSource final : public Source {
 public:
  ParquetSource(std::filesystem::path path, Fields fields, std::unique_ptr<ParquetFile> file)
      : path_(std::move(path)), fields_(std::move(fields)), file_(std::move(file)) {
    std::error_code code;
    const auto size = std::filesystem::file_size(path_, code);
    if (!code) size_ = size;
  }

  Result<bool> read(Batch& batch, size_t bytes) override {
    for (size_t taken = 0; taken < bytes;) {
      std::string error;
      if (!file_->read(rows_, error)) {
        return Error{ErrorKind::corrupt_data, fmt::format("{}: {}", path_.string(), error)};
      }
      if (rows_.empty()) return taken > 0;
      for (ParquetRow& row : rows_) {
        taken += row.text.size() + 64;
        batch.records.push_back(record_of(std::move(row)));
      }
    }
    return true;
  }

  [[nodiscard]] const char* unit() const override { return "row"; }
  [[nodiscard]] size_t consumed() const override {
    const auto rows = static_cast<double>(std::max<int64_t>(file_->row_count(), 1));
    return static_cast<size_t>(static_cast<double>(size_) * static_cast<double>(number_) / rows);
  }

 private:
  Record record_of(ParquetRow row) {
    Record record;
    record.number = ++number_;
    record.kind = row.problem.empty() ? RecordKind::document : RecordKind::broken;
    record.reason = std::move(row.problem);
    record.readable = true;
    if (record.kind == RecordKind::document && !(text::is_valid_utf8(row.text) && text::is_valid_utf8(row.id))) {
      record.kind = RecordKind::broken;
      record.reason = "not UTF-8";
    }
    if (row.id_is_number) {
      record.document.id_json = std::move(row.id);
    } else {
      append_json_string(record.document.id_json, row.id);
    }
    record.document.text = std::move(row.text);
    if (text::is_valid_utf8(row.url)) record.document.url = std::move(row.url);
    return record;
  }

  std::filesystem::path path_;
  Fields fields_;
  std::unique_ptr<ParquetFile> file_;
  std::vector<ParquetRow> rows_;
  uint64_t number_ = 0;
  uint64_t size_ = 0;
};

}  // namespace

Result<std::unique_ptr<Source>> open_parquet(const std::filesystem::path& path, const Fields& fields) {
  KEDGE_TRY(load());
  std::string error;
  std::unique_ptr<ParquetFile> file(
      function(path.c_str(), fields.id.c_str(), fields.text.c_str(), fields.url.c_str(), &error));
  if (file == nullptr) return Error{ErrorKind::corrupt_data, fmt::format("{}: {}", path.string(), error)};
  return std::unique_ptr<Source>(std::make_unique<ParquetSource>(path, fields, std::move(file)));
}

}  // namespace kedge::data
