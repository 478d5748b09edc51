#include "models/adapter.h"

#include <fmt/format.h>

#include <system_error>

#include "core/file.h"
#include "models/adapter_config.h"
#include "models/adapter_loader.h"

namespace kedge::models {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

Result<AdapterFiles> read_adapter_files(const fs::path& folder) {
  const fs::path config = folder / "adapter_config.json", tensors = folder / "adapter_model.safetensors";
  if (!is_there(folder)) {
    return Error{ErrorKind::not_found, fmt::format("{}: no such folder, expected one with adapter_config.json and "
                                                   "adapter_model.safetensors",
                                                   folder.string())};
  }
  for (const char* other : {"adapter_model.bin", "adapter_model.pt"}) {
    if (is_there(tensors) || !is_there(folder / other)) continue;
    return Error{ErrorKind::unsupported, fmt::format("{}: a pickle, which may run code when it is read; expected "
                                                     "adapter_model.safetensors (save_pretrained writes it)",
                                                     (folder / other).string())};
  }
  AdapterFiles files{.name = folder.string()};
  KEDGE_ASSIGN(files.config, read_file(config, kAdapterConfigBytesMax));
  KEDGE_ASSIGN(files.tensors, read_file(tensors, kAdapterBytesMax));
  return files;
}

Result<std::shared_ptr<const Adapter>> Adapter::load(const AdapterFiles& files, const DecoderSpec& spec,
                                                     const DecoderWeights& weights, const AdapterOptions& options) {
  KEDGE_ASSIGN(const AdapterConfig config, parse_adapter_config(files.config, files.name + "/adapter_config.json"));
  KEDGE_ASSIGN(AdapterModules modules, AdapterModules::find(files, config, spec, options.rank_max));
  return AdapterLoader(spec, weights, options.dtype).load(std::move(modules));
}

}  // namespace kedge::models
