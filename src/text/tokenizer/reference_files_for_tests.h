#pragma once
// Tests only: the reference vocabularies beside the source tree, unpacked into folders of the test's own.

#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/check.h"

namespace kedge::text {

/// The folder of reference models; empty where it is absent.
inline std::filesystem::path reference_models() {
  const auto folder = std::filesystem::path(KEDGE_SOURCE_DIR) / ".." / "shared" / "data" / "models";
  return std::filesystem::exists(folder / "tokenizers") ? folder : std::filesystem::path();
}

/// A folder that is removed with its object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kedge-test-XXXXXX").string();
    KEDGE_CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The content of a file, gunzipped where it is compressed.
inline std::string read_gzip(const std::filesystem::path& file) {
  const gzFile stream = gzopen(file.c_str(), "rb");
  KEDGE_CHECK(stream != nullptr);
  std::string bytes;
  char buffer[1 << 16];
  int count = 0;
  while ((count = gzread(stream, buffer, sizeof buffer)) > 0) bytes.append(buffer, static_cast<size_t>(count));
  KEDGE_CHECK(gzclose(stream) == Z_OK);
  return bytes;
}

inline void write_file(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// The files of tokenizers/`name` in a folder that lives as long as the process.
inline std::filesystem::path unpacked_tokenizer(const std::string& name) {
  static std::map<std::string, std::unique_ptr<TemporaryFolder>> folders;
  auto& folder = folders[name];
  if (folder == nullptr) {
    folder = std::make_unique<TemporaryFolder>();
    for (const auto& entry : std::filesystem::directory_iterator(reference_models() / "tokenizers" / name)) {
      const std::filesystem::path file = entry.path().filename();
      if (file == "cases.json") continue;
      write_file(folder->path() / (file.extension() == ".gz" ? file.stem() : file), read_gzip(entry.path()));
    }
  }
  return folder->path();
}

}  // namespace kedge::text
