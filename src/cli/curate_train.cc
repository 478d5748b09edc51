// kedge curate train-classifier: a classifier of texts from labelled ones.

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>

#include "cli/curate_commands.h"
#include "cli/standard_io.h"
#include "curate/language/classifier.h"

namespace kedge::cli {
namespace {

struct TrainCommand {
  CurateOptions common;
  curate::TrainOptions settings;
  std::string label_field = "label";
  double holdout = 0;
};

/// The label beside a text; empty: there is none, or not one word.
std::string label_of(const data::Document& document, const std::string& field) {
  static thread_local simdjson::dom::parser parser;
  simdjson::dom::element root, value;
  if (parser.parse(document.line.data(), document.line.size()).get(root) != simdjson::SUCCESS) return {};
  if (root[field].get(value) != simdjson::SUCCESS) return {};
  std::string label = value.is_string() ? std::string(value.get_string().value()) : simdjson::minify(value);
  if (label.starts_with("__label__")) label.erase(0, 9);
  const bool is_scalar = value.is_string() || value.is_number() || value.is_bool();
  return is_scalar && label.find_first_of(" \n\r\t\v\f") == std::string::npos ? label : std::string();
}

struct Texts {
  std::vector<curate::LabelledText> train, held_out;
};

/// Every nth text is held out, so that `share` of them are.
bool is_held_out(uint64_t number, double share) {
  return std::floor(static_cast<double>(number + 1) * share) > std::floor(static_cast<double>(number) * share);
}

Result<curate::Counts> read_texts(const TrainCommand& command, Texts& texts, uint64_t& without_label) {
  uint64_t number = 0;
  const auto work = [&](const curate::Job& job, WorkerPool& pool, const curate::Events& events,
                        const std::stop_token& stop) {
    curate::Visitor<> visitor;
    visitor.take = [&](curate::Nothing, data::Document& document) -> Status {
      std::string label = label_of(document, command.label_field);
      if (label.empty()) {
        ++without_label;
        return Done{};
      }
      auto& part = is_held_out(number++, command.holdout) ? texts.held_out : texts.train;
      part.push_back({std::move(label), std::move(document.text)});
      return Done{};
    };
    return curate::visit(job, visitor, pool, events, stop);
  };
  return run_counted(command.common, work);
}

Result<double> accuracy_of(const std::string& model, const std::vector<curate::LabelledText>& texts) {
  KEDGE_ASSIGN(const auto classifier, curate::open_classifier(model));
  size_t right = 0;
  for (const curate::LabelledText& text : texts) right += classifier->identify(text.text).code == text.label ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(texts.size());
}

Status tell(const TrainCommand& command, Json report) {
  if (command.common.json) return write_json(report);
  std::string text =
      fmt::format("{} texts, {} labels, {} words, loss {:.4f}", report["texts"].get<uint64_t>(),
                  report["labels"].get<uint64_t>(), report["words"].get<uint64_t>(), report["loss"].get<double>());
  if (report.contains("accuracy")) {
    text += fmt::format("; accuracy {:.4f} on {} texts held out", report["accuracy"].get<double>(),
                        report["held_out"].get<uint64_t>());
  }
  return write_output(text + "\n");
}

Status train(const TrainCommand& command) {
  Texts texts;
  uint64_t without_label = 0;
  KEDGE_ASSIGN(const curate::Counts counts, read_texts(command, texts, without_label));
  if (texts.train.empty()) {
    return Error{ErrorKind::invalid_input, fmt::format("no text has a label: expected lines of JSON with a word, a "
                                                       "number or true or false as '{}' (--label-field)",
                                                       command.label_field)};
  }
  ProgressLine line(std::chrono::seconds(10));
  const InterruptStop interrupt;
  const auto on_progress = [&](double share, double loss) {
    if (!command.common.quiet) line.show(fmt::format("training {:.0f}%, loss {:.4f}", share * 100, loss));
  };
  const auto trained =
      curate::train_classifier(texts.train, command.settings, command.common.output, on_progress, interrupt.token());
  line.close();
  if (!trained.ok()) return trained.error();
  Json report = {{"in", counts.in},
                 {"rejected", counts.rejected},
                 {"without_label", without_label},
                 {"texts", texts.train.size()},
                 {"labels", trained.value().labels},
                 {"words", trained.value().words},
                 {"tokens", trained.value().tokens},
                 {"loss", trained.value().loss}};
  if (!texts.held_out.empty()) {
    KEDGE_ASSIGN(const double accuracy, accuracy_of(command.common.output, texts.held_out));
    report["held_out"] = texts.held_out.size();
    report["accuracy"] = accuracy;
  }
  return tell(command, std::move(report));
}

}  // namespace

void register_curate_train(Commands& commands, CLI::App& curate) {
  auto options = std::make_shared<TrainCommand>();
  CLI::App* command =
      commands.add_to(curate, "train-classifier", "a classifier in fastText's format from labelled texts",
                      [options] { return train(*options); });
  curate::TrainOptions& settings = options->settings;
  command->add_option("--label-field", options->label_field, "column of the labels")->capture_default_str();
  command->add_option("--holdout", options->holdout, "share of the texts to measure the accuracy on, not trained on")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  const std::map<std::string, curate::TrainOptions::Loss> losses = {
      {"softmax", curate::TrainOptions::Loss::softmax}, {"hierarchical", curate::TrainOptions::Loss::hierarchical}};
  command->add_option("--loss", settings.loss, "softmax (the default), or hierarchical for many labels")
      ->transform(CLI::CheckedTransformer(losses));
  const auto whole = [&](const char* name, auto& value, const char* meaning, int least, int most) {
    command->add_option(name, value, meaning)->check(CLI::Range(least, most))->capture_default_str();
  };
  whole("--dim", settings.dimension, "numbers of a word's vector", 1, 4096);
  whole("--epochs", settings.epochs, "times that all texts are seen", 1, 10'000);
  command->add_option("--lr", settings.learning_rate, "learning rate at the start; it falls to 0")
      ->check(CLI::Range(1e-6, 100.0))
      ->capture_default_str();
  whole("--word-ngrams", settings.word_ngrams, "runs of up to so many words count too", 1, 64);
  whole("--minn", settings.piece_min, "characters of the shortest pieces of words", 0, 64);
  whole("--maxn", settings.piece_max, "and of the longest; 0: no pieces", 0, 64);
  whole("--buckets", settings.bucket_count, "of the hashes of runs and pieces", 1, 1'000'000'000);
  whole("--min-count", settings.word_count_min, "leave words out that occur less often", 1, 1'000'000'000);
  command->add_option("--seed", settings.seed, "of the first vectors")->capture_default_str();
  options->common.add_to(*command);
  command->get_option("--output")->description("model file to write (.bin)");
}

}  // namespace kedge::cli
