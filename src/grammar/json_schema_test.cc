// Goal: a schema's grammar matches texts that are valid under it, and none that is not.
// Method: a table for each keyword; tests/e2e/test_grammar.py samples from thousands of schemas and asks a validator.
#include "grammar/grammar_for_tests.h"

namespace kedge::grammar {
namespace {

struct Case {
  const char* schema;
  std::vector<std::string> yes, no;
};

void check(std::span<const Case> cases) {
  for (const Case& each : cases) {
    for (const std::string& text : each.yes) {
      EXPECT_TRUE(matches(ConstraintKind::json_schema, each.schema, text)) << each.schema << "\n" << text;
    }
    for (const std::string& text : each.no) {
      EXPECT_FALSE(matches(ConstraintKind::json_schema, each.schema, text)) << each.schema << "\n" << text;
    }
  }
}

TEST(JsonSchema, types) {
  const Case kCases[] = {
      {R"({})",
       {"1", "null", R"({"a": [1, {"b": "c"}]})", "\"\\u00e9\\ud83d\\ude00\""},
       {"", "{", "\"\\ud83d\"", "01"}},
      {R"({"type": "integer"})", {"0", "-12"}, {"-0.5", "1.0", "00", "\"1\"", "1e2"}},
      {R"({"type": "number"})", {"0", "-1.5e-3"}, {".5", "1.", "+1"}},
      {R"({"type": ["string", "null"]})", {"null", "\"x\\n\\\"\""}, {"\"\n\"", "nul"}},
      {R"({"type": "boolean"})", {"true", "false"}, {"True"}},
      {R"({"type": "string", "nullable": true})", {"null"}, {"1"}},
      {R"({"enum": ["a", 1, null, {"x": [1]}]})", {"\"a\"", "1", "null", R"({"x":[1]})"}, {"\"b\"", "2"}},
      {R"({"type": "string", "enum": ["a", 1]})", {"\"a\""}, {"1"}},
      {R"({"const": "q\"uote"})", {R"("q\"uote")"}, {R"("q"uote")"}},
  };
  check(kCases);
}

TEST(JsonSchema, objects) {
  const Case kCases[] = {
      {R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"],
           "additionalProperties": false})",
       {R"({"a": 1})", R"({"a":1,"b":[2]})", "{\n  \"a\": 1,\n  \"b\": null\n}"},
       {"{}", R"({"b":1,"a":2})", R"({"a":"x"})", R"({"a":1,})", R"({"a":1,"c":1})"}},
      {R"({"properties": {"a": {}, "b": {}}})",
       {"{}", R"({"a":1})", R"({"b":1})", R"({"a":1, "b":1})"},
       {R"({,"b":1})"}},
      {R"({"type": "object", "additionalProperties": {"type": "integer"}})",
       {"{}", R"({"x":1,"y":2})"},
       {R"({"x":"y"})"}},
      {R"({"properties": {"ab": {"type": "string"}}, "additionalProperties": {"type": "integer"}})",
       {R"({"ab":"x","abc":1,"a":2})", R"({"a":2})"},
       {R"({"ab":1})", R"({"a\u0062":1})"}},
      {R"({"type": "object", "patternProperties": {"^n_": {"type": "integer"}}, "additionalProperties": {"type": "null"}})",
       {R"({"n_x":1,"y":null})"},
       {R"({"n_x":null})", R"({"y":1})"}},
      {R"({"type": "object", "required": ["k"]})", {R"({"k":[]})"}, {"{}"}},
      {R"({"type": "object", "propertyNames": {"pattern": "^[a-z]+$", "maxLength": 3}})",
       {R"({"ab":1})"},
       {R"({"abcd":1})", R"({"A":1})"}},
      {R"({"type": "object", "properties": {}})", {"{}"}, {R"({"a":1})"}},
      {R"({"type": "object", "maxProperties": 1})", {"{}", R"({"a":1})"}, {R"({"a":1,"b":1})"}},
  };
  check(kCases);
}

TEST(JsonSchema, arrays) {
  const Case kCases[] = {
      {R"({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3})",
       {"[1,2]", "[ 1, 2, 3 ]"},
       {"[]", "[1]", "[1,2,3,4]", "[1,2,]", "[1,\"x\"]"}},
      {R"({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false})",
       {"[]", "[1]", "[1,\"x\"]"},
       {"[\"x\"]", "[1,\"x\",2]"}},
      {R"({"prefixItems": [{"type": "integer"}], "items": {"type": "null"}, "minItems": 2, "maxItems": 3})",
       {"[1,null]", "[1,null,null]"},
       {"[1]", "[1,null,null,null]"}},
      {R"({"type": "array", "maxItems": 0})", {"[]", "[ ]"}, {"[1]"}},
      {R"({"type": "array", "items": {"type": "integer"}, "maxItems": 1})", {"[]", "[1]"}, {"[1,2]"}},
  };
  check(kCases);
}

TEST(JsonSchema, strings) {
  const Case kCases[] = {
      {R"({"type": "string", "minLength": 2, "maxLength": 3})",
       {"\"ab\"", "\"\xC3\xA9\xF0\x9F\x98\x80x\"", "\"\\u00e9\\n\"", "\"\\ud83d\\ude00y\""},
       {"\"a\"", "\"abcd\"", "\"\""}},
      {R"({"type": "string", "pattern": "^[a-z]+\"\\\\$"})", {R"("ab\"\\")"}, {R"("\"\\")", R"("ab")"}},
      {R"({"type": "string", "pattern": "b"})", {"\"abc\"", "\"b\""}, {"\"ac\""}},
      {R"({"type": "string", "pattern": "^a*$", "minLength": 2, "maxLength": 4})",
       {"\"aa\"", "\"aaaa\""},
       {"\"a\"", "\"aaaaa\"", "\"ab\""}},
      {R"({"type": "string", "format": "date"})", {"\"2026-11-30\""}, {"\"2026-11-31\"", "\"2026-02-30\"", "\"x\""}},
      {R"({"type": "string", "format": "date-time"})",
       {"\"2026-11-30T23:59:59.5+01:00\""},
       {"\"2026-11-30 23:59:59Z\""}},
      {R"({"type": "string", "format": "uuid"})", {"\"01234567-89ab-cdef-0123-456789abcdef\""}, {"\"0123\""}},
      {R"({"type": "string", "format": "ipv4"})", {"\"255.0.10.1\""}, {"\"256.0.0.1\"", "\"1.2.3\""}},
      {R"({"type": "string", "format": "ipv6"})",
       {"\"::\"", "\"fe80::1:2\"", "\"1:2:3:4:5:6:7:8\""},
       {"\"1::2::3\"", "\"1:2\""}},
      {R"({"type": "string", "format": "email"})", {"\"a.b@example.org\""}, {"\"a@b\"", "\"@x.org\""}},
      {R"({"type": "string", "format": "hostname"})", {"\"a-b.example\""}, {"\"-a\""}},
      {R"({"type": "string", "format": "duration"})",
       {"\"P1Y2M\"", "\"PT5M\"", "\"P3W\""},
       {"\"P\"", "\"PT\"", "\"P1Y2D\""}},
      {R"({"type": "string", "format": "uri"})", {"\"https://example.org/a?b=c#d\""}, {"\"example\""}},
      {R"({"type": "string", "format": "int32"})", {"\"x\""}, {}},
  };
  check(kCases);
}

TEST(JsonSchema, numbers) {
  const Case kCases[] = {
      {R"({"type": "integer", "minimum": -3, "maximum": 12})",
       {"-3", "0", "9", "12"},
       {"-4", "13", "100", "-12", "-0"}},
      {R"({"type": "integer", "exclusiveMinimum": 5})", {"6", "10", "100000"}, {"5", "0", "-6"}},
      {R"({"type": "integer", "minimum": 1.5, "maximum": 3.5})", {"2", "3"}, {"1", "4"}},
      {R"({"type": "integer", "minimum": -1.5})", {"-1", "0"}, {"-2"}},
      {R"({"type": "integer", "exclusiveMaximum": 0})", {"-1", "-99"}, {"0", "1"}},
      {R"({"type": "number", "minimum": 0, "maximum": 1})", {"0", "1", "0.5", "1.0", "0.999"}, {"1.01", "-0.1", "2"}},
      {R"({"type": "number", "exclusiveMinimum": 0.25, "maximum": 10.5})",
       {"0.26", "0.250001", "10.50", "9.99", "3"},
       {"0.25", "0.250", "10.51", "0.2", "11"}},
      {R"({"type": "number", "minimum": -2.5, "exclusiveMaximum": -1})",
       {"-2.5", "-1.1", "-2"},
       {"-1", "-2.6", "0", "-1.0"}},
      {R"({"type": "integer", "multipleOf": 7, "minimum": 0, "maximum": 100})", {"0", "7", "98"}, {"1", "105", "8"}},
      {R"({"type": "number", "multipleOf": 0.25})", {"0.25", "1.5", "-3", "2.75", "0"}, {"0.3", "1.55"}},
      {R"({"type": "integer", "multipleOf": 2.5})", {"5", "10", "0"}, {"2", "3"}},
      {R"({"minimum": 12345678901234567890})",
       {"12345678901234567890", "22345678901234567890"},
       {"12345678901234567889"}},
  };
  check(kCases);
}

TEST(JsonSchema, combined) {
  const Case kCases[] = {
      {R"({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]})", {"1", "\"x\""}, {"\"xy\"", "null"}},
      {R"({"oneOf": [{"const": 1}, {"const": 2}]})", {"1", "2"}, {"3"}},
      {R"({"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"],
           "anyOf": [{"properties": {"k": {"const": "a"}}}, {"properties": {"k": {"enum": ["b"]}, "n": {"type": "null"}}}]})",
       {R"({"k":"a"})", R"({"k":"b","n":null})"},
       {R"({"k":"c"})", "{}"}},
      {R"({"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]},
                     {"properties": {"b": {"type": "integer"}, "a": {"minimum": 5}}}]})",
       {R"({"a":5})", R"({"a":6,"b":1})"},
       {R"({"a":4})", R"({"b":1})"}},
      {R"({"$defs": {"n": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}},
           "required": ["v", "next"], "additionalProperties": false}}, "$ref": "#/$defs/n"})",
       {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"},
       {R"({"v":1})", R"({"v":1,"next":{}})"}},
      {R"({"type": "array", "items": {"$ref": "#"}})", {"[]", "[[],[[]]]"}, {"[1]"}},
      {R"({"$ref": "#/$defs/a~1b", "description": "x", "$defs": {"a/b": {"type": "null"}}})", {"null"}, {"1"}},
      {R"({"allOf": [{"$ref": "#/$defs/s"}, {"maxLength": 2}], "$defs": {"s": {"type": "string", "pattern": "^a"}}})",
       {"\"ab\""},
       {"\"abc\"", "\"b\""}},
  };
  check(kCases);
}

TEST(JsonSchema, nesting_does_not_multiply) {
  std::string arrays = R"({"type": "integer"})", maps = arrays, text = "1";
  for (int i = 0; i < 60; ++i) {
    arrays = R"({"type": "array", "minItems": 1, "items": )" + arrays + "}";
    maps = R"({"additionalProperties": )" + maps + "}";
    text = "[" + text + "]";
  }
  EXPECT_TRUE(matches(ConstraintKind::json_schema, arrays, text));
  EXPECT_TRUE(matches(ConstraintKind::json_schema, maps, R"({"a":{"b":{}}})"));
}

TEST(JsonSchema, refuses_by_name_and_path) {
  const std::pair<const char*, const char*> kCases[] = {
      {R"({"properties": {"a": {"not": {}}}})", "#/properties/a: 'not'"},
      {R"({"type": "array", "items": {"uniqueItems": true}})", "#/items: 'uniqueItems'"},
      {R"({"if": {}})", "'if'"},
      {R"({"type": "strin"})", "'type' is \"strin\""},
      {R"({"$ref": "http://example.org/x"})", "'$ref'"},
      {R"({"$ref": "#/$defs/none"})", "#/$defs/none"},
      {R"({"properties": {"x": {"type": "string", "format": "iri"}}})", "#/properties/x: 'format'"},
      {R"x({"pattern": "(?=a)"})x", "look-around"},
      {R"({"type": "string", "maxLength": 100000})", "'maxLength' is 100000"},
      {R"({"type": "string", "maxLength": -1})", "'maxLength' is -1"},
      {R"({"type": "integer", "minimum": "x"})", "'minimum' must be a number"},
      {R"({"items": [{}]})", "prefixItems"},
      {R"({"type": "integer", "minimum": 5, "maximum": 4})", "no text matches"},
      {R"({"enum": []})", "no text matches"},
      {R"({"minProperties": 3})", "'minProperties'"},
      {R"([])", "expected an object or a boolean"},
      {R"({"$ref": "#", "minLength": 1})", "refers to itself"},
      {R"({)", "JSON Schema"},
      {R"({"type": "object", "required": "a"})", "'required' must be an array"},
      {R"({"anyOf": []})", "'anyOf' has 0 branches"},
  };
  for (const auto& [schema, expected] : kCases) {
    EXPECT_NE(refusal(ConstraintKind::json_schema, schema).find(expected), std::string::npos)
        << schema << ": " << refusal(ConstraintKind::json_schema, schema);
  }
}

}  // namespace
}  // namespace kedge::grammar
