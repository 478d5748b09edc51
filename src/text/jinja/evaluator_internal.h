#pragma once
// What the files of Evaluator share.

#include <fmt/format.h>

#include "text/jinja/evaluator.h"

namespace kedge::text::jinja {

/// Counts one level of evaluation while it lives: what bounds the stack.
class Evaluator::Depth {
 public:
  explicit Depth(Evaluator& evaluator) : evaluator_(evaluator) {
    if (++evaluator_.depth_ > kLevelsPerDepth * evaluator_.limits_.depth_max) {
      --evaluator_.depth_;
      throw Failure{fmt::format("macros, blocks and expressions are nested too deeply (depth_max {})",
                                evaluator_.limits_.depth_max)};
    }
  }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;
  ~Depth() { --evaluator_.depth_; }

 private:
  static constexpr size_t kLevelsPerDepth = 12;  // a macro's call passes about that many statements and expressions
  Evaluator& evaluator_;
};

/// Sends output to a text of its own while it lives.
class Evaluator::Capture {
 public:
  explicit Capture(Evaluator& evaluator) : evaluator_(evaluator), outer_(std::exchange(evaluator.out_, &text_)) {}
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() { evaluator_.out_ = outer_; }

  /// What was written, kept by the heap.
  Value take() { return evaluator_.runtime_.heap.string(std::exchange(text_, {})); }

 private:
  Evaluator& evaluator_;
  std::string text_;
  std::string* outer_;
};

struct Evaluator::Macro : CallableObject {
  Evaluator* evaluator = nullptr;
  const MacroDefinition* definition = nullptr;
  Activation* closure = nullptr;

  Value call(Runtime&, CallArguments& arguments) override { return evaluator->run_macro(*this, arguments); }
};

}  // namespace kedge::text::jinja
