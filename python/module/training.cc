// kedge.curate.train_classifier: a classifier from the texts and labels of a table.
#include "python/module/training.h"

#include <fmt/format.h>
#include <nanobind/stl/string.h>

#include "core/json.h"
#include "curate/language/classifier.h"
#include "curate/pipeline/options.h"
#include "python/module/errors.h"
#include "python/module/interrupt.h"
#include "python/module/table_input.h"

namespace nb = nanobind;

namespace kedge::python {
namespace {

/// By the names of `kedge curate train-classifier`.
Result<curate::TrainOptions> read_options(const std::string& json) {
  KEDGE_ASSIGN(const Json object, parse_json(json, "train_classifier"));
  curate::OptionReader options(object, "train_classifier");
  curate::TrainOptions settings;
  const auto whole = [&](const char* name, auto& value, int64_t least, int64_t most) {
    using Value = std::remove_reference_t<decltype(value)>;
    value = static_cast<Value>(options.whole(name, static_cast<int64_t>(value), least, most));
  };
  const std::string loss = options.choice("loss", "softmax", {"softmax", "hierarchical"});
  if (loss == "hierarchical") settings.loss = curate::TrainOptions::Loss::hierarchical;
  whole("dim", settings.dimension, 1, 4096);
  whole("epochs", settings.epochs, 1, 10'000);
  settings.learning_rate = options.number("lr", settings.learning_rate, 1e-6, 100);
  whole("word_ngrams", settings.word_ngrams, 1, 64);
  whole("minn", settings.piece_min, 0, 64);
  whole("maxn", settings.piece_max, 0, 64);
  whole("buckets", settings.bucket_count, 1, 1'000'000'000);
  whole("min_count", settings.word_count_min, 1, 1'000'000'000);
  whole("seed", settings.seed, 0, INT64_MAX);
  KEDGE_TRY(options.finish());
  return settings;
}

struct Labelled {
  std::vector<curate::LabelledText> texts;
  uint64_t in = 0, rejected = 0, without_label = 0;
};

/// As `kedge curate train-classifier` reads lines: a label is one word.
Result<Labelled> read_table(ArrowArrayStream& stream, const std::string& text, const std::string& label) {
  data::Fields fields;
  fields.text = text;
  fields.url = label;  // the column of texts that rows may lack
  KEDGE_ASSIGN(const auto table, TableInput::read(stream, fields));
  Labelled found;
  found.in = table->count();
  for (size_t row = 0; row < table->count(); ++row) {
    Result<data::Document> document = table->read(row);
    if (!document.ok()) {
      ++found.rejected;
      continue;
    }
    std::string word = std::move(document.value().url);
    if (word.starts_with("__label__")) word.erase(0, 9);
    if (word.empty() || word.find_first_of(" \n\r\t\v\f") != std::string::npos) {
      ++found.without_label;
    } else {
      found.texts.push_back({std::move(word), std::move(document.value().text)});
    }
  }
  if (!found.texts.empty()) return found;
  return Error{ErrorKind::invalid_input,
               fmt::format("no text has a label: expected a word in column '{}' of texts", label)};
}

std::string train(const nb::object& capsule, const std::string& text, const std::string& label,
                  const std::string& output, const std::string& options) {
  auto* const stream = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
  if (stream == nullptr) throw nb::python_error();
  if (stream->release == nullptr) throw nb::value_error("the table's stream was read before");
  Interruptible work;
  const auto result = [&]() -> Result<Json> {
    const nb::gil_scoped_release unlocked;
    Owned<ArrowArrayStream> owned(*stream);
    KEDGE_ASSIGN(const curate::TrainOptions settings, read_options(options));
    KEDGE_ASSIGN(const Labelled found, read_table(*owned, text, label));
    const auto check = [&work](double, double) { work.check(); };
    KEDGE_ASSIGN(const curate::Trained trained,
                 curate::train_classifier(found.texts, settings, output, check, work.token()));
    return Json{{"in", found.in},
                {"rejected", found.rejected},
                {"without_label", found.without_label},
                {"texts", found.texts.size()},
                {"labels", trained.labels},
                {"words", trained.words},
                {"tokens", trained.tokens},
                {"loss", trained.loss}};
  }();
  work.raise_if_stopped();
  return to_text(value_or_raise(result));
}

}  // namespace

void bind_training(nb::module_& module) {
  module.def("train_classifier", &train);
}

}  // namespace kedge::python
