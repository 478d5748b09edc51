// Embeddings out of lines of JSON, and what they say of the documents.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "core/file.h"
#include "curate/dedup/semantic.h"
#include "curate/dedup/work_folder.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

struct Embedded {
  std::vector<std::string> ids;
  std::vector<float> vectors;
  size_t dimensions = 0;

  Status add(const std::vector<float>& vector, const std::string& id) {
    if (dimensions == 0) dimensions = vector.size();
    if (vector.size() != dimensions || ids.size() == UINT32_MAX) {
      return Error{
          ErrorKind::invalid_input,
          fmt::format("id {}: found an embedding of {} numbers, expected {} as before", id, vector.size(), dimensions)};
    }
    ids.push_back(id);
    vectors.insert(vectors.end(), vector.begin(), vector.end());
    return Done{};
  }
};

using TakeVector = std::function<Status(const std::vector<float>& vector, const std::string& id)>;

Result<Counts> visit_vectors(const Job& job, const VectorSource& source, const TakeVector& take, WorkerPool& pool,
                             const Events& events, const std::stop_token& stop) {
  Visitor<std::vector<float>> visitor;
  visitor.takes_text = false;
  visitor.attempt = [&](const data::Document& document, std::vector<float>& vector) -> Status {
    KEDGE_ASSIGN(vector, source.vector_of(document.text, document.line));
    if (vector.empty()) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("id {}: found no numbers in '{}', expected an embedding in each line of JSON (kedge "
                               "embed makes them); name its member with --vector-field",
                               document.id_json, source.field)};
    }
    if (!normalize(vector)) {
      return Error{ErrorKind::corrupt_data,
                   fmt::format("id {}: found an embedding whose length is 0 or not finite, expected a finite one "
                               "above 0",
                               document.id_json)};
    }
    return Done{};
  };
  visitor.take = [&](const std::vector<float>& vector, data::Document& document) {
    return take(vector, document.id_json);
  };
  return visit(job, visitor, pool, events, stop);
}

std::string decision(std::string_view id, const std::optional<SemanticMatch>& match, const std::string& of) {
  std::string line = fmt::format("{{\"id\":{},\"keep\":{},\"of\":{},\"cosine\":", id, !match, match ? of : "null");
  if (match) {
    data::append_json_number(line, match->cosine);
  } else {
    line += "null";
  }
  return line + "}\n";
}

Status write_decisions(const Job& job, const Embedded& embedded, const SemanticMatches& matches) {
  KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(job.output));
  for (size_t i = 0; i < matches.size(); ++i) {
    KEDGE_TRY(file.write(decision(embedded.ids[i], matches[i], matches[i] ? embedded.ids[matches[i]->of] : "")));
  }
  return file.commit();
}

Status write_decisions(const Job& job, const MappedVectors& vectors, const SemanticMatches& matches) {
  std::vector<bool> wanted(matches.size());
  for (const auto& match : matches) {
    if (match) wanted[match->of] = true;
  }
  KEDGE_ASSIGN(const Ids ids, vectors.ids_of(wanted));
  KEDGE_ASSIGN(data::LineFile file, data::LineFile::create(job.output));
  KEDGE_TRY(vectors.each_id([&](uint32_t i, std::string_view id) {
    return file.write(decision(id, matches[i], matches[i] ? ids.at(matches[i]->of) : ""));
  }));
  return file.commit();
}

}  // namespace

Result<Counts> deduplicate_by_vectors(const Job& job, const VectorSource& source, const SemanticOptions& options,
                                      bool on_disk, WorkerPool& pool, const Events& events,
                                      const std::stop_token& stop) {
  if (!on_disk) {
    Embedded embedded;
    const TakeVector take = [&](const std::vector<float>& vector, const std::string& id) {
      return embedded.add(vector, id);
    };
    KEDGE_ASSIGN(const Counts counts, visit_vectors(job, source, take, pool, events, stop));
    const MemoryVectors vectors(embedded.vectors, std::max<size_t>(embedded.dimensions, 1));
    KEDGE_ASSIGN(const auto matches, find_semantic_duplicates(vectors, options, pool, stop));
    KEDGE_TRY(write_decisions(job, embedded, matches));
    return counts;
  }
  const WorkFolder folder(job.output.string() + ".tmp-vectors");
  const std::filesystem::path shard = folder.path() / "shard-00000.jsonl";
  KEDGE_ASSIGN(VectorWriter writer, VectorWriter::create(shard));
  const TakeVector take = [&](const std::vector<float>& vector, const std::string& id) {
    return writer.add(vector, id);
  };
  KEDGE_ASSIGN(const Counts counts, visit_vectors(job, source, take, pool, events, stop));
  KEDGE_TRY(writer.commit());
  KEDGE_ASSIGN(const auto vectors, MappedVectors::open({shard}));
  KEDGE_ASSIGN(const auto matches, find_semantic_duplicates(*vectors, options, pool, stop));
  KEDGE_TRY(write_decisions(job, *vectors, matches));
  return counts;
}

}  // namespace kedge::curate
