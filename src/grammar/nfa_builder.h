#pragma once
// Thompson's construction (1968): an expression becomes a nondeterministic automaton.

#include <vector>

#include "grammar/builder.h"

namespace kedge::grammar {

/// `inlined[rule]`: calls of the rule are replaced by its expression; empty: no call is.
/// Fails with invalid_input past Limits::nfa_states_max.
Result<Nfa> build_nfa(const Builder& builder, ExpressionId expression, const std::vector<bool>& inlined);

/// States that build_nfa would make, at most `limit` + 1.
size_t nfa_size(const Builder& builder, ExpressionId expression, const std::vector<bool>& inlined, size_t limit);

}  // namespace kedge::grammar
