#pragma once
// Checksums of downloads: SHA-256, and the SHA-1 that git names a file by.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::net {

enum class DigestKind : uint8_t { sha1, sha256 };

/// A checksum of bytes given piece by piece. One thread at a time.
class Digest {
 public:
  explicit Digest(DigestKind kind);
  Digest(Digest&&) noexcept;
  ~Digest();

  void add(std::string_view bytes);
  /// Lower-case hexadecimal. REQUIRES: called once, last.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The checksum of a file's content; for sha1 the one of git's blob ("blob SIZE\0" before the content). `go_on` is
/// asked between pieces. Fails with not_found, unavailable or cancelled.
Result<std::string> digest_of_file(const std::filesystem::path& path, DigestKind kind,
                                   const std::function<bool()>& go_on);

}  // namespace kedge::net
