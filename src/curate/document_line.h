#pragma once
// A document as a line of JSON.

#include <string>

#include "data/record.h"

namespace kedge::curate {

/// The line that it was read from, or one with its id, URL, title and text; with a newline.
std::string document_line(const data::Document& document);

}  // namespace kedge::curate
