#include "serve/beam_fields.h"

#include <fmt/format.h>

namespace kedge::serve {

namespace {

ApiStatus check_companions(const GenerationOptions& options, const Request& request) {
  const auto refuse = [](const std::string& field) {
    return wrong_field(field, fmt::format("'{}' does not go with 'use_beam_search'", field));
  };
  if (request.constraint) return refuse(options.constraint_field);
  if (!request.stop_strings.empty()) return refuse("stop");
  if (request.prompt_logprobs) return refuse("echo");
  if (request.reasoning) {
    return wrong_field("use_beam_search",
                       "'use_beam_search' does not go with a limit of reasoning, which the request or "
                       "the server (--reasoning-budget) sets");
  }
  return Done{};
}

}  // namespace

Fields<GenerationOptions> beam_fields() {
  using Options = GenerationOptions;
  return {
      boolean_field<Options>("use_beam_search",
                             "Search for the likeliest answers: 'best_of' beams, the best 'n' of which are told. "
                             "Sampling is not used.",
                             [](Options& o, bool on) { o.beam_search = on; }),
      integer_field<Options>("best_of", 1, kSequencesMax,
                             "How many beams are searched; without 'use_beam_search' it must equal 'n'.",
                             [](Options& o, int64_t n) { o.best_of = static_cast<uint32_t>(n); }),
      number_field<Options>("length_penalty", {-10, 10},
                            "Beams are ranked by their log-probability divided by their tokens to this power; 1 is "
                            "the rule.",
                            [](Options& o, float x) { o.beams.length_penalty = x; }),
      boolean_field<Options>("early_stopping", "End the search as soon as 'best_of' answers have ended.",
                             [](Options& o, bool on) { o.beams.early_stopping = on; }),
  };
}

ApiStatus set_beams(const GenerationOptions& options, Request& request) {
  const uint32_t answers = request.sequence_count;
  const uint32_t width = options.best_of.value_or(answers);
  if (!options.beam_search) {
    if (width == answers) return Done{};
    return wrong_field("best_of", fmt::format("'best_of' must equal 'n' ({}) without 'use_beam_search': choosing among "
                                              "more sampled answers is not supported",
                                              answers));
  }
  if (width < answers || width > kBeamWidthMax) {
    return wrong_field(options.best_of ? "best_of" : "n",
                       fmt::format("{} beams were asked for, for {} answers; expected as many or more, and at most {}",
                                   width, answers, kBeamWidthMax));
  }
  KEDGE_TRY(check_companions(options, request));
  request.beams = options.beams;
  request.beams->width = width;
  return Done{};
}

}  // namespace kedge::serve
