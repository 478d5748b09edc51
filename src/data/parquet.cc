// Parquet files.
#include <fmt/format.h>

#include "data/source.h"

namespace kedge::data {

Result<std::unique_ptr<Source>> open_parquet(const std::filesystem::path& path, const Fields& /*fields*/) {
  return Error{ErrorKind::unsupported, fmt::format("{}: Parquet is not read by this build", path.string())};
}

}  // namespace kedge::data
