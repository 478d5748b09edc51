#include "cli/demo_model.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>
#include <system_error>
#include <vector>

#include "cli/demo_files.h"
#include "core/file.h"

namespace kedge::cli {
namespace {

namespace fs = std::filesystem;

struct DemoFile {
  const char* name;
  std::string_view bytes;
};

std::vector<DemoFile> demo_files() {
  return {{"config.json", kDemoConfig},
          {"generation_config.json", kDemoGenerationConfig},
          {"tokenizer.json", kDemoTokenizer},
          {"tokenizer_config.json", kDemoTokenizerConfig},
          {"model.safetensors", kDemoWeights}};
}

/// FNV-1a over all files: another build's demo gets another folder.
uint64_t fingerprint(const std::vector<DemoFile>& files) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const DemoFile& file : files) {
    for (const char byte : file.bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  }
  return hash;
}

std::vector<fs::path> candidate_folders() {
  std::vector<fs::path> folders;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    folders.push_back(fs::path(cache) / "kedge");
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    folders.push_back(fs::path(home) / ".cache" / "kedge");
  std::error_code ignored;
  const fs::path temporary = fs::temp_directory_path(ignored);
  folders.push_back((temporary.empty() ? fs::path("/tmp") : temporary) / "kedge");
  return folders;
}

bool has_content(const fs::path& path, std::string_view bytes) {
  const auto file = MappedFile::open(path);
  if (!file.ok() || file.value()->bytes().size() != bytes.size()) return false;
  const auto* data = reinterpret_cast<const char*>(file.value()->bytes().data());
  return std::string_view(data, bytes.size()) == bytes;
}

/// Files appear whole or not at all, so that two processes that unpack at once do no harm.
Status unpack(const fs::path& folder, const std::vector<DemoFile>& files) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Error{ErrorKind::unavailable, fmt::format("{}: {}", folder.string(), error.message())};
  for (const DemoFile& file : files) {
    if (has_content(folder / file.name, file.bytes)) continue;
    KEDGE_ASSIGN(AtomicFile out, AtomicFile::create(folder / file.name));
    KEDGE_TRY(out.write(file.bytes));
    KEDGE_TRY(out.commit());
  }
  return Done{};
}

}  // namespace

Result<fs::path> demo_model_folder() {
  const std::vector<DemoFile> files = demo_files();
  const std::string hash = fmt::format("{:016x}", fingerprint(files));
  Status last = Done{};
  for (const fs::path& root : candidate_folders()) {
    const fs::path folder = root / hash / "demo";
    last = unpack(folder, files);
    if (last.ok()) return folder;
  }
  return Error{
      ErrorKind::unavailable,
      fmt::format("the demo model could not be unpacked: {}; set XDG_CACHE_HOME to a folder that can be written",
                  last.error().message)};
}

}  // namespace kedge::cli
