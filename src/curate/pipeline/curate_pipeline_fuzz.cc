// Any bytes as a pipeline file: it is refused with a message, or its steps can be made. JSON lines are changed on the
// way.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "core/json.h"
#include "curate/pipeline/run.h"
#include "data/json_line.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kedge;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto pipeline = curate::parse_pipeline(text, "pipeline.yaml");
  if (pipeline.ok()) {
    bool reads_files = false;  // of the machine that fuzzes
    for (const curate::StepConfig& step : pipeline.value().steps) {
      const bool names_files = step.op == "tokens" || step.op == "decontaminate" || step.op == "per_extension";
      reads_files = reads_files || names_files;
      for (const char* option : {"model", "stopwords_dir", "flagged_words_dir"}) {
        reads_files = reads_files || step.options.contains(option);
      }
    }
    if (!reads_files) (void)curate::make_stages(pipeline.value());
  } else {
    KEDGE_CHECK(!pipeline.error().message.empty());
  }
  const auto json = parse_json(text, "line");
  if (!json.ok() || !json.value().is_object()) return 0;
  std::string line(text);
  data::set_member(line, "text", "\"new\"");
  const auto changed = parse_json(line, "line");
  KEDGE_CHECK(changed.ok() && changed.value()["text"] == "new");
  data::remove_member(line, "text");
  const auto removed = parse_json(line, "line");
  KEDGE_CHECK(removed.ok());
  return 0;
}
