#include "curate/text_model.h"

#include <fmt/format.h>

#include <utility>

namespace kedge::curate {
namespace {

ModelOpener& opener_in_use() {
  static ModelOpener opener;
  return opener;
}

}  // namespace

Result<std::vector<float>> TextModel::logits(std::string_view /*text*/, size_t /*tokens_max*/) const {
  return Error{ErrorKind::unsupported, "the model has no classification head"};
}

void set_model_opener(ModelOpener opener) {
  opener_in_use() = std::move(opener);
}

Result<std::shared_ptr<const TextModel>> open_text_model(const std::string& name, const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::filesystem::path path = folder / name;
  const std::string found = std::filesystem::exists(path, ignored) ? path.string() : name;
  if (opener_in_use()) return opener_in_use()(found);
  return Error{ErrorKind::unsupported,
               fmt::format("{}: models are opened by the kedge program alone, not here", found)};
}

}  // namespace kedge::curate
