#include "net/hub_listing.h"

#include <fmt/format.h>

#include <set>

#include "core/json.h"
#include "core/printable.h"
#include "net/hub_names.h"

namespace kedge::net {
namespace {

Error broken(std::string_view what, const std::string& why) {
  return {ErrorKind::corrupt_data, fmt::format("{}: {}", what, why)};
}

const std::string* text_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

/// A size, if there is one. A number that is none, or past the limit, is an error.
Result<std::optional<uint64_t>> size_member(const Json& object, std::string_view what, const std::string& path) {
  const auto found = object.find("size");
  if (found == object.end() || found->is_null()) return std::optional<uint64_t>();
  if (!found->is_number_unsigned() || found->get<uint64_t>() > kHubFileBytesMax) {
    return broken(what, fmt::format("file {} has size {}, expected a whole number up to {}", printable(path),
                                    to_text(*found).substr(0, 40), kHubFileBytesMax));
  }
  return std::optional<uint64_t>(found->get<uint64_t>());
}

/// Checksum and size where the hub gives both; a file without them is described by its own answer later.
Result<HubFile> read_file_entry(const Json& entry, std::string_view what) {
  const std::string* path = entry.is_object() ? text_member(entry, "rfilename") : nullptr;
  if (path == nullptr) return broken(what, "a file without a name (rfilename)");
  if (!is_safe_path(*path)) {
    return broken(what, fmt::format("file {}: its path would leave the model's folder", printable(*path)));
  }
  HubFile file{.path = *path};
  KEDGE_ASSIGN(std::optional<uint64_t> size, size_member(entry, what, file.path));
  const std::string* digest = text_member(entry, "blobId");
  DigestKind expected = DigestKind::sha1;
  if (const auto lfs = entry.find("lfs"); lfs != entry.end() && lfs->is_object()) {
    digest = text_member(*lfs, "sha256");
    if (digest == nullptr) digest = text_member(*lfs, "oid");
    expected = DigestKind::sha256;
    KEDGE_ASSIGN(const std::optional<uint64_t> large_size, size_member(*lfs, what, file.path));
    if (large_size.has_value()) size = large_size;
  }
  if (digest == nullptr || !size.has_value()) return file;
  if (digest_kind_of(*digest) != expected) {
    return broken(what, fmt::format("file {} has the checksum {}, expected {} hexadecimal digits", printable(file.path),
                                    printable(*digest), expected == DigestKind::sha1 ? 40 : 64));
  }
  file.etag = *digest;
  file.size = *size;
  return file;
}

}  // namespace

std::optional<DigestKind> digest_kind_of(std::string_view etag) {
  if (etag.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  if (etag.size() == 40) return DigestKind::sha1;
  if (etag.size() == 64) return DigestKind::sha256;
  return std::nullopt;
}

Result<HubListing> parse_hub_listing(std::string_view text, std::string_view what) {
  KEDGE_ASSIGN(const Json json, parse_json(text, what));
  if (!json.is_object()) return broken(what, "not a JSON object");
  HubListing listing;
  const std::string* commit = text_member(json, "sha");
  if (commit == nullptr || !is_commit(*commit)) return broken(what, "no commit (sha), expected 40 hexadecimal digits");
  listing.commit = *commit;
  const auto siblings = json.find("siblings");
  if (siblings == json.end() || !siblings->is_array()) return broken(what, "no list of files (siblings)");
  if (siblings->size() > kHubFilesMax) {
    return broken(what, fmt::format("{} files, the limit is {}", siblings->size(), kHubFilesMax));
  }
  std::set<std::string> paths;
  for (const Json& entry : *siblings) {
    KEDGE_ASSIGN(HubFile file, read_file_entry(entry, what));
    if (!paths.insert(file.path).second)
      return broken(what, fmt::format("file {} is there twice", printable(file.path)));
    listing.files.push_back(std::move(file));
  }
  return listing;
}

}  // namespace kedge::net
