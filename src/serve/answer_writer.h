#pragma once
// An answer in another protocol's form than OpenAI's.

#include <string>

#include "net/http_server_message.h"
#include "serve/answer.h"

namespace kedge::serve {

/// One answer to one prompt, whole or as the text of server-sent events. Not thread-safe.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;

  [[nodiscard]] virtual net::ServerResponse error(const ApiError& error) const = 0;
  [[nodiscard]] virtual Json whole(AnswerPart answer, const AnswerTotals& totals) = 0;

  // In this order: begin, parts, then end or failure. Each gives the events that come of it, perhaps none.
  [[nodiscard]] virtual std::string begin() = 0;
  [[nodiscard]] virtual std::string part(AnswerPart part) = 0;
  [[nodiscard]] virtual std::string end(const AnswerTotals& totals) = 0;
  [[nodiscard]] virtual std::string failure(const ApiError& error) = 0;
};

}  // namespace kedge::serve
