#include "text/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "text/jinja/evaluator.h"
#include "text/jinja/parser.h"
#include "text/jinja/python_text.h"

namespace kedge::text {
namespace {

// What one rendering may hold in all: copies of what it prints, and room for the variables.
constexpr uint64_t kBytesPerOutputByte = 4;
constexpr uint64_t kBytesBesides = uint64_t{16} << 20;

jinja::Value to_value(jinja::Runtime& runtime, const Json& json);

jinja::Value to_dict(jinja::Runtime& runtime, const Json& json) {
  const auto [value, dict] = runtime.heap.dict();
  for (const auto& [key, item] : json.items()) {
    runtime.heap.set(*dict, jinja::Value::string(key), to_value(runtime, item));
  }
  return value;
}

jinja::Value to_value(jinja::Runtime& runtime, const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return jinja::Value::boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return jinja::Value::integer(json.get<int64_t>());
    case Json::value_t::number_unsigned:
      return jinja::Value::integer(static_cast<jinja::Integer>(json.get<uint64_t>()));
    case Json::value_t::number_float:
      return jinja::Value::number(json.get<double>());
    case Json::value_t::string: {
      const std::string& text = json.get_ref<const std::string&>();
      if (jinja::find_invalid_utf8(text)) throw jinja::Failure{"a string of the variables is not UTF-8"};
      return jinja::Value::string(text);
    }
    case Json::value_t::array: {
      std::vector<jinja::Value> items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(to_value(runtime, item));
      return runtime.heap.list(std::move(items));
    }
    case Json::value_t::object:
      return to_dict(runtime, json);
    default:
      return jinja::Value::none();
  }
}

/// transformers gives a message's reasoning under every name that templates read it by.
jinja::Value with_reasoning(jinja::Runtime& runtime, const jinja::Value& message) {
  if (!message.is(jinja::Kind::dict)) throw jinja::Failure{"'messages' must be a list of objects"};
  constexpr std::array<std::string_view, 3> kNames = {"reasoning_content", "thinking", "reasoning"};
  const jinja::Value* reasoning = nullptr;
  for (const std::string_view name : kNames) {
    const jinja::Value* found = message.dict().find(name);
    if (reasoning == nullptr && found != nullptr && !found->is_none()) reasoning = found;
  }
  if (reasoning == nullptr) return message;
  const auto [value, dict] = runtime.heap.dict();
  runtime.heap.set(*dict, jinja::Value::string("thinking"), *reasoning);
  for (const auto& [key, item] : message.dict().entries) runtime.heap.set(*dict, key, item);
  runtime.heap.set(*dict, jinja::Value::string("reasoning_content"), *reasoning);
  return value;
}

jinja::Value to_messages(jinja::Runtime& runtime, const Json& json) {
  const jinja::Value messages = to_value(runtime, json);
  if (!messages.is(jinja::Kind::list)) throw jinja::Failure{"'messages' must be a list of objects"};
  std::vector<jinja::Value> result;
  for (const jinja::Value& message : messages.list().items) result.push_back(with_reasoning(runtime, message));
  return runtime.heap.list(std::move(result));
}

/// The variables of the request, after those that transformers always gives.
void fill_variables(jinja::Runtime& runtime, const Json& json, jinja::DictObject& variables) {
  const auto set = [&](std::string_view name, const jinja::Value& value) {
    runtime.heap.set(variables, jinja::Value::string(name), value);
  };
  set("tools", jinja::Value::none());
  set("documents", jinja::Value::none());
  set("add_generation_prompt", jinja::Value::boolean(false));
  for (const auto& [name, value] : json.items()) {
    if (name == "strftime_now") {
      if (!value.is_string()) throw jinja::Failure{"'strftime_now' must be a date, YYYY-MM-DD"};
      runtime.date = value.get<std::string>();
    } else {
      set(name, name == "messages" ? to_messages(runtime, value) : to_value(runtime, value));
    }
  }
}

class JinjaTemplate : public ChatTemplate {
 public:
  JinjaTemplate(std::string source, jinja::TemplateTree tree, const TemplateLimits& limits)
      : source_(std::move(source)), tree_(std::move(tree)), limits_(limits) {}

  [[nodiscard]] Result<std::string> render(const Json& variables) const override {
    if (!variables.is_object()) {
      return Error{ErrorKind::invalid_input, "chat template: the variables must be a JSON object"};
    }
    const uint64_t output_bytes = std::min<uint64_t>(limits_.output_bytes_max, uint64_t{1} << 50);
    const uint64_t bytes_max = output_bytes * kBytesPerOutputByte + kBytesBesides;
    jinja::Runtime runtime{jinja::Heap(limits_.steps_max, bytes_max), {}};
    jinja::DictObject values;
    int line = 0;
    try {
      fill_variables(runtime, variables, values);
      jinja::Evaluator evaluator(tree_, runtime, values, {limits_.output_bytes_max, limits_.depth_max});
      try {
        return evaluator.run();
      } catch (const jinja::Failure&) {
        line = evaluator.line();
        throw;
      }
    } catch (const jinja::Failure& failure) {
      const std::string place = line == 0 ? "" : fmt::format(", line {}", line);
      return Error{ErrorKind::invalid_input, fmt::format("chat template{}: {}", place, failure.message)};
    }
  }

  [[nodiscard]] const std::string& source() const override { return source_; }

 private:
  std::string source_;
  jinja::TemplateTree tree_;
  TemplateLimits limits_;
};

}  // namespace

Result<std::shared_ptr<const ChatTemplate>> ChatTemplate::parse(std::string_view source, const TemplateLimits& limits) {
  const auto fail = [](const std::string& what) { return Error{ErrorKind::corrupt_data, "chat template: " + what}; };
  if (source.size() > limits.source_bytes_max) {
    return fail(fmt::format("{} bytes long, the limit is {}", source.size(), limits.source_bytes_max));
  }
  if (const auto offset = jinja::find_invalid_utf8(source)) return fail(fmt::format("not UTF-8 at byte {}", *offset));
  try {
    jinja::TemplateTree tree = jinja::parse_template(source, limits.depth_max);
    return std::shared_ptr<const ChatTemplate>(
        std::make_shared<const JinjaTemplate>(std::string(source), std::move(tree), limits));
  } catch (const jinja::Failure& failure) {
    return fail(failure.message);
  }
}

}  // namespace kedge::text
