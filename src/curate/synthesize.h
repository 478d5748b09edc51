#pragma once
// New documents out of given ones, written by a model that someone serves.

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "curate/annotate.h"
#include "kedge/tokenizer.h"

namespace kedge::curate {

/// What a model is asked for: the kinds of NeMo Curator's Nemotron-CC (Su et al. 2024), in words of our own.
struct SynthesisTask {
  std::string_view name;
  std::string_view system;
  std::string_view before, after;  // of the text, in the user's message
  int new_tokens_max;              // NeMo Curator's
};

inline constexpr size_t kSynthesisTasks = 5;
/// diverse_qa, distill, extract_knowledge, knowledge_list, wikipedia_paraphrase.
const std::array<SynthesisTask, kSynthesisTasks>& synthesis_tasks();

struct SynthesisOptions {
  const SynthesisTask* task = nullptr;
  std::string model;            // named in each line
  unsigned concurrency = 8;     // requests at once
  size_t segment_bytes = 8000;  // longer texts are asked about in parts, cut at line ends
  /// diverse_qa, knowledge_list: answers become what synthesis_answers.h makes of them; those that become nothing are
  /// left out, and a document without any other is rejected.
  bool post_process = false;
  size_t pairs_max = 10;
  std::shared_ptr<const Tokenizer> tokenizer = nullptr;  // short texts get fewer pairs by its tokens; may be null
  uint64_t seed = 0;
};

/// The model's answer to a system's and a user's message. Called by several threads. What fails with unavailable ends
/// the run, anything else rejects the document.
using Complete = std::function<Result<std::string>(std::string_view system, std::string_view user)>;

/// Writes {"id","segment","task","model","text"} for each part of each document, in input order. What is done lies in
/// OUTPUT.part: a run that ended early goes on there. Fails as `visit` does, with what `complete` returns when the
/// model cannot be reached, and with invalid_input (OUTPUT.part is of another run).
Result<Counts> synthesize(const Job& job, const SynthesisOptions& options, const Complete& complete, WorkerPool& pool,
                          const Events& events, const std::stop_token& stop);

}  // namespace kedge::curate
