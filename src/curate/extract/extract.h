#pragma once
// The operator that takes the text out of pages.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "curate/operator.h"

namespace kedge::curate {

struct ExtractOptions {
  std::string mode = "precision";        // recall, justext
  std::string language = "en";           // justext: of the stop words
  std::filesystem::path stop_list = {};  // justext: a file of them, in place of the language's
  bool markdown = false;                 // precision, recall: tables and code are kept as Markdown
};

/// `{"id","url","text"}`. Fails with invalid_input or unsupported.
Result<std::unique_ptr<Operator>> make_extractor(const ExtractOptions& options);

}  // namespace kedge::curate
