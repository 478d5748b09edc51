#pragma once
// What every front end promises of any bytes.

#include <array>
#include <vector>

#include "core/check.h"
#include "grammar/constraint_compiler.h"

namespace kedge::grammar {

/// Small, so that no input takes long.
inline Limits fuzz_limits() {
  return {.source_bytes_max = 4096,
          .depth_max = 32,
          .rules_max = 200,
          .nodes_max = 20'000,
          .repeats_max = 50,
          .nfa_states_max = 5'000,
          .states_max = 2'000,
          .table_entries_max = size_t{1} << 18,
          .work_max = 100'000,
          .literals_max = 100};
}

/// Refused with a message, or compiled; then from every state met along a way some byte or the end leads on.
inline void check_source(ConstraintKind kind, std::string_view source) {
  const auto grammar =
      compile({kind, std::string(source)}, [](std::string_view) { return std::optional<TokenId>(); }, fuzz_limits());
  if (!grammar.ok()) {
    KEDGE_CHECK(grammar.error().kind == ErrorKind::invalid_input);
    KEDGE_CHECK(!grammar.error().message.empty());
    return;
  }
  Stepper stepper(*grammar.value());
  Configurations at, next;
  stepper.start(grammar.value()->root(), at);
  KEDGE_CHECK(!at.dead());
  for (unsigned step = 0; step < 64 && !at.items.empty(); ++step) {
    bool found = false;
    for (unsigned i = 0; i < 256 && !found; ++i) {
      stepper.step(at, static_cast<uint8_t>((i + step * 37) % 256), next);
      found = !next.dead();
    }
    KEDGE_CHECK(found);
    std::swap(at, next);
  }
}

}  // namespace kedge::grammar
