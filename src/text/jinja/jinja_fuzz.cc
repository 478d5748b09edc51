// Any bytes as a template, rendered with a conversation that has every kind of value. Limits are tight, so that what is
// slow or large shows as a fault.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/json.h"
#include "text/chat_template.h"

namespace {

const kedge::Json& variables() {
  static const kedge::Json json = kedge::Json::parse(R"({
    "messages": [{"role": "system", "content": "Be brief."},
                 {"role": "user", "content": [{"type": "text", "text": "héllo\n"}]},
                 {"role": "assistant", "content": null,
                  "tool_calls": [{"id": "abc", "function": {"name": "f", "arguments": {"a": 1.5}}}]}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "a": 1, "b": -2.5, "c": "text",
    "d": {"k": [1, 2]},
    "strftime_now": "2024-07-26"})");
  return json;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kedge::text::TemplateLimits limits;
  limits.source_bytes_max = 1 << 14;
  limits.steps_max = 20'000;
  limits.output_bytes_max = 1 << 18;
  const auto parsed = kedge::text::ChatTemplate::parse({reinterpret_cast<const char*>(data), size}, limits);
  if (parsed.ok()) static_cast<void>(parsed.value()->render(variables()).ok());
  return 0;
}
