#include "cli/prompt.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <optional>

#include "text/chat_template.h"

namespace kedge::cli {
namespace {

std::string token_string(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.token_text(*id)) : "";
}

}  // namespace

std::string today() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  localtime_r(&now, &parts);
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

Result<std::vector<TokenId>> plain_prompt(const Engine& engine, const std::string& text) {
  const Tokenizer* tokenizer = engine.tokenizer();
  if (tokenizer == nullptr) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: the model has no tokenizer; give token ids with --ids", engine.info().name)};
  }
  KEDGE_ASSIGN(std::vector<TokenId> ids, tokenizer->encode(text, {.add_special = true}));
  // A tokenizer that ends every text with EOS would end the answer before it begins.
  if (ids.size() > 1 && tokenizer->eos() && ids.back() == *tokenizer->eos()) ids.pop_back();
  if (ids.empty() && tokenizer->bos()) ids.push_back(*tokenizer->bos());
  return ids;
}

Result<std::vector<TokenId>> chat_prompt(const Engine& engine, const Json& messages) {
  const text::ChatTemplate* chat_template = engine.chat_template();
  const Tokenizer* tokenizer = engine.tokenizer();
  if (chat_template == nullptr || tokenizer == nullptr) {
    return plain_prompt(engine, messages.empty() ? "" : messages.back()["content"].get<std::string>());
  }
  const Json variables = {{"messages", messages},
                          {"tools", nullptr},
                          {"add_generation_prompt", true},
                          {"bos_token", token_string(*tokenizer, tokenizer->bos())},
                          {"eos_token", token_string(*tokenizer, tokenizer->eos())},
                          {"strftime_now", today()}};
  KEDGE_ASSIGN(const std::string prompt, chat_template->render(variables));
  return tokenizer->encode(prompt, {});  // the template wrote the special tokens
}

}  // namespace kedge::cli
