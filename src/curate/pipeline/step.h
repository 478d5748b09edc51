#pragma once
// One step of a pipeline: what it does with a document, and what is remembered of that.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"
#include "curate/pipeline/options.h"
#include "data/record.h"
#include "kedge/result.h"

namespace kedge::curate {

/// What a step made of one document.
struct Outcome {
  bool keep = true;
  std::string reason;                                        // why not
  bool changed = false;                                      // the text is another one now
  std::vector<std::pair<std::string, std::string>> members;  // to be set in the document's line: name and JSON
  std::vector<std::pair<std::string_view, double>> values;   // scores, by names that live as long as the program
  std::vector<std::string> labels;                           // of what there is to count: languages, kinds of data
  std::string details;                                       // JSON: all that the operator said
};

/// Scores with the limits that decide: for the report's charts.
struct ValueRange {
  std::string_view name;
  double low = 0, high = 1;             // of the chart
  double least = -1e300, most = 1e300;  // kept between these
};

/// A member that a step sets, and what its values are: `json` for objects and lists.
struct MemberInfo {
  enum class Kind : uint8_t { text, whole, number, json };
  std::string name;
  Kind kind = Kind::json;
};

/// Immutable: used by several threads at once.
class Step {
 public:
  explicit Step(std::string label) : label_(std::move(label)) {}
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  virtual ~Step() = default;

  /// May change the document's text. Never fails: empty and extreme documents get their outcome too.
  [[nodiscard]] virtual Outcome apply(data::Document& document) const = 0;
  [[nodiscard]] virtual std::vector<ValueRange> value_ranges() const { return {}; }
  /// All members that it sets in any document.
  [[nodiscard]] virtual std::vector<MemberInfo> members() const { return {}; }

  /// Whether it takes pages of web archives; only the first step of a pipeline meets them.
  [[nodiscard]] virtual bool reads_pages() const { return false; }
  [[nodiscard]] virtual Result<data::Document> read_page(const data::Record& /*record*/) const {
    return Error{ErrorKind::internal, "this step reads no pages"};
  }

  /// How reports call it: "filter nemo".
  [[nodiscard]] const std::string& label() const { return label_; }

 private:
  std::string label_;
};

/// A kind of step.
struct OperatorInfo {
  struct Option {
    std::string_view name, fallback, meaning;
  };
  std::string_view name;
  std::string_view summary;
  std::string_view reference;  // where its definition comes from
  std::vector<Option> options;
  /// Null: the runner does it itself (dedup). Files are looked up from `folder`.
  std::function<Result<std::unique_ptr<Step>>(OptionReader& options, const std::filesystem::path& folder)> make;
};

/// All there are, in the order of a usual pipeline.
const std::vector<OperatorInfo>& operators();
/// The same for programs: [{"name","summary","reference","options":[{"name","default","meaning"}]}].
Json describe_operators();
/// Null where there is none of this name.
const OperatorInfo* find_operator(std::string_view name);

}  // namespace kedge::curate
