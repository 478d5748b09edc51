#pragma once
// Chat templates: the Jinja that checkpoints carry, rendered exactly as transformers renders it.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "core/json.h"
#include "kedge/result.h"

namespace kedge::text {

/// What one rendering may use; a hostile template ends in an error.
struct TemplateLimits {
  size_t source_bytes_max = size_t{1} << 20;
  size_t steps_max = 2'000'000;
  size_t output_bytes_max = size_t{64} << 20;
  size_t depth_max = 100;  // nested expressions, blocks, macro calls
};

/// A parsed template. Immutable; safe to render from any thread.
class ChatTemplate {
 public:
  /// Fails with corrupt_data: line, what was found, what was expected.
  static Result<std::shared_ptr<const ChatTemplate>> parse(std::string_view source, const TemplateLimits& limits = {});

  virtual ~ChatTemplate() = default;

  /// `variables`: an object of messages, tools, add_generation_prompt, bos_token, eos_token and any further variable of
  /// the template. The string variable `strftime_now` (YYYY-MM-DD, today where absent is the caller's job) is the date
  /// that the template function strftime_now(format) uses.
  /// Fails with invalid_input when the template refuses (raise_exception) or the limits are passed, and where Jinja
  /// itself would raise.
  [[nodiscard]] virtual Result<std::string> render(const Json& variables) const = 0;

  [[nodiscard]] virtual const std::string& source() const = 0;
};

}  // namespace kedge::text
