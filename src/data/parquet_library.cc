#include "data/parquet_library.h"

#include <mutex>

#include "data/plugin.h"

namespace kedge::data {

Result<ParquetLibrary> load_parquet() {
  static std::mutex mutex;
  static ParquetLibrary loaded;
  const std::scoped_lock lock(mutex);
  if (loaded.create != nullptr) return loaded;
  KEDGE_ASSIGN(void* const library, load_beside_program("libkedge_parquet.so", "Parquet",
                                                        "`./kd up` builds it where it can fetch Apache Arrow"));
  KEDGE_ASSIGN(void* const open, function_of(library, kOpenParquetName));
  KEDGE_ASSIGN(void* const create, function_of(library, kCreateParquetName));
  loaded = {reinterpret_cast<OpenParquet>(open), reinterpret_cast<CreateParquet>(create)};
  return loaded;
}

}  // namespace kedge::data
