#include "kedge/engine.h"

#include <fmt/format.h>

#include "engine/decoder_engine.h"
#include "engine/encoder_engine.h"
#include "engine/loader.h"

namespace kedge {

Result<std::unique_ptr<Engine>> Engine::open(const std::filesystem::path& model, const EngineOptions& options) {
  KEDGE_ASSIGN(engine::LoadedModel loaded, engine::load_model(model, options));
  const bool decodes = loaded.info.kind == ModelKind::decoder;
  return decodes ? engine::DecoderEngine::open(std::move(loaded), options)
                 : engine::EncoderEngine::open(std::move(loaded), options);
}

namespace {

Error no_slots(const Engine& engine) {
  return {ErrorKind::unsupported, engine.info().name + ": this model's prompts leave nothing in slots"};
}

}  // namespace

Result<std::vector<std::vector<float>>> Engine::classify(std::span<const std::vector<TokenId>>) {
  return Error{ErrorKind::unsupported,
               fmt::format("{}: {} has no classification head", info().name, info().architecture)};
}

Result<SlotTransfer> Engine::save_slot(size_t, const std::filesystem::path&) {
  return no_slots(*this);
}

Result<SlotTransfer> Engine::restore_slot(size_t, const std::filesystem::path&) {
  return no_slots(*this);
}

Result<uint64_t> Engine::erase_slot(size_t) {
  return no_slots(*this);
}

}  // namespace kedge
