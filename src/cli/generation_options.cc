#include "cli/generation_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace kedge::cli {
namespace {

Result<std::pair<TokenId, float>> parse_bias(const std::string& text) {
  const size_t colon = text.find(':');
  TokenId token = 0;
  float bias = 0;
  const char* end = text.data() + text.size();
  if (colon != std::string::npos) {
    const auto id = std::from_chars(text.data(), text.data() + colon, token);
    const auto value = std::from_chars(text.data() + colon + 1, end, bias);
    if (id.ec == std::errc() && id.ptr == text.data() + colon && value.ec == std::errc() && value.ptr == end) {
      return std::pair<TokenId, float>(token, bias);
    }
  }
  return Error{ErrorKind::invalid_input,
               fmt::format("--logit-bias: found '{}', expected ID:BIAS such as 1234:-100", text)};
}

}  // namespace

void GenerationOptions::add_to(CLI::App& command) {
  command.add_option("-n,--max-tokens", new_tokens_max, "new tokens at most; 0: as many as the context holds");
  command.add_option("--temperature", sampling.temperature, "0 is greedy")->capture_default_str();
  command.add_option("--top-k", sampling.top_k, "only the k likeliest tokens; 0: all")->capture_default_str();
  command.add_option("--top-p", sampling.top_p, "only the likeliest tokens that reach this mass")
      ->capture_default_str();
  command.add_option("--min-p", sampling.min_p, "only tokens above this share of the likeliest")->capture_default_str();
  command.add_option("--typical-p", sampling.typical_p, "locally typical sampling")->capture_default_str();
  command.add_option("--repeat-penalty,--repetition-penalty", sampling.repetition_penalty, "over prompt and answer")
      ->capture_default_str();
  command.add_option("--presence-penalty", sampling.presence_penalty, "over the answer")->capture_default_str();
  command.add_option("--frequency-penalty", sampling.frequency_penalty, "over the answer")->capture_default_str();
  command.add_option("--logit-bias", logit_bias, "ID:BIAS, may be repeated");
  seed_option_ = command.add_option("--seed", seed, "same seed, prompt and build: same tokens");
  command.add_option("--stop", stop_strings, "a string that ends the answer, may be repeated");
  command.add_flag("--include-stop", include_stop, "keep the stop string in the answer");
  command.add_flag("--ignore-eos", ignore_eos, "go on past the model's end-of-sequence tokens");
  command.add_option("--sequences", sequence_count, "answers to the same prompt")->capture_default_str();
  command.add_option("--logprobs", top_logprobs, "with --json: log-probabilities and so many of the likeliest tokens");
}

Result<Request> GenerationOptions::request(std::vector<TokenId> prompt, const Engine& engine) const {
  Request made;
  const auto context = static_cast<size_t>(std::max<int64_t>(engine.info().context_tokens, 0));
  const auto room = static_cast<uint32_t>(context > prompt.size() ? context - prompt.size() : 1);
  made.new_tokens_max = new_tokens_max == 0 ? room : new_tokens_max;
  made.prompt_tokens = std::move(prompt);
  made.sequence_count = sequence_count;
  made.sampling = sampling;
  if (seed_option_ != nullptr && seed_option_->count() > 0) made.sampling.seed = seed;
  for (const std::string& text : logit_bias) {
    KEDGE_ASSIGN(const auto bias, parse_bias(text));
    made.sampling.logit_bias.push_back(bias);
  }
  made.stop_strings = stop_strings;
  made.include_stop_string = include_stop;
  made.ignore_eos = ignore_eos;
  made.top_logprobs = top_logprobs;
  made.adapter = adapter;
  return made;
}

}  // namespace kedge::cli
