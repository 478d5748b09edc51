#pragma once
// NeMo Curator 1.4's PerExtensionFilter: limits on lines and letters that a table has for each language and extension.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "curate/code_text.h"
#include "kedge/result.h"

namespace kedge::curate {

/// A row of the table. Limits that it has no number for are left out.
struct ExtensionLimits {
  bool include = false;                            // false: no source of this kind is kept
  std::optional<double> line_max;                  // code points of the longest line; with it the mean is 100 at most
  std::optional<double> alphanumeric, alphabetic;  // least shares of the characters
};

/// NeMo's code_meta.csv, or one with its columns language, extension, Include, Long_line_threshold, Alphanum_threshold
/// and "Alpha filter". The last row for the language and extension counts; an extension that has none is not included.
/// Fails with not_found, or with corrupt_data where a column or the language is not there.
Result<ExtensionLimits> read_extension_limits(const std::filesystem::path& table, const std::string& language,
                                              const std::string& extension);
/// The same of the table's text; `name` is for messages.
Result<ExtensionLimits> parse_extension_limits(std::string_view csv, const std::string& name,
                                               const std::string& language, const std::string& extension);

/// 1: kept, 0: not; nothing for an empty source of which NeMo would want a share.
std::optional<double> score_extension(CodeView source, const ExtensionLimits& limits);

}  // namespace kedge::curate
