#pragma once
// Where a model's chat template stands, and the strings it expects for its first and last tokens.

#include <filesystem>
#include <optional>
#include <string>

#include "kedge/result.h"

namespace kedge::text {

struct ChatTemplateSource {
  std::string source;
  std::string tool_source;  // the template named "tool_use" where a checkpoint has one; else empty
  std::string bos_token, eos_token;
  std::string origin;  // the file, for messages
};

/// First of: `override_file` (unless empty), chat_template.jinja, chat_template.json, tokenizer_config.json's
/// chat_template (a string, or a list of {name, template} of which "default" is taken), a GGUF file's
/// tokenizer.chat_template. Nothing where the model has none. Fails with not_found (the override) or corrupt_data.
Result<std::optional<ChatTemplateSource>> load_chat_template(const std::filesystem::path& model,
                                                             const std::filesystem::path& override_file = {});

}  // namespace kedge::text
