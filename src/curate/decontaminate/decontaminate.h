#pragma once
// Finds evaluation items that stand in documents.

#include <memory>

#include "curate/decontaminate/items.h"
#include "curate/operator.h"

namespace kedge::curate {

/// ngram: runs of 13 words of a question (8 to 12: the whole question), as NeMo 0.8's TaskDecontamination finds them.
/// fuzzy: also questions some of whose words were changed, by local alignment.
enum class DecontaminationMode : uint8_t { ngram, fuzzy };

/// `{"id","contaminated":bool,"matches":[{"item","start","end"},...]}`, in code points.
std::unique_ptr<Operator> make_decontamination(std::vector<EvaluationItem> items, DecontaminationMode mode);

}  // namespace kedge::curate
