#pragma once
// Headers of tar archives (POSIX ustar, GNU's long names).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kedge::data {

inline constexpr size_t kTarBlock = 512;

struct TarHeader {
  std::string name;
  uint64_t size = 0;
  char type = '0';  // '0': a file
};

/// Nothing where the checksum is wrong or a field is no number. REQUIRES: `block` has kTarBlock bytes.
std::optional<TarHeader> read_tar_header(std::string_view block);

/// Bytes with those that fill the last block.
uint64_t padded(uint64_t size);

}  // namespace kedge::data
