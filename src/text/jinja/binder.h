#pragma once
// Binds every name of a template to a variable slot, by the scoping rules of jinja2's compiler.

#include "text/jinja/ast.h"

namespace kedge::text::jinja {

/// Fills slots and scopes. Throws Failure for a loop that assigns to `loop`, an unknown filter or test that is certain
/// to be reached, and a macro whose parameter `caller` has no default.
void bind_names(TemplateTree& tree);

}  // namespace kedge::text::jinja
