#include "cli/model_argument.h"

#include <fmt/format.h>

#include <cstdlib>
#include <system_error>

#include "cli/demo_model.h"
#include "core/file.h"

namespace kedge::cli {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// The hub's cache: HF_HUB_CACHE, HF_HOME/hub, or ~/.cache/huggingface/hub.
fs::path hub_cache() {
  if (const char* cache = std::getenv("HF_HUB_CACHE"); cache != nullptr && *cache != '\0') return cache;
  if (const char* home = std::getenv("HF_HOME"); home != nullptr && *home != '\0') return fs::path(home) / "hub";
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return fs::path(cache) / "huggingface" / "hub";
  }
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : ".") / ".cache" / "huggingface" / "hub";
}

/// ORG/NAME[@REV]: two plain parts and no path tricks.
bool looks_like_name(const std::string& model) {
  const size_t slash = model.find('/');
  if (slash == std::string::npos || slash == 0 || model.find('/', slash + 1) != std::string::npos) return false;
  return model.front() != '.' && model.find("..") == std::string::npos && model.back() != '/';
}

/// A snapshot with one .gguf and no config.json is that file.
Result<fs::path> snapshot_model(const fs::path& snapshot) {
  if (is_there(snapshot / "config.json")) return snapshot;
  std::error_code ignored;
  fs::path found;
  int count = 0;
  for (const auto& entry : fs::directory_iterator(snapshot, ignored)) {
    if (entry.path().extension() != ".gguf") continue;
    found = entry.path();
    ++count;
  }
  if (count == 1) return found;
  if (count == 0) return snapshot;
  return Error{ErrorKind::invalid_input,
               fmt::format("{}: holds {} .gguf files; name one of them", snapshot.string(), count)};
}

Result<fs::path> find_in_cache(const std::string& model) {
  const size_t at = model.find('@');
  const std::string name = model.substr(0, at);
  const std::string revision = at == std::string::npos ? "main" : model.substr(at + 1);
  const size_t slash = name.find('/');
  const fs::path root = hub_cache() / fmt::format("models--{}--{}", name.substr(0, slash), name.substr(slash + 1));
  if (is_there(root / "snapshots" / revision)) return snapshot_model(root / "snapshots" / revision);
  const auto commit = read_file(root / "refs" / revision, 256);
  if (commit.ok()) {
    std::string hash = commit.value();
    while (!hash.empty() && (hash.back() == '\n' || hash.back() == ' ')) hash.pop_back();
    if (!hash.empty() && hash.find('/') == std::string::npos && is_there(root / "snapshots" / hash)) {
      return snapshot_model(root / "snapshots" / hash);
    }
  }
  return Error{ErrorKind::not_found,
               fmt::format("{}: neither a path nor in the cache at {}; fetch it with: kedge pull {}", model,
                           hub_cache().string(), model)};
}

}  // namespace

Result<fs::path> resolve_model(const std::string& model) {
  if (model == "demo") return demo_model_folder();  // also beside a folder of that name: ./demo is the folder
  if (is_there(model)) return fs::path(model);
  if (looks_like_name(model)) return find_in_cache(model);
  return Error{ErrorKind::not_found,
               fmt::format("{}: no such model, expected a checkpoint folder, a .gguf file, ORG/NAME from `kedge pull`, or demo",
                           model)};
}

void ModelOptions::add_to(CLI::App& command, bool optional) {
  CLI::Option* argument = command.add_option(
      "MODEL", model, "checkpoint folder, .gguf file, ORG/NAME that `kedge pull` stored, or demo (built in)");
  if (!optional) argument->required();
  add_loading_to(command);
}

void ModelOptions::add_loading_to(CLI::App& command) {
  command.add_option("--compute", compute, "precision of activations in matrix products")
      ->check(CLI::IsMember({"auto", "f32", "bf16"}))
      ->capture_default_str();
  command.add_option("--threads", threads, "worker threads; 0: one per physical core")->check(CLI::Range(0, 1024));
  command.add_option("--context", context_tokens, "tokens of context; 0: the model's own");
  command.add_option("--kv-cache-bytes", kv_cache_bytes, "memory for keys and values (accepts 2GiB); 0: as the context needs")
      ->transform(CLI::AsSizeValue(false));
  command.add_option("--chat-template", chat_template, "a Jinja file to use instead of the model's own template");
}

EngineOptions ModelOptions::engine_options() const {
  EngineOptions options;
  options.compute = compute == "f32" ? Compute::f32 : compute == "bf16" ? Compute::bf16 : Compute::automatic;
  options.thread_count = threads;
  options.context_tokens = context_tokens;
  options.kv_cache_bytes = kv_cache_bytes;
  options.chat_template_file = chat_template;
  return options;
}

Result<std::unique_ptr<Engine>> ModelOptions::open() const {
  KEDGE_ASSIGN(const fs::path path, resolve_model(model));
  return Engine::open(path, engine_options());
}

}  // namespace kedge::cli
