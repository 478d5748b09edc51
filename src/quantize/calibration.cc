#include "quantize/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "core/check.h"
#include "engine/sampler.h"

namespace kedge::quantize {
namespace {

constexpr int64_t kWriters = 32;  // documents that are written side by side

std::optional<int32_t> first_token(const models::DecoderSpec& spec, const models::WeightSource& source) {
  const auto found = source.config().find("bos_token_id");
  if (found == source.config().end() || !found->is_number_integer()) return std::nullopt;
  const auto id = found->get<int64_t>();
  return id >= 0 && id < spec.vocabulary_size ? std::optional(static_cast<int32_t>(id)) : std::nullopt;
}

/// One document on its way.
struct Writer {
  std::vector<int32_t> tokens;
  std::unique_ptr<engine::SequenceKv> cache;
  std::unique_ptr<engine::Sampler> sampler;
};

class Writing {
 public:
  Writing(WorkerPool& pool, const models::DecoderSpec& spec, const WritingOptions& options,
          std::optional<int32_t> first)
      : pool_(pool), spec_(spec), options_(options), first_(first) {}

  Status open(std::shared_ptr<const models::WeightSource> source) {
    KEDGE_ASSIGN(decoder_, models::Decoder::open(pool_, spec_, std::move(source),
                                                 {.tokens_max = kWriters, .outputs_max = kWriters}));
    KEDGE_ASSIGN(kv_pool_, engine::KvPool::create(engine::KvLayout::plan(spec_, cpu::KvType::bf16,
                                                                         kWriters * options_.length_max, kWriters, 1)));
    return Done{};
  }

  Result<TokenSequences> write() {
    std::vector<Writer> writers;
    for (;;) {
      while (wants_another(writers)) begin(writers);
      if (writers.empty()) return std::move(written_);
      if (options_.stop.stop_requested()) return Error{ErrorKind::cancelled, "stopped"};
      KEDGE_TRY(step(writers));
      std::erase_if(writers, [&](Writer& writer) { return finish(writer); });
      if (options_.on_progress) options_.on_progress(written_tokens_);
    }
  }

 private:
  /// Documents on their way count with what they have so far; few of them are on their way where few tokens are wanted.
  [[nodiscard]] bool wants_another(const std::vector<Writer>& writers) const {
    const auto count = static_cast<int64_t>(writers.size());
    if (count >= std::clamp<int64_t>(options_.tokens / options_.length_max, 1, kWriters)) return false;
    int64_t tokens = written_tokens_;
    for (const Writer& writer : writers) tokens += static_cast<int64_t>(writer.tokens.size());
    return tokens < options_.tokens;
  }

  void begin(std::vector<Writer>& writers) {
    const uint64_t seed = options_.seed + static_cast<uint64_t>(begun_++);
    Writer& writer = writers.emplace_back();
    writer.tokens.push_back(
        first_ ? *first_
               : static_cast<int32_t>(engine::Random(~seed).uniform() * static_cast<double>(spec_.vocabulary_size)));
    writer.cache = std::make_unique<engine::SequenceKv>(*kv_pool_);
    writer.sampler = std::make_unique<engine::Sampler>(SamplingOptions{}, seed, writer.tokens);
  }

  /// One more token of each.
  Status step(std::vector<Writer>& writers) {
    std::vector<models::TokenRun> runs;
    for (Writer& writer : writers) {
      KEDGE_CHECK(writer.cache->reserve(1));
      runs.push_back({.tokens = std::span(writer.tokens).last(1),
                      .first = writer.cache->length(),
                      .length = options_.length_max,
                      .cache = writer.cache.get(),
                      .output_from = 0});
    }
    const std::span<const float> logits = decoder_->forward(pool_, models::Phase::decode, runs);
    const auto vocabulary = static_cast<size_t>(spec_.vocabulary_size);
    std::vector<float> row(vocabulary);
    for (size_t i = 0; i < writers.size(); ++i) {
      writers[i].cache->advance(1);
      std::ranges::copy(logits.subspan(i * vocabulary, vocabulary), row.begin());
      if (!std::ranges::all_of(row, [](float logit) { return std::isfinite(logit); })) {
        return Error{ErrorKind::corrupt_data, "the model gives logits that are not finite: it cannot be measured"};
      }
      writers[i].tokens.push_back(writers[i].sampler->sample(row));
    }
    return Done{};
  }

  /// Keeps a document that has ended. False where it has not.
  bool finish(Writer& writer) {
    const bool ended = std::ranges::find(options_.end_tokens, writer.tokens.back()) != options_.end_tokens.end();
    if (!ended && static_cast<int64_t>(writer.tokens.size()) < options_.length_max) return false;
    written_tokens_ += static_cast<int64_t>(writer.tokens.size());
    if (writer.tokens.size() > 1) written_.push_back(std::move(writer.tokens));
    return true;
  }

  WorkerPool& pool_;
  const models::DecoderSpec& spec_;
  const WritingOptions& options_;
  std::optional<int32_t> first_;
  std::unique_ptr<models::Decoder> decoder_;
  std::unique_ptr<engine::KvPool> kv_pool_;
  TokenSequences written_;
  int64_t begun_ = 0, written_tokens_ = 0;
};

}  // namespace

Result<TokenSequences> sequences_of_text(const Tokenizer& tokenizer, std::string_view text, int64_t count,
                                         int64_t length) {
  KEDGE_ASSIGN(const std::vector<TokenId> ids, tokenizer.encode(text, {}));
  const int64_t begin_size = tokenizer.bos() ? 1 : 0;
  const int64_t body = length - begin_size;
  const int64_t whole = body > 0 ? static_cast<int64_t>(ids.size()) / body : 0;
  if (whole < 1) {
    return Error{ErrorKind::invalid_input,
                 fmt::format("the text has {} tokens, expected at least {} for one sequence", ids.size(), length)};
  }
  TokenSequences sequences;
  const int64_t taken = std::min(count, whole);
  for (int64_t i = 0; i < taken; ++i) {
    const int64_t first = i * whole / taken * body;
    std::vector<int32_t>& sequence = sequences.emplace_back();
    if (tokenizer.bos()) sequence.push_back(*tokenizer.bos());
    sequence.insert(sequence.end(), ids.begin() + first, ids.begin() + first + body);
  }
  return sequences;
}

Result<TokenSequences> written_by_model(WorkerPool& pool, const models::DecoderSpec& spec,
                                        const std::shared_ptr<const models::WeightSource>& source,
                                        const WritingOptions& options) {
  Writing writing(pool, spec, options, first_token(spec, *source));
  KEDGE_TRY(writing.open(source));
  return writing.write();
}

}  // namespace kedge::quantize
