#pragma once
// Where libraries lie that are loaded when they are needed.

#include <filesystem>

namespace kedge::data {

/// The folder of the file that this code is in: of the program, or of the Python module.
std::filesystem::path own_folder();

}  // namespace kedge::data
