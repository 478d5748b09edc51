#pragma once
// What a model thinks before it answers, apart from the answer.

#include <optional>
#include <string>
#include <string_view>

#include "serve/chat_request.h"

namespace kedge::serve {

/// How a model marks its reasoning, and whether the prompt has begun it already.
struct Reasoning {
  std::string begin, end;
  bool begun = false;
};

/// From the template and the prompt that it made; nothing: the model has no such marks.
std::optional<Reasoning> detect_reasoning(std::string_view template_source, std::string_view prompt);

/// The constraint with room for reasoning before it.
Constraint behind_reasoning(const Constraint& constraint, const Reasoning& reasoning);

/// Parts an answer as it comes, however it is cut.
class ReasoningSplitter {
 public:
  explicit ReasoningSplitter(const Reasoning& reasoning)
      : marks_(reasoning), state_(reasoning.begun ? State::inside : State::start) {}

  struct Pieces {
    std::string reasoning, text;
  };
  Pieces push(std::string_view text);
  Pieces finish();

  [[nodiscard]] bool inside() const { return state_ == State::inside; }

 private:
  enum class State : uint8_t { start, inside, behind, text };
  bool advance(Pieces& out, bool final);

  const Reasoning marks_;
  State state_;
  bool trimmed_ = false;  // white space at the reasoning's start is gone
  std::string pending_;
};

}  // namespace kedge::serve
