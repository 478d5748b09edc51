#pragma once
// SHA-256 in hexadecimal, for tests that compare tensors with recorded checksums.

#include <openssl/sha.h>

#include <cstddef>
#include <span>
#include <string>

namespace kedge::formats {

inline std::string sha256_hex(std::span<const std::byte> bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace kedge::formats
