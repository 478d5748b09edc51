#include "cli/serve_configuration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace kedge::cli {
namespace {

using Translated = std::optional<std::string>;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// "hf://org/name" is the name that `kedge pull` stored.
Translated model_of(const std::string& value) {
  static constexpr std::string_view kHub = "hf://";
  return value.starts_with(kHub) ? value.substr(kHub.size()) : value;
}

/// Of several names the first; NIM's others are its aliases.
Translated first_of(const std::string& value) {
  return value.substr(0, value.find(','));
}

Translated others_of(const std::string& value) {
  const size_t comma = value.find(',');
  return comma == std::string::npos ? std::nullopt : Translated(value.substr(comma + 1));
}

Translated switch_of(const std::string& value) {
  const std::string text = lower(value);
  return text == "1" || text == "true" || text == "on" || text == "yes" ? "true" : "false";
}

/// Python's levels; DEFAULT is ours too.
Translated log_level_of(const std::string& value) {
  const std::string text = lower(value);
  if (text == "default") return std::nullopt;
  if (text == "trace") return "debug";
  if (text == "critical") return "error";
  return text;
}

Translated log_format_of(const std::string& value) {
  return switch_of(value) == "true" ? "json" : "text";
}

constexpr ForeignVariable kNimVariables[] = {
    {"NIM_MODEL_PATH", "model", model_of},
    {"NIM_MODEL_NAME", "model", model_of},
    {"NIM_SERVED_MODEL_NAME", "served-model-name", first_of},
    {"NIM_SERVED_MODEL_NAME", "alias", others_of},
    {"NIM_SERVER_PORT", "port"},
    {"NIM_HTTP_API_PORT", "port"},
    {"NIM_MAX_MODEL_LEN", "context"},
    {"NIM_PEFT_SOURCE", "peft-source"},
    {"NIM_PEFT_REFRESH_INTERVAL", "peft-refresh-seconds"},
    {"NIM_MAX_LORA_RANK", "max-lora-rank"},
    {"NIM_MAX_CPU_LORAS", "max-cpu-loras"},
    {"NIM_ENABLE_KV_CACHE_REUSE", "prefix-cache", switch_of},
    {"NIM_CORS_ALLOW_ORIGINS", "cors"},
    {"NIM_CORS_ALLOW_METHODS", "cors-methods"},
    {"NIM_CORS_ALLOW_HEADERS", "cors-headers"},
    {"NIM_CORS_EXPOSE_HEADERS", "cors-expose-headers"},
    {"NIM_CORS_MAX_AGE", "cors-max-age"},
    {"NIM_SSL_CERTS_PATH", "tls-cert"},
    {"NIM_SSL_KEY_PATH", "tls-key"},
    {"NIM_SSL_CA_CERTS_PATH", "tls-client-ca"},
    {"NIM_PEFT_SOURCE", "peft-source"},
    {"NIM_PEFT_REFRESH_INTERVAL", "peft-refresh-seconds"},
    {"NIM_MAX_CPU_LORAS", "max-cpu-loras"},
    {"NIM_LOG_LEVEL", "log-level", log_level_of},
    {"NIM_JSONL_LOGGING", "log-format", log_format_of},
};

}  // namespace

LayeredSettings serve_settings() {
  LayeredSettings settings;
  settings.prefix = "KEDGE_SERVE_";
  settings.foreign_prefix = "NIM_";
  settings.foreign = kNimVariables;
  settings.excluded = {"config", "print-config", "json"};
  settings.secrets = {"api-key", "otlp-headers"};
  return settings;
}

void add_configuration_options(CLI::App& command, ConfigurationOptions& options) {
  command.add_option("--config", options.file, "a YAML file of these options, as `port: 8080`");
  command.add_flag("--print-config", options.print, "print each option with its value and where that came from");
}

Status configure(LayeredOptions& layers, const ConfigurationOptions& options, const Variables& variables) {
  std::string file = options.file;
  const auto variable = variables.find("KEDGE_SERVE_CONFIG");
  if (file.empty() && variable != variables.end()) file = variable->second;
  return layers.fill(variables, file);
}

}  // namespace kedge::cli
