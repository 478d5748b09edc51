#include "serve/api_error.h"

#include "core/error_table.h"

namespace kedge::serve {

namespace {

Json optional_text(const std::optional<std::string>& text) {
  return text ? Json(*text) : Json(nullptr);
}

}  // namespace

ApiError wrong_field(std::string_view param, std::string message) {
  ApiError error;
  error.message = std::move(message);
  if (!param.empty()) error.param = std::string(param);
  return error;
}

ApiError api_error(const Error& error, std::string_view param) {
  const ErrorCodes& codes = codes_of(error.kind);
  ApiError out;
  out.status = codes.http_status;
  out.type = codes.api_type;
  out.message = error.message;
  if (!param.empty()) out.param = std::string(param);
  if (codes.http_status == 503) out.retry_after_seconds = 5;
  return out;
}

ApiError api_error(int status, std::string message) {
  ApiError error;
  error.status = status;
  error.message = std::move(message);
  if (status >= 500) error.type = "server_error";
  if (status == 401) error.type = "authentication_error";
  if (status == 403) error.type = "permission_error";
  if (status == 404) error.type = codes_of(ErrorKind::not_found).api_type;
  if (status == 429) error.type = "rate_limit_error";
  if (status == 503) error.retry_after_seconds = 1;
  return error;
}

Json error_json(const ApiError& error) {
  return {{"error",
           {{"message", error.message},
            {"type", error.type},
            {"param", optional_text(error.param)},
            {"code", optional_text(error.code)}}}};
}

net::ServerResponse error_response(const ApiError& error) {
  net::ServerResponse response = json_response(error_json(error));
  response.status = error.status;
  if (error.retry_after_seconds) {
    response.headers.push_back({"Retry-After", std::to_string(*error.retry_after_seconds)});
  }
  if (error.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

net::ServerResponse json_response(const Json& json) {
  return {200, {{"Content-Type", "application/json"}}, to_text(json)};
}

}  // namespace kedge::serve
