// Embeddings out of lines of JSON, and what they say of the documents.
#include <fmt/format.h>
#include <simdjson.h>

#include "core/file.h"
#include "curate/dedup/semantic.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

constexpr size_t kDimensionsMax = 1 << 16;

/// Empty: there is none.
std::vector<float> vector_of(std::string_view line, const std::string& field) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array numbers;
  std::vector<float> vector;
  if (parser.parse(line.data(), line.size()).get(root) != simdjson::SUCCESS) return vector;
  if (root[field].get(numbers) != simdjson::SUCCESS) return vector;
  for (const simdjson::dom::element& number : numbers) {
    double value = 0;
    if (number.get(value) != simdjson::SUCCESS || vector.size() == kDimensionsMax) return {};
    vector.push_back(static_cast<float>(value));
  }
  return vector;
}

struct Embedded {
  std::vector<std::string> ids;
  std::vector<float> vectors;
  size_t dimensions = 0;

  Status add(std::string id, const std::vector<float>& vector, const std::string& field) {
    if (vector.empty()) {
      return Error{ErrorKind::invalid_input,
                   fmt::format("id {}: found no numbers in '{}', expected an embedding in each line of JSON (kedge "
                               "embed makes them); name its member with --vector-field",
                               id, field)};
    }
    if (dimensions == 0) dimensions = vector.size();
    if (vector.size() != dimensions || ids.size() == UINT32_MAX) {
      return Error{ErrorKind::invalid_input, fmt::format("id {}: found {} numbers in '{}', expected {} as before", id,
                                                         vector.size(), field, dimensions)};
    }
    ids.push_back(std::move(id));
    vectors.insert(vectors.end(), vector.begin(), vector.end());
    return Done{};
  }
};

}  // namespace

Result<Counts> deduplicate_by_vectors(const Job& job, const VectorSource& source, const SemanticOptions& options,
                                      WorkerPool& pool, const Events& events, const std::stop_token& stop) {
  Embedded embedded;
  std::vector<Result<std::vector<float>>> slots;
  Visitor visitor;
  visitor.takes_text = false;
  visitor.begin_batch = [&](size_t count) { slots.assign(count, std::vector<float>()); };
  visitor.work = [&](const data::Document& document, size_t slot) {
    slots[slot] = source.model != nullptr ? source.model->embedding(document.text)
                                          : Result<std::vector<float>>(vector_of(document.line, source.field));
  };
  visitor.take = [&](size_t slot, data::Document& document) {
    if (!slots[slot].ok()) return Status(slots[slot].error());
    return embedded.add(std::move(document.id_json), slots[slot].value(), source.field);
  };
  KEDGE_ASSIGN(const Counts counts, visit(job, visitor, pool, events, stop));
  KEDGE_ASSIGN(const auto matches,
               find_semantic_duplicates(embedded.vectors, embedded.dimensions, options, pool, stop));
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(job.output));
  std::string lines;
  for (size_t i = 0; i < matches.size(); ++i) {
    lines += "{\"id\":" + embedded.ids[i] + ",\"keep\":" + (matches[i] ? "false" : "true");
    lines += ",\"of\":" + (matches[i] ? embedded.ids[matches[i]->of] : "null") + ",\"cosine\":";
    if (matches[i]) {
      data::append_json_number(lines, matches[i]->cosine);
    } else {
      lines += "null";
    }
    lines += "}\n";
  }
  KEDGE_TRY(file.write(lines));
  KEDGE_TRY(file.commit());
  return counts;
}

}  // namespace kedge::curate
