// Goal: an option takes the value of the highest layer that has one, and what is wrong is named with its place.
// Method: a small command, made-up variables, files in the temporary directory.

#include "cli/layered_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "cli/serve_configuration.h"

namespace kedge::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::optional<std::string> as_boolean(const std::string& value) {
  if (value == "auto") return std::nullopt;
  return value == "1" ? "true" : "false";
}

constexpr ForeignVariable kForeign[] = {{"OTHER_PORT", "port"},
                                        {"OTHER_OLD_PORT", "port"},
                                        {"OTHER_CACHE", "cache", as_boolean},
                                        {"OTHER_GPUS", "gpus"}};  // an option that the command lacks

struct Command {
  CLI::App app;
  std::vector<std::string> models;
  unsigned port = 8080;
  uint64_t bytes = 0;
  bool cache = true;
  std::string key;
  std::optional<LayeredOptions> layers;

  Command() {
    app.option_defaults()->always_capture_default();
    app.add_option("MODEL", models);
    app.add_option("--port", port)->check(CLI::Range(0, 65535));
    app.add_option("--kv-bytes", bytes)->transform(CLI::AsSizeValue(false));
    app.add_flag("--cache,!--no-cache", cache);
    app.add_option("--api-key", key)->envname("OLD_KEY");
    layers.emplace(app, LayeredSettings{"APP_", "OTHER_", kForeign, {"json"}, {"api-key"}});
  }

  Status run(std::vector<std::string> arguments, const Variables& variables, const std::string& yaml = "") {
    std::string file;
    if (!yaml.empty()) {
      file = testing::TempDir() + "layered_options.yaml";
      std::ofstream(file) << yaml;
    }
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(arguments);
    return layers->fill(variables, file);
  }

  OptionValue value(const std::string& name) {
    for (const OptionValue& value : layers->values()) {
      if (value.name == name) return value;
    }
    return {};
  }
};

TEST(LayeredOptions, the_highest_layer_wins) {
  const Variables both{{"APP_PORT", "2"}, {"OTHER_PORT", "3"}};
  const Variables foreign{{"OTHER_PORT", "3"}, {"OTHER_OLD_PORT", "9"}};
  struct Case {
    std::vector<std::string> arguments;
    Variables variables;
    std::string yaml;
    unsigned port;
    std::string layer, from;
  };
  const std::string file = testing::TempDir() + "layered_options.yaml";
  for (const Case& c :
       {Case{{"--port", "1"}, both, "port: 4", 1, "flag", "flag"},
        Case{{}, both, "port: 4", 2, "environment", "APP_PORT"},
        Case{{}, foreign, "port: 4", 3, "foreign", "OTHER_PORT"}, Case{{}, {}, "port: 4", 4, "file", file},
        Case{{}, {{"APP_PORT", ""}}, "", 8080, "default", "default"}}) {
    Command command;
    ASSERT_TRUE(command.run(c.arguments, c.variables, c.yaml).ok());
    EXPECT_EQ(command.port, c.port);
    EXPECT_EQ(command.value("port").layer, c.layer);
    EXPECT_EQ(command.value("port").from, c.from);
    EXPECT_THAT(command.value("port").values, ElementsAre(std::to_string(c.port)));
  }
}

TEST(LayeredOptions, values_are_read_as_the_command_line_reads_them) {
  Command command;
  ASSERT_TRUE(command.run({}, {{"APP_MODEL", "a, b/c"}, {"OTHER_CACHE", "0"}}, "kv_bytes: 2GiB\n").ok());
  EXPECT_THAT(command.models, ElementsAre("a", "b/c"));
  EXPECT_EQ(command.bytes, uint64_t{2} << 30);
  EXPECT_FALSE(command.cache);
  Command other;
  ASSERT_TRUE(other.run({"--no-cache"}, {{"APP_CACHE", "true"}}, "model: [x, y]\n# nothing else\n").ok());
  EXPECT_THAT(other.models, ElementsAre("x", "y"));
  EXPECT_FALSE(other.cache);
  Command third;
  ASSERT_TRUE(third.run({}, {{"OTHER_CACHE", "auto"}}, "cache: false").ok());
  EXPECT_FALSE(third.cache) << "a variable that says nothing leaves it to the file";
}

TEST(LayeredOptions, what_is_wrong_is_named) {
  struct Case {
    Variables variables;
    std::string yaml, message;
  };
  for (const Case& c :
       {Case{{}, "prot: 1", "there is no option 'prot'; did you mean 'port'?"},
        Case{{}, "zzzzzz: 1", "there is no option 'zzzzzz'"}, Case{{}, "json: true", "there is no option 'json'"},
        Case{{}, "port: {a: 1}", "'port' is {\"a\":1}, expected a value"},
        Case{{}, "port:", "'port' is null, expected a value"},
        Case{{}, "kv-bytes: 1\nkv_bytes: 2", "'kv-bytes' is there twice"}, Case{{}, "- port", "found no mapping"},
        Case{{}, "port: 70000", "layered_options.yaml: --port"}, Case{{}, "port: [1, 2]", "--port"},
        Case{{}, "port: {", "not YAML"}, Case{{{"APP_PORT", "many"}}, "", "APP_PORT: "},
        Case{{{"OTHER_PORT", "-1"}}, "", "OTHER_PORT: "}}) {
    Command command;
    const Status status = command.run({}, c.variables, c.yaml);
    ASSERT_FALSE(status.ok()) << c.message;
    EXPECT_THAT(status.error().message, HasSubstr(c.message));
  }
}

TEST(LayeredOptions, secrets_are_hidden_and_unread_variables_are_named) {
  for (const char* variable : {"APP_API_KEY", "OLD_KEY"}) {
    Command command;
    ASSERT_TRUE(
        command.run({}, {{variable, "s3cret"}, {"OTHER_GPUS", "8"}, {"APP_JSON", "1"}, {"APP_PROT", "1"}}).ok());
    EXPECT_EQ(command.key, "s3cret");
    EXPECT_EQ(command.value("api-key").from, variable);
    EXPECT_THAT(command.layers->unused(), ElementsAre("APP_PROT", "OTHER_GPUS"));
    for (const std::string& text : {command.layers->to_text(), to_text(command.layers->to_json())}) {
      EXPECT_EQ(text.find("s3cret"), std::string::npos);
      EXPECT_THAT(text, HasSubstr("(hidden)"));
    }
  }
  Command flag;
  ASSERT_TRUE(flag.run({"--api-key", "s3cret"}, {}).ok());
  EXPECT_THAT(flag.value("api-key").values, ElementsAre("(hidden)"));
  EXPECT_EQ(Command().run({}, {}).ok(), true);
}

TEST(LayeredOptions, nearest_names) {
  EXPECT_EQ(nearest_name("prot", {"host", "port", "cors"}), "port");
  EXPECT_EQ(nearest_name("served-model", {"served-model-name", "models"}), "served-model-name");
  EXPECT_EQ(nearest_name("xyz", {"port", "host"}), "");
}

}  // namespace
}  // namespace kedge::cli
