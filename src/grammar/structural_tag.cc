#include "grammar/structural_tag.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"
#include "grammar/text_until.h"

namespace kedge::grammar {
namespace {

constexpr size_t kTagsMax = 1000;
constexpr size_t kTriggersMax = 64;
constexpr size_t kTriggerBytesMax = 256;

Error fail(const std::string& path, std::string_view what) {
  return {ErrorKind::invalid_input, fmt::format("structural tag, {}: {}", path, what)};
}

class TagParser {
 public:
  TagParser(Builder& builder, const FindToken& find_token) : b_(builder), json_(builder), find_token_(find_token) {}

  Result<ExpressionId> run(const Json& source) {
    if (!source.is_object()) return fail("#", "expected an object");
    if (source.contains("format")) return parse(source["format"], "format", 0);
    if (!source.contains("structures") || !source.contains("triggers")) {
      return fail("#", "expected 'format', or 'structures' and 'triggers'");
    }
    KEDGE_ASSIGN(const Json format, from_structures(source));
    return parse(format, "structures", 0);
  }

 private:
  /// A piece that is either text or one special token.
  struct Mark {
    std::string text;
    std::optional<TokenId> token;
    [[nodiscard]] bool empty() const { return text.empty() && !token; }
  };

  static Result<Json> from_structures(const Json& source) {
    if (!source["structures"].is_array()) return fail("structures", "expected an array");
    Json tags = Json::array();
    for (const Json& structure : source["structures"]) {
      if (!structure.is_object() || !structure.contains("begin") || !structure.contains("end")) {
        return fail("structures", "each must have 'begin', 'schema' and 'end'");
      }
      const Json schema = structure.contains("schema") ? structure["schema"] : Json(true);
      tags.push_back({{"type", "tag"},
                      {"begin", structure["begin"]},
                      {"content", {{"type", "json_schema"}, {"json_schema", schema}}},
                      {"end", structure["end"]}});
    }
    return Json{{"type", "triggered_tags"}, {"triggers", source["triggers"]}, {"tags", std::move(tags)}};
  }

  Result<ExpressionId> parse(const Json& format, const std::string& path, size_t depth) {
    if (depth > b_.limits().depth_max) return fail(path, "nested too deeply");
    if (!format.is_object() || !format.contains("type") || !format["type"].is_string()) {
      return fail(path, "expected an object with a 'type'");
    }
    const auto type = format["type"].get<std::string>();
    if (type == "token") {
      KEDGE_ASSIGN(const Mark mark, read_mark(format, path));
      return expression_of(mark);
    }
    if (type == "const_string") {
      KEDGE_ASSIGN(const std::string value, text_at(format, "value", path));
      return b_.literal(value);
    }
    if (type == "any_text") return b_.repeat(b_.bytes(0, 255), 0, kUnbounded);
    if (type == "json_schema" || type == "regex" || type == "grammar") return parse_source(format, type, path);
    if (type == "keyword_arguments") return parse_keywords(format, path);
    if (type == "sequence" || type == "or") return parse_elements(format, type == "or", path, depth);
    if (type == "tag") return parse_tag(format, path, depth);
    if (type == "triggered_tags") return parse_triggered(format, path, depth);
    if (type == "tags_with_separator") return parse_separated(format, path, depth);
    return fail(path, fmt::format("the type '{}' is not supported", type));
  }

  static Result<std::string> text_at(const Json& object, const char* key, const std::string& path) {
    if (!object.contains(key) || !object[key].is_string()) return fail(path, fmt::format("'{}' must be a string", key));
    return object[key].get<std::string>();
  }

  static Result<bool> flag_at(const Json& object, const char* key, const std::string& path) {
    if (!object.contains(key)) return false;
    if (!object[key].is_boolean()) return fail(path, fmt::format("'{}' must be a boolean", key));
    return object[key].get<bool>();
  }

  Result<ExpressionId> parse_source(const Json& format, const std::string& type, const std::string& path) {
    if (type == "json_schema") {
      if (!format.contains("json_schema")) return fail(path, "'json_schema' is missing");
      return parse_json_schema(b_, json_, format["json_schema"]);
    }
    if (type == "regex") {
      KEDGE_ASSIGN(const std::string pattern, text_at(format, "pattern", path));
      return parse_regex(b_, pattern, TextForm::plain, RegexMatch::whole);
    }
    KEDGE_ASSIGN(const std::string grammar, text_at(format, "grammar", path));
    KEDGE_ASSIGN(const RuleId rule, parse_gbnf(b_, grammar));
    return b_.rule(rule);
  }

  /// key=value, ...: the members of an object schema, in its order.
  Result<ExpressionId> parse_keywords(const Json& format, const std::string& path) {
    const Json schema = format.value("json_schema", Json());
    const Json properties = schema.is_object() ? schema.value("properties", Json::object()) : Json::object();
    const Json required = schema.is_object() ? schema.value("required", Json::array()) : Json::array();
    if (!properties.is_object() || !required.is_array() || properties.size() > kTagsMax) {
      return fail(path, "'json_schema' must be an object schema");
    }
    std::vector<ExpressionId> items;
    std::vector<bool> optional;
    for (const auto& [name, value] : properties.items()) {
      // References lead through the whole schema.
      Json whole = value;
      if (whole.is_object() && schema.contains("$defs")) whole["$defs"] = schema["$defs"];
      KEDGE_ASSIGN(const ExpressionId item, parse_json_schema(b_, json_, whole));
      items.push_back(b_.sequence({b_.literal(name + "="), item}));
      optional.push_back(std::ranges::find(required, Json(name)) == required.end());
    }
    return b_.joined(std::move(items), std::move(optional), b_.literal(", "));
  }

  Result<ExpressionId> parse_elements(const Json& format, bool any, const std::string& path, size_t depth) {
    if (!format.contains("elements") || !format["elements"].is_array() || format["elements"].size() > kTagsMax) {
      return fail(path, fmt::format("'elements' must be an array of at most {} formats", kTagsMax));
    }
    std::vector<ExpressionId> all;
    for (size_t i = 0; i < format["elements"].size(); ++i) {
      KEDGE_ASSIGN(const ExpressionId one,
                   parse(format["elements"][i], fmt::format("{}.elements[{}]", path, i), depth + 1));
      all.push_back(one);
    }
    return any ? b_.choice(std::move(all)) : b_.sequence(std::move(all));
  }

  Result<Mark> read_mark(const Json& value, const std::string& path) const {
    if (value.is_string()) return Mark{value.get<std::string>(), std::nullopt};
    if (!value.is_object() || value.value("type", Json()) != "token" || !value.contains("token") ||
        !value["token"].is_string()) {
      return fail(path, "expected a string or {\"type\": \"token\", \"token\": ...}");
    }
    const auto spelled = value["token"].get<std::string>();
    if (const std::optional<TokenId> token = find_token_(spelled)) return Mark{"", token};
    return Mark{spelled, std::nullopt};
  }

  Result<Mark> mark_at(const Json& object, const char* key, const std::string& path) const {
    if (!object.contains(key)) return fail(path, fmt::format("'{}' is missing", key));
    return read_mark(object[key], path + "." + key);
  }

  ExpressionId expression_of(const Mark& mark) { return mark.token ? b_.token(*mark.token) : b_.literal(mark.text); }

  /// What a tag holds, with its end.
  Result<ExpressionId> parse_body(const Json& tag, const std::string& path, size_t depth) {
    KEDGE_ASSIGN(const Mark end, mark_at(tag, "end", path));
    if (!tag.contains("content")) return fail(path, "'content' is missing");
    const Json& content = tag["content"];
    const bool any_text = content.is_object() && content.value("type", Json()) == "any_text";
    if (any_text && !end.text.empty()) return b_.automaton(text_until({end.text}, 0));
    KEDGE_ASSIGN(const ExpressionId inner, parse(content, path + ".content", depth + 1));
    return b_.sequence({inner, expression_of(end)});
  }

  Result<ExpressionId> parse_tag(const Json& tag, const std::string& path, size_t depth) {
    KEDGE_ASSIGN(const Mark begin, mark_at(tag, "begin", path));
    KEDGE_ASSIGN(const ExpressionId body, parse_body(tag, path, depth));
    return b_.sequence({expression_of(begin), body});
  }

  static Status check_tags(const Json& format, const std::string& path) {
    if (!format.contains("tags") || !format["tags"].is_array() || format["tags"].empty() ||
        format["tags"].size() > kTagsMax) {
      return fail(path, fmt::format("'tags' must be an array of 1 to {} tags", kTagsMax));
    }
    return Done{};
  }

  Result<std::vector<Mark>> read_triggers(const Json& format, const std::string& path) const {
    if (!format.contains("triggers") || !format["triggers"].is_array() || format["triggers"].empty() ||
        format["triggers"].size() > kTriggersMax) {
      return fail(path, fmt::format("'triggers' must be an array of 1 to {}", kTriggersMax));
    }
    std::vector<Mark> triggers;
    for (const Json& trigger : format["triggers"]) {
      KEDGE_ASSIGN(Mark mark, read_mark(trigger, path + ".triggers"));
      if (mark.empty() || mark.text.size() > kTriggerBytesMax) {
        return fail(path, fmt::format("a trigger must have 1 to {} bytes", kTriggerBytesMax));
      }
      triggers.push_back(std::move(mark));
    }
    return triggers;
  }

  /// What follows a trigger: the rest of a tag's beginning and its body. Nothing for tags of other triggers.
  Result<std::vector<ExpressionId>> continuations(const Json& tags, const Mark& trigger, const std::string& path,
                                                  size_t depth) {
    std::vector<ExpressionId> all;
    for (size_t i = 0; i < tags.size(); ++i) {
      const std::string tag_path = fmt::format("{}.tags[{}]", path, i);
      if (!tags[i].is_object()) return fail(tag_path, "expected an object");
      KEDGE_ASSIGN(const Mark begin, mark_at(tags[i], "begin", tag_path));
      const bool same_kind = begin.token == trigger.token;
      if (!same_kind || (!trigger.token && !begin.text.starts_with(trigger.text))) continue;
      KEDGE_ASSIGN(const ExpressionId body, parse_body(tags[i], tag_path, depth));
      const ExpressionId rest = b_.literal(begin.text.substr(trigger.text.size()));
      all.push_back(trigger.token ? body : b_.sequence({rest, body}));
    }
    return all;
  }

  Result<ExpressionId> parse_triggered(const Json& format, const std::string& path, size_t depth) {
    KEDGE_TRY(check_tags(format, path));
    KEDGE_ASSIGN(const std::vector<Mark> triggers, read_triggers(format, path));
    KEDGE_ASSIGN(const bool needed, flag_at(format, "at_least_one", path));
    KEDGE_ASSIGN(const bool once, flag_at(format, "stop_after_first", path));
    std::vector<std::string> texts;
    for (const Mark& trigger : triggers) {
      if (!trigger.token) texts.push_back(trigger.text);
    }
    const ExpressionId free_text = b_.automaton(text_without(texts));
    std::vector<ExpressionId> triggered;
    size_t text_index = 0, tag_count = 0;
    for (const Mark& trigger : triggers) {
      KEDGE_ASSIGN(std::vector<ExpressionId> tags, continuations(format["tags"], trigger, path, depth));
      tag_count += tags.size();
      const ExpressionId before = trigger.token ? b_.sequence({free_text, b_.token(*trigger.token)})
                                                : b_.automaton(text_until(texts, text_index++));
      triggered.push_back(b_.sequence({before, b_.choice(std::move(tags))}));
    }
    if (tag_count < format["tags"].size()) return fail(path, "a tag begins with none of the triggers");
    const ExpressionId tag = b_.choice(std::move(triggered));
    if (once) return b_.choice(needed ? std::vector{tag} : std::vector{tag, free_text});
    return b_.sequence({b_.repeat(tag, needed ? 1 : 0, kUnbounded), free_text});
  }

  Result<ExpressionId> parse_separated(const Json& format, const std::string& path, size_t depth) {
    KEDGE_TRY(check_tags(format, path));
    KEDGE_ASSIGN(const std::string separator, text_at(format, "separator", path));
    KEDGE_ASSIGN(const bool needed, flag_at(format, "at_least_one", path));
    KEDGE_ASSIGN(const bool once, flag_at(format, "stop_after_first", path));
    std::vector<ExpressionId> tags;
    for (size_t i = 0; i < format["tags"].size(); ++i) {
      const std::string tag_path = fmt::format("{}.tags[{}]", path, i);
      if (!format["tags"][i].is_object()) return fail(tag_path, "expected an object");
      KEDGE_ASSIGN(const ExpressionId tag, parse_tag(format["tags"][i], tag_path, depth));
      tags.push_back(tag);
    }
    const ExpressionId one = b_.shared(b_.choice(std::move(tags)), "tag");
    const ExpressionId more = b_.repeat(b_.sequence({b_.literal(separator), one}), 0, kUnbounded);
    const ExpressionId some = once ? one : b_.sequence({one, more});
    return needed ? some : b_.optional(some);
  }

  Builder& b_;
  JsonText json_;
  const FindToken& find_token_;
};

}  // namespace

Result<ExpressionId> parse_structural_tag(Builder& builder, const Json& source, const FindToken& find_token) {
  return TagParser(builder, find_token).run(source);
}

}  // namespace kedge::grammar
