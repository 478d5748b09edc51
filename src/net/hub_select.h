#pragma once
// Which of a model's files to fetch.

#include <string>
#include <string_view>
#include <vector>

#include "kedge/result.h"
#include "net/hub_listing.h"

namespace kedge::net {

struct HubSelection {
  std::vector<std::string> include;  // shell patterns where '*' also crosses '/'; empty: every file
  std::vector<std::string> exclude;
  bool everything = false;  // also the same weights in formats that kedge does not read
};

struct HubSelected {
  std::vector<HubFile> files;
  std::vector<HubFile> skipped;  // the same weights in another format
};

bool matches_pattern(std::string_view path, const std::string& pattern);

/// Without patterns and without `everything`: beside safetensors, the same weights in other formats are skipped.
/// Fails with invalid_input: nothing matches, or several GGUF files of which one should be chosen.
Result<HubSelected> select_files(const std::vector<HubFile>& files, const HubSelection& selection,
                                 const std::string& repository);

}  // namespace kedge::net
