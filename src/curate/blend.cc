#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "curate/document_line.h"
#include "curate/mix.h"
#include "curate/mix_file.h"

namespace kedge::curate {
namespace {

Json counts_json(const BlendCounts& counts) {
  return {counts.wanted, counts.available, counts.rejected};
}

std::optional<BlendCounts> read_counts(const Json& json) {
  if (!json.is_array() || json.size() != 3) return std::nullopt;
  for (const Json& count : json) {
    if (!count.is_number_unsigned()) return std::nullopt;
  }
  return BlendCounts{json[0].get<uint64_t>(), json[1].get<uint64_t>(), json[2].get<uint64_t>()};
}

class Blend {
 public:
  Blend(const Job& job, MixFile& file, WorkerPool& pool, const Events& events, const std::stop_token& stop)
      : job_(job), file_(file), pool_(pool), events_(events), stop_(stop) {}

  /// Of the next source; of one that an earlier run was through with, what that remembered.
  Result<BlendCounts> add(const BlendSource& source, uint64_t wanted) {
    const size_t index = through_.size();
    const Json& remembered = file_.remembered();
    if (remembered.is_array() && index < remembered.size()) {
      const auto known = read_counts(remembered[index]);
      if (known && known->wanted == wanted && file_.position() + wanted <= file_.done()) {
        file_.leave_out(wanted);
        through_.push_back(counts_json(*known));
        return *known;
      }
    }
    KEDGE_ASSIGN(const BlendCounts counts, read(source, wanted));
    through_.push_back(counts_json(counts));
    return counts;
  }

 private:
  Result<BlendCounts> read(const BlendSource& source, uint64_t wanted) {
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

  /// The first `most` documents; how many there were. `counts` of the first pass.
  Result<uint64_t> pass(const BlendSource& source, uint64_t most, BlendCounts* counts) {
    uint64_t taken = 0;
    Visitor<std::string> visitor;
    visitor.takes_text = false;
    visitor.work = [](const data::Document& document, std::string& line) { line = document_line(document); };
    visitor.take = [&](const std::string& line, data::Document&) -> Status {
      if (taken == most) return Error{ErrorKind::cancelled, "enough"};
      ++taken;
      return file_.write(line, [this] { return through_; });
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
  Json through_ = Json::array();  // counts of the sources that are written
  MixFile& file_;
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
  Json identity = {{"mix", "blend"},
                   {"target", target},
                   {"fields", fields_json(job.fields)},
                   {"shard_bytes", output.shard_bytes},
                   {"sources", Json::array()}};
  for (const BlendSource& source : sources) {
    identity["sources"].push_back({source.weight, inputs_json(source.inputs)});
  }
  KEDGE_ASSIGN(const auto file, MixFile::open(output, identity));
  Blend work(job, *file, pool, events, stop);
  std::vector<BlendCounts> counts;
  for (const BlendSource& source : sources) {
    const double wanted = std::ceil(source.weight / sum * static_cast<double>(target));
    const Result<BlendCounts> of = work.add(source, static_cast<uint64_t>(wanted));
    if (!of.ok()) {
      if (!may_go_on(of.error())) file->abandon();
      return of.error();
    }
    counts.push_back(of.value());
  }
  KEDGE_TRY(file->commit());
  return counts;
}

}  // namespace kedge::curate
