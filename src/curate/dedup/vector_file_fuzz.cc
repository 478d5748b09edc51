// Any bytes as a file of embeddings: refused with a message, or rows that can be read to the last number.
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "core/check.h"
#include "curate/dedup/vectors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge;
  static const std::filesystem::path output =
      std::filesystem::temp_directory_path() / ("kedge_vector_file_fuzz_" + std::to_string(::getpid()) + ".jsonl");
  const curate::VectorFiles files = curate::vector_files_of(output);
  std::ofstream(files.vectors, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  std::ofstream(files.ids) << "1\n2\n";
  const auto vectors = curate::MappedVectors::open({output});
  if (vectors.ok()) {
    const curate::VectorStore& store = *vectors.value();
    volatile float sum = 0;
    for (uint32_t i = 0; store.dimensions() > 0 && i < store.count(); ++i) {
      sum = sum + store.row(i)[0] + store.row(i)[store.dimensions() - 1];
    }
    if (store.count() < 1000) (void)vectors.value()->ids_of(std::vector<bool>(store.count(), true));
  } else {
    KEDGE_CHECK(!vectors.error().message.empty());
  }
  std::error_code code;
  std::filesystem::remove(files.vectors, code);
  std::filesystem::remove(files.ids, code);
  return 0;
}
