#pragma once
// The kinds of steps, and what they share. A group of operators has a file, steps_NAME.cc, with its classes and what
// `operators()` says of each.

#include <memory>
#include <string>
#include <string_view>

#include "curate/dedup/deduplicate.h"
#include "curate/pipeline/pipeline.h"
#include "curate/pipeline/step.h"

namespace kedge::curate {

using Folder = std::filesystem::path;
using MadeStep = Result<std::unique_ptr<Step>>;

std::string json_text(std::string_view text);
std::string json_number(double value);
/// Puts `text` in place of the document's, where it is another one.
void replace_text(data::Document& document, std::string_view text, Outcome& outcome);

/// The step `classify` over an encoder's classification head; takes all options but `model`.
MadeStep make_head_classify(OptionReader& options, const Folder& folder, const std::string& model);

/// The step `filter` with data-juicer's statistics; takes all options but `profile`.
MadeStep make_juicer_filter(OptionReader& options, const Folder& folder);

/// Whether it is `decontaminate` with action remove, which the runner does between two stages.
bool takes_items_out(const StepConfig& config);
/// Its settings. Fails with invalid_input, or as read_questions does.
Result<DedupOptions> read_task_removal(OptionReader& options, const Folder& folder);

OperatorInfo extract_operator();
OperatorInfo clean_operator();
OperatorInfo language_operator();
OperatorInfo script_operator();
OperatorInfo code_operator();
OperatorInfo classify_operator();
OperatorInfo perplexity_operator();
OperatorInfo unigrams_operator();
OperatorInfo filter_operator();
OperatorInfo per_extension_operator();
OperatorInfo pii_operator();
OperatorInfo decontaminate_operator();
OperatorInfo tokens_operator();
OperatorInfo embed_operator();
OperatorInfo score_operator();
OperatorInfo sample_operator();

}  // namespace kedge::curate
