#pragma once
// What the hub answers about a model: its commit and its files.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"
#include "net/digest.h"

namespace kedge::net {

inline constexpr size_t kHubListingBytesMax = size_t{64} << 20;
inline constexpr size_t kHubFilesMax = 100'000;
inline constexpr uint64_t kHubFileBytesMax = uint64_t{1} << 44;

struct HubFile {
  std::string path;  // is_safe_path
  uint64_t size = 0;
  std::string etag;  // the blob's name in the cache: a SHA-256 (large files), git's SHA-1, or empty: not known yet
};

/// How to check the content of a blob with this name; nothing when the name is no checksum.
std::optional<DigestKind> digest_kind_of(std::string_view etag);

struct HubListing {
  std::string commit;  // is_commit
  std::vector<HubFile> files;
};

/// The JSON of /api/models/NAME/revision/REVISION?blobs=true. Fails with corrupt_data: not of that form, a path that
/// leads out of the folder or stands twice, sizes or counts past the limits.
Result<HubListing> parse_hub_listing(std::string_view json, std::string_view what);

}  // namespace kedge::net
