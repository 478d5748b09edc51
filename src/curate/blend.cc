#include <fmt/format.h>

#include <cmath>

#include "curate/document_line.h"
#include "curate/mix.h"
#include "data/document_file.h"

namespace kedge::curate {
namespace {

class Blend {
 public:
  Blend(const Job& job, data::DocumentFile& file, WorkerPool& pool, const Events& events, const std::stop_token& stop)
      : job_(job), file_(file), pool_(pool), events_(events), stop_(stop) {}

  Result<BlendCounts> add(const BlendSource& source, uint64_t wanted) {
    BlendCounts counts;
    counts.wanted = wanted;
    for (uint64_t written = 0; written < wanted;) {
      KEDGE_ASSIGN(const uint64_t taken, pass(source, wanted - written, written == 0 ? &counts : nullptr));
      if (taken == 0) {
        return Error{ErrorKind::invalid_input, fmt::format("{}: holds no documents, expected some to blend",
                                                           source.inputs.front().path.string())};
      }
      written += taken;
    }
    return counts;
  }

 private:
  /// The first `most` documents; how many there were. `counts` of the first pass.
  Result<uint64_t> pass(const BlendSource& source, uint64_t most, BlendCounts* counts) {
    uint64_t taken = 0;
    std::vector<std::string> lines;
    Visitor visitor;
    visitor.takes_text = false;
    visitor.begin_batch = [&](size_t count) { lines.assign(count, {}); };
    visitor.work = [&](const data::Document& document, size_t slot) { lines[slot] = document_line(document); };
    visitor.take = [&](size_t slot, data::Document&) -> Status {
      if (taken == most) return Error{ErrorKind::cancelled, "enough"};
      ++taken;
      return file_.write(lines[slot]);
    };
    uint64_t rejected = 0;
    Events events = events_;
    events.on_reject = [&](const data::Reject& reject) {
      ++rejected;
      if (counts != nullptr && events_.on_reject) events_.on_reject(reject);
    };
    Job job = job_;
    job.inputs = source.inputs;
    const auto visited = visit(job, visitor, pool_, events, stop_);
    const bool enough = taken == most && !stop_.stop_requested();
    if (!visited.ok() && !(enough && visited.error().kind == ErrorKind::cancelled)) return visited.error();
    if (counts != nullptr) {
      counts->available = taken;
      counts->rejected = rejected;
    }
    return taken;
  }

  const Job& job_;
  data::DocumentFile& file_;
  WorkerPool& pool_;
  const Events& events_;
  const std::stop_token& stop_;
};

}  // namespace

Result<std::vector<BlendCounts>> blend(const std::vector<BlendSource>& sources, uint64_t target, const Job& job,
                                       const MixOutput& output, WorkerPool& pool, const Events& events,
                                       const std::stop_token& stop) {
  double sum = 0;
  for (const BlendSource& source : sources) sum += source.weight;
  if (!(sum > 0) || !std::isfinite(sum)) {
    return Error{ErrorKind::invalid_input, fmt::format("the weights add up to {}, expected more than 0", sum)};
  }
  KEDGE_ASSIGN(const auto file, data::DocumentFile::create(output.path, {}, output.shard_bytes));
  Blend work(job, *file, pool, events, stop);
  std::vector<BlendCounts> counts;
  for (const BlendSource& source : sources) {
    const double wanted = std::ceil(source.weight / sum * static_cast<double>(target));
    KEDGE_ASSIGN(const BlendCounts of, work.add(source, static_cast<uint64_t>(wanted)));
    counts.push_back(of);
  }
  KEDGE_TRY(file->commit());
  return counts;
}

}  // namespace kedge::curate
