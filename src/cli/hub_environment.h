#pragma once
// What the environment says of folders and of the Hugging Face hub: the variables that huggingface_hub reads, with
// their meaning, and kedge's own cache.

#include <filesystem>
#include <functional>

#include "net/hub.h"

namespace kedge::cli {

/// The value of an environment variable, or null.
using Environment = std::function<const char*(const char* name)>;

/// The folder of models--ORG--NAME: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, or below the user's cache.
std::filesystem::path hub_cache_root(const Environment& environment);

/// Where laid out weights are kept: KEDGE_CACHE/packed, or below the user's cache.
std::filesystem::path packed_cache_root(const Environment& environment);

/// Endpoint (HF_ENDPOINT), token (HF_TOKEN, or the file that `hf auth login` writes), offline (HF_HUB_OFFLINE), time
/// limit (HF_HUB_DOWNLOAD_TIMEOUT, seconds) and cache.
net::HubOptions hub_options(const Environment& environment);

/// The same from the process's own environment.
std::filesystem::path hub_cache_root();
std::filesystem::path packed_cache_root();
net::HubOptions hub_options();

}  // namespace kedge::cli
