#pragma once
// Jinja's grammar, as jinja2 3.1 parses it with the loopcontrols extension and the `generation` tag of transformers.

#include <cstddef>
#include <string_view>

#include "text/jinja/ast.h"

namespace kedge::text::jinja {

/// The tree with its names bound. `depth_max` bounds nested tags and expressions. Throws Failure.
/// REQUIRES: valid UTF-8.
TemplateTree parse_template(std::string_view source, size_t depth_max);

}  // namespace kedge::text::jinja
