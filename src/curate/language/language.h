#pragma once
// Which language a text is in.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "curate/code_text.h"
#include "kedge/result.h"

namespace kedge::curate {

struct Language {
  std::string code = "und";  // ISO 639-1 in lower case; "und" when there is nothing to judge
  double score = 0;          // probability
};

/// Immutable; safe from any thread.
class LanguageModel {
 public:
  LanguageModel() = default;
  LanguageModel(const LanguageModel&) = delete;
  LanguageModel& operator=(const LanguageModel&) = delete;
  virtual ~LanguageModel() = default;

  [[nodiscard]] virtual Language identify(std::string_view text) const = 0;
};

/// The model within the program: 36 languages, trained on technical documents (make_language_model.py).
std::unique_ptr<LanguageModel> built_in_language_model();

/// A fastText classifier, plain (.bin) or compressed (.ftz). Fails with not_found, corrupt_data or unsupported.
Result<std::unique_ptr<LanguageModel>> open_fasttext_model(const std::filesystem::path& path);

}  // namespace kedge::curate
