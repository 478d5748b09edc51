#include "text/tokenizer/json_view.h"

#include <fmt/format.h>

namespace kedge::text {

Result<std::unique_ptr<const JsonDocument>> JsonDocument::parse(std::string_view text, std::string_view what,
                                                                size_t readable_after) {
  auto document = std::make_unique<JsonDocument>();
  simdjson::dom::element root;
  const bool copies = readable_after < simdjson::SIMDJSON_PADDING;
  const simdjson::error_code code = document->parser_.parse(text.data(), text.size(), copies).get(root);
  if (code != simdjson::SUCCESS) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: not valid JSON: {}", what, simdjson::error_message(code))};
  }
  document->root_ = JsonView(root);
  return std::unique_ptr<const JsonDocument>(std::move(document));
}

}  // namespace kedge::text
