#include "quantize/text_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/file.h"
#include "kedge/tokenizer.h"
#include "models/model_settings.h"
#include "quantize/calibration.h"

namespace kedge::quantize {
namespace {

constexpr size_t kTextBytesMax = size_t{1} << 30;
constexpr const char* kOwnText = "written by the model";
constexpr uint64_t kHeldSeed = uint64_t{1} << 40;  // far from the seeds of calibration documents

Result<TokenSequences> from_file(const Tokenizer& tokenizer, const std::filesystem::path& file, int64_t count,
                                 int64_t length) {
  KEDGE_ASSIGN(const std::string text, read_file(file, kTextBytesMax));
  Result<TokenSequences> sequences = sequences_of_text(tokenizer, text, count, length);
  if (sequences.ok()) return sequences;
  return Error{sequences.error().kind, fmt::format("{}: {}", file.string(), sequences.error().message)};
}

/// Takes every fifth sequence out of `calibration`, up to `count`.
TokenSequences hold_back(TokenSequences& calibration, int64_t count) {
  TokenSequences held, kept;
  for (size_t i = 0; i < calibration.size(); ++i) {
    const bool taken = i % 5 == 4 && static_cast<int64_t>(held.size()) < count;
    (taken ? held : kept).push_back(std::move(calibration[i]));
  }
  calibration = std::move(kept);
  return held;
}

}  // namespace

Result<std::string> text_identity(const std::filesystem::path& file) {
  if (file.empty()) return std::string(kOwnText);
  KEDGE_ASSIGN(const auto mapped, MappedFile::open(file));
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const std::byte byte : mapped->bytes()) hash = (hash ^ std::to_integer<uint64_t>(byte)) * 0x100000001b3ULL;
  return fmt::format("{}, {:016x}", file.filename().string(), hash);
}

Result<Texts> choose_texts(WorkerPool& pool, const Options& options, const Events& events, const std::stop_token& stop,
                           const std::shared_ptr<const models::WeightSource>& source, const models::DecoderSpec& spec) {
  const int64_t length = std::min(options.length, spec.context_tokens);
  Texts texts;
  std::shared_ptr<const Tokenizer> tokenizer;
  if (!options.calibration_file.empty() || !options.held_file.empty()) {
    KEDGE_ASSIGN(tokenizer, Tokenizer::open(options.model));
  }
  const auto write = [&](int64_t sequences, uint64_t seed, const char* stage) -> Result<TokenSequences> {
    KEDGE_ASSIGN(const models::ModelSettings settings, models::read_model_settings(options.model, *source));
    WritingOptions writing{.tokens = sequences * length,
                           .length_max = length,
                           .seed = seed,
                           .end_tokens = settings.end_tokens,
                           .on_progress = {},
                           .stop = stop};
    writing.on_progress = [&](int64_t tokens) {
      if (events.on_progress) events.on_progress({stage, std::min(tokens, writing.tokens), writing.tokens});
    };
    return written_by_model(pool, spec, source, writing);
  };
  if (!options.calibration_file.empty()) {
    const bool shared = options.held_file.empty();
    const int64_t count = options.sequences + (shared ? options.held_sequences : 0);
    KEDGE_ASSIGN(texts.calibration, from_file(*tokenizer, options.calibration_file, count, length));
    texts.calibration_name = options.calibration_file.filename().string();
    if (shared) {
      texts.held = hold_back(texts.calibration, options.held_sequences);
      texts.held_name = fmt::format("held back from {}", texts.calibration_name);
    }
  } else if (options.sequences > 0) {
    KEDGE_ASSIGN(texts.calibration, write(options.sequences, options.seed, "writing calibration text"));
    texts.calibration_name = kOwnText;
  }
  if (!options.held_file.empty()) {
    KEDGE_ASSIGN(texts.held, from_file(*tokenizer, options.held_file, options.held_sequences, length));
    texts.held_name = options.held_file.filename().string();
  } else if (texts.held_name.empty()) {
    KEDGE_ASSIGN(texts.held, write(options.held_sequences, options.seed + kHeldSeed, "writing held text"));
    texts.held_name = kOwnText;
  }
  return texts;
}

}  // namespace kedge::quantize
