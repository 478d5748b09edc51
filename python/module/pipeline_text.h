#pragma once
// A pipeline as Python hands it over.

#include <fmt/format.h>

#include <string>

#include "curate/pipeline/pipeline.h"
#include "kedge/result.h"

namespace kedge::python {

struct PipelineText {
  std::string text;    // of the file, or JSON
  std::string name;    // in messages
  std::string folder;  // where its paths begin
};

/// Fails as parse_pipeline does, or with corrupt_data where it is too long.
inline Result<curate::Pipeline> read_pipeline(const PipelineText& source) {
  if (source.text.size() > curate::kPipelineBytesMax) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: found {} bytes, expected a pipeline of at most {}",
                                                      source.name, source.text.size(), curate::kPipelineBytesMax)};
  }
  KEDGE_ASSIGN(curate::Pipeline pipeline, curate::parse_pipeline(source.text, source.name));
  pipeline.folder = source.folder;
  return pipeline;
}

}  // namespace kedge::python
