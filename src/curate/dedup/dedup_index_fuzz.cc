// Any bytes as the first run of an index: refused with a message, or a run is added to it. The keys that it speaks of
// are there, and whole.
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "core/check.h"
#include "curate/dedup/index.h"
#include "curate/dedup/key_files.h"

namespace {

namespace fs = std::filesystem;
using namespace kedge;

void write_keys(const fs::path& output) {
  curate::KeyWriter writer = curate::KeyWriter::create(output).value();
  curate::DocumentKeys keys;
  keys.hash = {1, 2};
  KEDGE_CHECK(writer.add(keys, "\"a\"").ok() && writer.commit().ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fs::path folder = fs::temp_directory_path() / ("kedge_dedup_index_fuzz_" + std::to_string(::getpid()));
  std::error_code code;
  fs::remove_all(folder, code);
  const fs::path run = folder / "index" / "run-000000";
  fs::create_directories(run);
  write_keys(run / "shard-00000.jsonl");
  write_keys(folder / "shard-00000.jsonl");
  std::ofstream(run / "index.json", std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  curate::DedupOptions options;
  options.index = folder / "index";
  const auto links = curate::link_key_files({folder / "shard-00000.jsonl"}, options, {folder, "this run"}, {});
  KEDGE_CHECK(links.ok() || !links.error().message.empty());
  if (links.ok()) KEDGE_CHECK(links.value().keys->documents() >= 1 && links.value().keys->documents() <= 2);
  fs::remove_all(folder, code);
  return 0;
}
