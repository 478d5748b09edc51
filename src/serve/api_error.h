#pragma once
// What a client of the API is told when its request fails: OpenAI's error object.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/json.h"
#include "kedge/result.h"
#include "net/http_server_message.h"

namespace kedge::serve {

struct ApiError {
  int status = 400;
  std::string type = "invalid_request_error";
  std::string message;
  std::optional<std::string> param;  // the field that is wrong: "messages[0].role"
  std::optional<std::string> code;   // for programs: "model_not_found"
  std::optional<unsigned> retry_after_seconds;
};

/// Result<T> with the API's richer error; KEDGE_TRY and KEDGE_ASSIGN take it as well.
template <typename T>
class [[nodiscard]] ApiResult {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a return converts
  ApiResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): a return converts
  ApiResult(ApiError error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] const ApiError& error() const& { return std::get<1>(state_); }
  [[nodiscard]] ApiError&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, ApiError> state_;
};
using ApiStatus = ApiResult<Done>;

/// 400 that names a field.
ApiError wrong_field(std::string_view param, std::string message);

/// An error of the layers below, with the status of the error table. `param`: the field it is about, if one.
ApiError api_error(const Error& error, std::string_view param = {});

/// For what the HTTP layer refuses on its own (404, 405, 413, ...).
ApiError api_error(int status, std::string message);

Json error_json(const ApiError& error);
net::ServerResponse error_response(const ApiError& error);
net::ServerResponse json_response(const Json& json);

}  // namespace kedge::serve
