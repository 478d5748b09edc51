#pragma once
// Deflated bytes in memory.

#include <cstdint>
#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::data {

enum class DeflateForm : uint8_t { gzip, gzip_or_zlib, raw };

struct Inflated {
  std::string bytes;       // what could be read
  bool whole = false;      // to the stream's end
  size_t taken = 0;        // bytes of the input
  bool too_large = false;  // it stopped at the most bytes
};

/// One stream, which further bytes may follow. Fails with out_of_memory.
Result<Inflated> inflate_bytes(std::string_view bytes, DeflateForm form, size_t bytes_max);

/// A whole gzip stream. Fails with corrupt_data, also when it is more than `bytes_max`.
Result<std::string> unpack_gzip(std::string_view bytes, size_t bytes_max);

}  // namespace kedge::data
