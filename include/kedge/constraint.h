#pragma once
// What an answer must look like, whatever the model would rather say.

#include <cstdint>
#include <string>

namespace kedge {

enum class ConstraintKind : uint8_t {
  json_object,    // any JSON object; no source
  json_schema,    // source: a JSON Schema (draft 2020-12, see docs/guide/structured-output.md)
  regex,          // source: a regular expression that the whole answer matches
  choice,         // source: a JSON array of strings, one of which is the answer
  gbnf,           // source: a grammar in llama.cpp's notation
  structural_tag  // source: JSON: free text with tags whose content is constrained
};

struct Constraint {
  ConstraintKind kind = ConstraintKind::json_object;
  std::string source;
};

}  // namespace kedge
