#include "curate/annotate.h"

#include "core/file.h"

namespace kedge::curate {
namespace {

constexpr size_t kWriteBytes = size_t{1} << 20;

}  // namespace

Result<Counts> annotate(const Job& job, const Operator& op, WorkerPool& pool, const Events& events,
                        const std::stop_token& stop) {
  KEDGE_ASSIGN(AtomicFile file, AtomicFile::create(job.output));
  std::string pending;  // one write a megabyte, not one a document
  Visitor<std::string> visitor;
  visitor.takes_text = false;
  if (op.reads_pages()) visitor.read_page = [&op](const data::Record& record) { return op.read_page(record); };
  visitor.work = [&](const data::Document& document, std::string& line) {
    op.annotate(document, line);
    line += '\n';
  };
  visitor.take = [&](const std::string& line, data::Document&) -> Status {
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
