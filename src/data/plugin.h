#pragma once
// Libraries beside the program that are loaded when they are needed.

#include <string>

#include "kedge/result.h"

namespace kedge::data {

/// Loads `library` (a file name) from the program's folder, in a name space of its own. Never unloaded. Fails with
/// unsupported: `what` ("Parquet") needs it, `remedy` is what to do.
Result<void*> load_beside_program(const char* library, const char* what, const char* remedy);

/// A function of a loaded library. Fails with unsupported when it has none of this name.
Result<void*> function_of(void* library, const char* name);

}  // namespace kedge::data
