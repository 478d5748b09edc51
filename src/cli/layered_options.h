#pragma once
// Options of one command from four places. First comes the command line, then PREFIX_OPTION in the environment, other
// programs' variables that mean the same, a YAML file, and last the option's default.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "kedge/result.h"

namespace kedge::cli {

using Variables = std::map<std::string, std::string>;

/// The environment of this process.
Variables process_variables();

/// Another program's variable that sets an option here.
struct ForeignVariable {
  const char* name;
  const char* option;  // its long name, without dashes
  /// The option's value for the variable's; null: as it is. Nothing: it says what is the default here.
  std::optional<std::string> (*translate)(const std::string& value) = nullptr;
};

struct LayeredSettings {
  std::string prefix;                        // "KEDGE_SERVE_": --max-num-seqs is KEDGE_SERVE_MAX_NUM_SEQS
  std::string foreign_prefix;                // "NIM_": variables that are named when nothing here reads them
  std::span<const ForeignVariable> foreign;  // of several that are set, the first row counts
  std::vector<std::string> excluded;         // options that only a command line has: "json"
  std::vector<std::string> secrets;          // options whose values are never shown
};

struct OptionValue {
  std::string name;  // without dashes; of a positional in lower case
  std::vector<std::string> values;
  bool is_list = false;
  std::string layer;  // "flag", "environment", "foreign", "file" or "default"
  std::string from;   // the variable or the file; else the layer's name
};

/// Made when all options are added and before the command line is parsed; used once.
class LayeredOptions {
 public:
  LayeredOptions(CLI::App& command, LayeredSettings settings);

  /// Gives options that the command line left open their values, after it was parsed. `file`: may be empty.
  /// Fails with invalid_input (a value that an option refuses, an unknown key: the nearest known one is named),
  /// not_found or corrupt_data (the file).
  Status fill(const Variables& variables, const std::filesystem::path& file);

  /// Every option in the order of the command's help, secrets hidden.
  [[nodiscard]] const std::vector<OptionValue>& values() const { return values_; }
  /// Variables with one of the two prefixes that set nothing, in alphabetical order.
  [[nodiscard]] const std::vector<std::string>& unused() const { return unused_; }

  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] Json to_json() const;

 private:
  struct Entry {
    CLI::Option* option = nullptr;
    std::string name;
    std::string variable;        // PREFIX_NAME
    std::string older_variable;  // the name that the option had before; may be empty
  };
  struct Found {
    std::vector<std::string> values;
    std::string layer;
    std::string from;
  };

  Status read_file(const std::filesystem::path& file);
  Result<std::optional<Found>> find(const Entry& entry, const Variables& variables) const;
  Status apply(const Entry& entry, const Found& found) const;
  [[nodiscard]] OptionValue shown(const Entry& entry, const std::optional<Found>& found) const;
  void note_unused(const Variables& variables);
  [[nodiscard]] const Entry* entry_of(std::string_view name) const;

  LayeredSettings settings_;
  std::vector<Entry> entries_;
  std::map<std::string, Found> file_values_;  // by option
  std::vector<OptionValue> values_;
  std::vector<std::string> unused_;
};

/// The candidate that takes the fewest edits to reach; empty when none is near.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace kedge::cli
