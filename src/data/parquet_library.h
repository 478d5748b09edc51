#pragma once
// The library that knows Apache Arrow, loaded once.

#include "data/parquet_plugin/parquet_plugin.h"
#include "kedge/result.h"

namespace kedge::data {

struct ParquetLibrary {
  OpenParquet open = nullptr;
  CreateParquet create = nullptr;
};

/// Fails with unsupported where the library is not beside the program.
Result<ParquetLibrary> load_parquet();

}  // namespace kedge::data
