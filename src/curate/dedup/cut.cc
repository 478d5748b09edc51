#include "curate/dedup/cut.h"

#include <fmt/format.h>

#include "core/file.h"
#include "curate/dedup/repeats.h"
#include "data/json_text.h"

namespace kedge::curate {
namespace {

constexpr size_t kWriteBytes = size_t{1} << 20;

Status learn(RepeatFinder& finder, size_t pass, const Job& job, WorkerPool& pool, const std::stop_token& stop) {
  uint32_t document = 0;
  Visitor<std::vector<Mark>> visitor;
  visitor.takes_text = false;
  visitor.work = [&](const data::Document& seen, std::vector<Mark>& marks) { marks = finder.look(pass, seen.text); };
  visitor.take = [&](const std::vector<Mark>& marks, data::Document&) -> Status {
    if (document == UINT32_MAX) return Error{ErrorKind::unsupported, "more than 4 billion documents in one run"};
    return finder.add(pass, document++, marks);
  };
  KEDGE_TRY(visit(job, visitor, pool, {}, stop));
  return finder.end_pass(pass);
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
  for (size_t pass = 0; pass < finder->passes(); ++pass) KEDGE_TRY(learn(*finder, pass, job, pool, stop));
  std::string pending;
  uint32_t document = 0;
  Visitor<> visitor;
  visitor.take = [&](Nothing, data::Document& seen) -> Status {
    pending += line_of(seen, finder->edit_of(document++, seen.text), options);
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
