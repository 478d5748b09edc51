#pragma once
// The one table from ErrorKind to the exit code of the command line, the HTTP status of the server and Python's
// exception.

#include "kedge/result.h"

namespace kedge {

struct ErrorCodes {
  ErrorKind kind;
  int exit_code;  // DESIGN: 2 usage, 3 bad input, 4 not enough memory, 5 interrupted, 1 our fault
  int http_status;
  const char* api_type;          // the `type` of OpenAI's error object
  const char* python_exception;  // a built-in one
};

inline constexpr ErrorCodes kErrorTable[] = {
    {ErrorKind::invalid_input, 3, 400, "invalid_request_error", "ValueError"},
    {ErrorKind::not_found, 3, 404, "not_found_error", "FileNotFoundError"},
    {ErrorKind::corrupt_data, 3, 400, "invalid_request_error", "ValueError"},
    {ErrorKind::unsupported, 3, 400, "invalid_request_error", "NotImplementedError"},
    {ErrorKind::out_of_memory, 4, 503, "server_error", "MemoryError"},
    {ErrorKind::cancelled, 5, 499, "cancelled", "KeyboardInterrupt"},
    {ErrorKind::unavailable, 1, 503, "server_error", "OSError"},
    {ErrorKind::internal, 1, 500, "server_error", "RuntimeError"},
};

/// Never fails: every kind has a row.
constexpr const ErrorCodes& codes_of(ErrorKind kind) {
  for (const ErrorCodes& row : kErrorTable) {
    if (row.kind == kind) return row;
  }
  return kErrorTable[sizeof(kErrorTable) / sizeof(kErrorTable[0]) - 1];
}

}  // namespace kedge
