#pragma once
// Where the options of `kedge serve` come from: docs/decisions/0035-where-options-come-from.md.

#include "cli/layered_options.h"

namespace kedge::cli {

/// KEDGE_SERVE_*, and the NIM_* variables that mean something here.
LayeredSettings serve_settings();

/// Options that say how to configure, and are no configuration themselves.
struct ConfigurationOptions {
  std::string file;
  bool print = false;
};
void add_configuration_options(CLI::App& command, ConfigurationOptions& options);

/// Fills the options of `command`. The file is --config's or KEDGE_SERVE_CONFIG's. Fails as LayeredOptions::fill does.
Status configure(LayeredOptions& layers, const ConfigurationOptions& options, const Variables& variables);

}  // namespace kedge::cli
