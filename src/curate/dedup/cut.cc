#include "curate/dedup/cut.h"

#include <fmt/format.h>

#include "core/file.h"
#include "curate/dedup/document_numbers.h"
#include "curate/dedup/repeats.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

constexpr size_t kWriteBytes = size_t{1} << 20;

Result<DocumentNumbers> learn(RepeatFinder& finder, size_t pass, const Job& job, WorkerPool& pool,
                              const std::stop_token& stop) {
  DocumentNumbers numbers;
  Visitor<std::vector<Mark>> visitor;
  visitor.takes_text = false;
  visitor.counts_records = true;
  visitor.work = [&](const data::Document& seen, std::vector<Mark>& marks) { marks = finder.look(pass, seen.text); };
  visitor.take = [&](const std::vector<Mark>& marks, const data::Document& seen) -> Status {
    const uint32_t document = numbers.documents();
    if (document == UINT32_MAX) return Error{ErrorKind::unsupported, "more than 4 billion documents in one run"};
    numbers.add(seen.number);
    return finder.add(pass, document, marks);
  };
  KEDGE_TRY(visit(job, visitor, pool, {}, stop));
  KEDGE_TRY(finder.end_pass(pass));
  return numbers;
}

std::string line_of(const data::Document& document, const Edit& edit, const DedupOptions& options) {
  const std::string text = without(document.text, edit.cuts);
  const bool little = !edit.cuts.empty() && too_little_left(text, options);
  std::string line = "{\"id\":" + document.id_json + ",\"keep\":" + (edit.drop || little ? "false" : "true");
  line += ",\"reason\":";
  line += edit.drop ? "\"duplicate\"" : little ? "\"too little left\"" : "null";
  line += ",\"cut\":" + spans_json(document.text, edit.cuts) + ",\"text\":";
  data::append_json_string(line, text);
  return line + "}\n";
}

}  // namespace

Result<Counts> cut_repeats(const Job& job, const DedupOptions& options, WorkerPool& pool, const Events& events,
                           const std::stop_token& stop) {
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(job.output));
  const std::filesystem::path folder = job.output.has_parent_path() ? job.output.parent_path() : ".";
  KEDGE_ASSIGN(const auto finder, make_repeat_finder(options, {folder, identity_of(job)}));
  DocumentNumbers numbers;
  for (size_t pass = 0; pass < finder->passes(); ++pass) {
    KEDGE_ASSIGN(numbers, learn(*finder, pass, job, pool, stop));
  }
  std::string pending;
  Visitor<std::string> visitor;
  visitor.takes_text = false;
  visitor.counts_records = true;
  visitor.work = [&](const data::Document& seen, std::string& line) {
    line = line_of(seen, finder->edit_of(numbers.of(seen.number), seen.text), options);
  };
  visitor.take = [&](const std::string& line, const data::Document&) -> Status {
    pending += line;
    if (pending.size() < kWriteBytes) return Done{};
    KEDGE_TRY(file.write(pending));
    pending.clear();
    return Done{};
  };
  KEDGE_ASSIGN(const Counts counts, visit(job, visitor, pool, events, stop));
  KEDGE_TRY(file.write(pending));
  KEDGE_TRY(file.commit());
  return counts;
}

}  // namespace kedge::curate
