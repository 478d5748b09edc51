// Any bytes as a Bloom filter's file: refused with a message, or a filter that can be asked and saved as it was.
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "core/check.h"
#include "core/file.h"
#include "curate/dedup/bloom_filter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge;
  static const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("kedge_bloom_fuzz_" + std::to_string(::getpid()));
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const auto filter = curate::BloomFilter::load(path, {1, 0});
  if (filter.ok()) {
    (void)filter.value().contains(1, 2);
    KEDGE_CHECK(filter.value().save(path).ok());
    const auto saved = read_file(path, size_t{1} << 30);
    KEDGE_CHECK(saved.ok() && saved.value() == std::string(reinterpret_cast<const char*>(data), size));
  } else {
    KEDGE_CHECK(!filter.error().message.empty());
  }
  std::error_code code;
  std::filesystem::remove(path, code);
  return 0;
}
