#pragma once
// The names that the hub and its cache are made of. Everything here may come from a server or a user: what passes is
// safe to build paths and addresses from.

#include <optional>
#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::net {

struct HubRepository {
  std::string name;  // ORG/NAME, or NAME for a few of the oldest models
  std::string revision = "main";
};

/// "ORG/NAME" or "ORG/NAME@REVISION" (a branch, a tag or a commit). Fails with invalid_input.
Result<HubRepository> parse_hub_repository(std::string_view text);

/// A relative path that stays below its folder: parts that are neither empty nor dots, no control characters, no '\'.
bool is_safe_path(std::string_view path);

/// 40 lower-case hexadecimal digits.
bool is_commit(std::string_view text);

/// The tag of an ETag header ("abc", W/"abc", abc): the name of a blob in the cache. Nothing unless it is made of at
/// most 128 letters, digits, '-', '_' and '.', and does not begin with '.'.
std::optional<std::string> parse_etag(std::string_view header);

}  // namespace kedge::net
