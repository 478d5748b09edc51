#pragma once
// What one grammar may use. A hostile one ends in an error that names the limit.

#include <cstddef>
#include <cstdint>

namespace kedge::grammar {

struct Limits {
  size_t source_bytes_max = size_t{1} << 20;
  size_t depth_max = 128;             // nested groups, schemas
  size_t rules_max = 20'000;          // of one grammar
  size_t nodes_max = 1'000'000;       // of expressions
  size_t repeats_max = 10'000;        // of one bounded repetition
  size_t nfa_states_max = 1'000'000;  // of one rule
  size_t states_max = 200'000;        // of all rules together
  size_t table_entries_max = size_t{1} << 24;
  size_t work_max = 8'000'000;   // states made on the way, deterministic ones counted 16 times
  size_t literals_max = 10'000;  // values of an enum, choices
};

/// Rules that call each other nest at most so deep in an answer.
inline constexpr uint32_t kStackDepthMax = 1000;
/// Of one moment of a match. A grammar that needs more is too ambiguous: the rest is dropped.
inline constexpr size_t kConfigurationsMax = 1024;
/// What states of a long repetition have in common holds for so many bytes; longer tokens are walked one by one.
inline constexpr size_t kLookaheadBytes = 32;

}  // namespace kedge::grammar
