#include "engine/encoder_engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/memory_info.h"
#include "engine/decoder_engine.h"

namespace kedge::engine {

Result<std::unique_ptr<Engine>> EncoderEngine::open(LoadedModel model, const EngineOptions& options) {
  std::unique_ptr<EncoderEngine> engine(new EncoderEngine(std::move(model)));
  ModelInfo& info = engine->model_.info;
  if (engine->model_.compute == cpu::MatmulCompute::int8) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: --compute int8 is for decoders, expected auto, f32 or bf16", info.name)};
  }
  const models::Encoder::Options encoding{.compute = engine->model_.compute, .onednn = engine->model_.onednn};
  MemoryPlan& plan = engine->plan_;
  KEDGE_ASSIGN(const models::LayoutPlan layout,
               models::Encoder::plan_layout(engine->spec(), engine->model_.source, encoding));
  if (encoding.onednn && layout.blocked_bytes == 0) {
    return Error{
        ErrorKind::unsupported,
        fmt::format("{}: --gemm onednn takes weights of type F32 (--compute f32 or bf16) and BF16 (bf16), where "
                    "{} has block kernels, and none of the model's are",
                    info.name, info.gemm)};
  }
  plan.available_bytes = available_memory_bytes();
  for (const auto& [dtype, bytes] : info.dtype_bytes) plan.weights_bytes += bytes;
  plan.packed_bytes = layout.bytes();
  plan.weights_bytes -= std::min(plan.weights_bytes, layout.replaced_bytes);
  plan.activation_bytes = models::Encoder::buffer_bytes(engine->spec());
  info.context_tokens = static_cast<int64_t>(engine->sequence_tokens_max());
  info.thread_count = options.thread_count > 0 ? options.thread_count : WorkerPool::physical_core_count();
  if (!options.plan_only) {
    KEDGE_TRY(check_plan(info, plan));
    engine->workers_ = std::make_unique<WorkerPool>(info.thread_count, true);
    KEDGE_ASSIGN(engine->encoder_,
                 models::Encoder::open(*engine->workers_, engine->spec(), engine->model_.source, encoding));
    engine->jobs_ = std::make_unique<JobThread>();
  }
  return std::unique_ptr<Engine>(std::move(engine));
}

size_t EncoderEngine::sequence_tokens_max() const {
  const int64_t limit = model_.settings.sequence_tokens_max;
  const int64_t positions = spec().context_tokens();
  return static_cast<size_t>(limit > 0 ? std::min(limit, positions) : positions);
}

Error EncoderEngine::no_text_model(const char* what) const {
  return {ErrorKind::unsupported, fmt::format("{}: {} is an encoder and cannot {}, expected a decoder",
                                              model_.info.name, model_.info.architecture, what)};
}

EngineStats EncoderEngine::stats() const {
  const size_t pending = pending_count();
  const size_t running = std::min<size_t>(pending, 1);
  return {.running = running, .waiting = pending - running, .running_step_seconds = jobs_->step_clock().seconds()};
}

Result<RequestId> EncoderEngine::submit(Request, OnToken, OnDone) {
  return no_text_model("generate text");
}

Status EncoderEngine::prepare(const Constraint&) {
  return no_text_model("generate text");
}

Result<AdapterPtr> EncoderEngine::load_adapter(const std::filesystem::path&) {
  return no_text_model("take LoRA adapters, which are of decoders");
}

Result<ForwardOutput> EncoderEngine::forward(std::span<const TokenId>, uint32_t, bool, const AdapterPtr&) {
  return no_text_model("give logits of next tokens");
}

Result<ContinuationScore> EncoderEngine::score(std::span<const TokenId>, std::span<const TokenId>) {
  return no_text_model("score continuations");
}

Result<Measurement> EncoderEngine::measure(const Workload&, const std::stop_token&) {
  return no_text_model("prefill or decode");
}

Status EncoderEngine::check_sequence(std::span<const TokenId> tokens) const {
  if (tokens.empty()) return Error{ErrorKind::invalid_input, "the sequence is empty, expected at least one token"};
  if (std::cmp_greater(tokens.size(), spec().context_tokens())) {
    return Error{ErrorKind::invalid_input, fmt::format("the sequence has {} tokens, and the model holds {}",
                                                       tokens.size(), spec().context_tokens())};
  }
  for (const TokenId token : tokens) {
    if (token < 0 || token >= spec().vocabulary_size) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("token id {} is outside the vocabulary of {}", token, spec().vocabulary_size)};
    }
  }
  return Done{};
}

/// BERT's pairs: everything after the first [SEP] is the second text.
std::vector<TokenId> EncoderEngine::token_types(std::span<const TokenId> tokens) const {
  if (spec().token_types < 2 || model_.tokenizer == nullptr) return {};
  const auto separator = model_.tokenizer->find("[SEP]");
  if (!separator) return {};
  std::vector<TokenId> types(tokens.size(), 0);
  const auto first = std::ranges::find(tokens, *separator);
  if (first != tokens.end()) std::fill(types.begin() + (first - tokens.begin()) + 1, types.end(), 1);
  return types;
}

Result<std::vector<std::vector<float>>> EncoderEngine::embed(std::span<const std::vector<TokenId>> sequences,
                                                             const EmbedOptions& options) {
  if (model_.info.kind != ModelKind::embedder) {
    return Error{ErrorKind::unsupported, fmt::format("{}: a reranker gives scores, not embeddings", model_.info.name)};
  }
  for (const std::vector<TokenId>& sequence : sequences) KEDGE_TRY(check_sequence(sequence));
  return jobs_->run_and_wait([&]() -> Result<std::vector<std::vector<float>>> {
    std::vector<std::vector<float>> vectors;
    vectors.reserve(sequences.size());
    for (const std::vector<TokenId>& sequence : sequences) vectors.push_back(embed_now(sequence, options));
    return vectors;
  });
}

std::vector<float> EncoderEngine::embed_now(std::span<const TokenId> tokens, const EmbedOptions& options) {
  const std::span<const float> states = encoder_->forward(*workers_, tokens);
  Pooling pooling = options.pooling;
  if (pooling == Pooling::from_model) {
    pooling = model_.settings.pooling_cls ? Pooling::cls : model_.settings.pooling_last ? Pooling::last : Pooling::mean;
  }
  std::vector<float> vector = pool_states(states, spec().hidden_size, pooling);
  if (options.normalize.value_or(model_.settings.normalize)) normalize_vector(vector);
  return vector;
}

Result<std::vector<float>> EncoderEngine::rerank(std::span<const std::vector<TokenId>> sequences) {
  const size_t labels = model_.info.labels.size();
  if (model_.info.kind != ModelKind::reranker || labels > 1) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: {} is no reranker{}, expected a classification head with one label", model_.info.name,
                             model_.info.architecture, labels > 1 ? fmt::format(": it has {} labels", labels) : "")};
  }
  KEDGE_ASSIGN(const auto all, classify(sequences));
  std::vector<float> scores;
  for (const std::vector<float>& of_one : all) scores.push_back(of_one.front());
  return scores;
}

Result<std::vector<std::vector<float>>> EncoderEngine::classify(std::span<const std::vector<TokenId>> sequences) {
  if (model_.info.kind != ModelKind::reranker) {
    return Error{ErrorKind::unsupported,
                 fmt::format("{}: {} has no classification head", model_.info.name, model_.info.architecture)};
  }
  for (const std::vector<TokenId>& sequence : sequences) KEDGE_TRY(check_sequence(sequence));
  return jobs_->run_and_wait([&]() -> Result<std::vector<std::vector<float>>> {
    std::vector<std::vector<float>> scores;
    for (const std::vector<TokenId>& sequence : sequences) {
      encoder_->forward(*workers_, sequence, token_types(sequence));
      scores.push_back(encoder_->head_scores(*workers_));
    }
    return scores;
  });
}

Result<std::vector<TokenId>> EncoderEngine::encode_for_embedding(std::string_view text) const {
  if (model_.tokenizer == nullptr) {
    return Error{ErrorKind::unsupported, fmt::format("{}: the model has no tokenizer", model_.info.name)};
  }
  KEDGE_ASSIGN(std::vector<TokenId> ids, model_.tokenizer->encode(text, {.add_special = true}));
  const size_t limit = sequence_tokens_max();
  if (ids.size() > limit) {
    const TokenId last = ids.back();  // the final special token is kept
    ids.resize(limit);
    ids.back() = last;
  }
  return ids;
}

Result<std::vector<TokenId>> EncoderEngine::encode_for_rerank(std::string_view query, std::string_view passage) const {
  if (model_.tokenizer == nullptr) {
    return Error{ErrorKind::unsupported, fmt::format("{}: the model has no tokenizer", model_.info.name)};
  }
  KEDGE_ASSIGN(std::vector<TokenId> ids, model_.tokenizer->encode_pair(query, passage));
  const size_t limit = sequence_tokens_max();
  if (ids.size() > limit) {
    const TokenId last = ids.back();
    ids.resize(limit);
    ids.back() = last;
  }
  return ids;
}

}  // namespace kedge::engine
