#pragma once
// Errors as Python exceptions: the type that the table of kinds names, the message as it is.

#include <nanobind/nanobind.h>

#include "core/error_table.h"
#include "kedge/result.h"

namespace kedge::python {

/// REQUIRES: the caller holds the interpreter's lock.
[[noreturn]] inline void raise(const Error& error) {
  PyObject* const type = PyDict_GetItemString(PyEval_GetBuiltins(), codes_of(error.kind).python_exception);
  PyErr_SetString(type != nullptr ? type : PyExc_RuntimeError, error.message.c_str());
  throw nanobind::python_error();
}

/// The value, or the exception.
template <typename T>
T value_or_raise(Result<T> result) {
  if (!result.ok()) raise(result.error());
  return std::move(result).value();
}

}  // namespace kedge::python
