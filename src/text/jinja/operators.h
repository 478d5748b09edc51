#pragma once
// Python's operators.

#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"

namespace kedge::text::jinja {

Value apply(Runtime& runtime, ArithmeticOperator op, const Value& left, const Value& right);
bool apply(Runtime& runtime, CompareOperator op, const Value& left, const Value& right);
Value negate(const Value& value);
Value make_positive(const Value& value);

/// item in container.
bool contains(Runtime& runtime, const Value& container, const Value& item);

}  // namespace kedge::text::jinja
