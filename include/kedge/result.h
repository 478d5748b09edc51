#pragma once
// Errors as values: what every fallible function of kedge returns.

#include <string>
#include <utility>
#include <variant>

namespace kedge {

/// What went wrong, as the caller must react to it. One table (src/core/error_table.h) maps a kind
/// to the exit code of the command line and to the HTTP status of the server.
enum class ErrorKind {
  invalid_input,  // the caller's request or option is wrong
  not_found,      // no such file, model, route
  corrupt_data,   // a file or a message breaks its format
  unsupported,    // well-formed, but kedge has no implementation for it
  out_of_memory,  // would not fit; the message has the numbers
  cancelled,      // stopped on request
  unavailable,    // a resource is busy or a peer did not answer: try again later
  internal        // our own mistake
};

/// A failure. `message` names the thing, what was found, what was expected and why.
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
};

/// A value or the error that prevented it.
template <typename T>
class [[nodiscard]] Result {
 public:
  using Value = T;

  // NOLINTNEXTLINE(google-explicit-constructor): a return converts
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): a return converts
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }

  /// REQUIRES: ok().
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }

  /// REQUIRES: !ok().
  [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

/// The value of a function that only succeeds or fails: `return Done{};`.
struct Done {};
using Status = Result<Done>;

}  // namespace kedge

#define KEDGE_CONCAT_INNER(a, b) a##b
#define KEDGE_CONCAT(a, b) KEDGE_CONCAT_INNER(a, b)

/// Returns the error of `expression` (a Result or Status) to the caller, if it has one.
#define KEDGE_TRY(expression)                                               \
  do {                                                                      \
    auto kedge_try_result = (expression);                                   \
    if (!kedge_try_result.ok()) return std::move(kedge_try_result).error(); \
  } while (false)

/// Declares `declaration` with the value of `expression`, or returns its error to the caller:
/// `KEDGE_ASSIGN(const auto file, MappedFile::open(path));`
#define KEDGE_ASSIGN(declaration, expression) \
  KEDGE_ASSIGN_INNER(KEDGE_CONCAT(kedge_result_, __LINE__), declaration, expression)
#define KEDGE_ASSIGN_INNER(result, declaration, expression) \
  auto result = (expression);                               \
  if (!result.ok()) return std::move(result).error();       \
  declaration = std::move(result).value()
