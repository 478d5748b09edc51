#include "curate/pipeline/statistics.h"

#include <algorithm>
#include <cmath>

namespace kedge::curate {
namespace {

constexpr size_t kReasonsMax = 1000;  // different ones; ids of duplicates are not among them

Error damaged() {
  return Error{ErrorKind::corrupt_data, "statistics of a shard are damaged"};
}

bool read_count(const Json& json, const char* name, uint64_t& out) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number_unsigned()) return false;
  out = found->get<uint64_t>();
  return true;
}

Json counts_json(const std::map<std::string, uint64_t>& counts) {
  Json json = Json::object();
  for (const auto& [name, count] : counts) json[name] = count;
  return json;
}

bool read_counts(const Json& json, const char* name, std::map<std::string, uint64_t>& out) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_object()) return false;
  for (const auto& [key, count] : found->items()) {
    if (!count.is_number_unsigned()) return false;
    out[key] = count.get<uint64_t>();
  }
  return true;
}

void add_counts(std::map<std::string, uint64_t>& to, const std::map<std::string, uint64_t>& from) {
  for (const auto& [name, count] : from) to[name] += count;
}

Json sample_json(const Sample& sample) {
  return {{"id", sample.id_json}, {"reason", sample.reason}, {"text", sample.text}, {"details", sample.details}};
}

bool read_samples(const Json& json, const char* name, std::vector<Sample>& out) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_array()) return false;
  for (const Json& entry : *found) {
    if (!entry.is_object()) return false;
    Sample sample;
    for (auto [key, to] : {std::pair{"id", &sample.id_json},
                           {"reason", &sample.reason},
                           {"text", &sample.text},
                           {"details", &sample.details}}) {
      const auto value = entry.find(key);
      if (value == entry.end() || !value->is_string()) return false;
      *to = value->get<std::string>();
    }
    out.push_back(std::move(sample));
  }
  return true;
}

Json samples_json(const std::vector<Sample>& samples) {
  Json json = Json::array();
  for (const Sample& sample : samples) json.push_back(sample_json(sample));
  return json;
}

void add_samples(std::vector<Sample>& to, const std::vector<Sample>& from) {
  for (const Sample& sample : from) {
    if (to.size() < StepStatistics::kSamplesMax) to.push_back(sample);
  }
}

}  // namespace

void Bins::add(double value) {
  if (value < low_) {
    ++below_;
  } else if (value > high_) {
    ++above_;
  } else {
    const double place = (value - low_) / (high_ - low_) * static_cast<double>(kCount);
    ++counts_[std::min(static_cast<size_t>(place), kCount - 1)];
  }
}

void Bins::add(const Bins& other) {
  below_ += other.below_;
  above_ += other.above_;
  for (size_t i = 0; i < kCount; ++i) counts_[i] += other.counts_[i];
}

Json Bins::to_json() const {
  return {{"low", low_}, {"high", high_}, {"below", below_}, {"above", above_}, {"counts", counts_}};
}

Result<Bins> Bins::from_json(const Json& json) {
  Bins bins;
  const auto number = [&](const char* name) { return json.contains(name) && json[name].is_number(); };
  if (!json.is_object() || !number("low") || !number("high") || !read_count(json, "below", bins.below_) ||
      !read_count(json, "above", bins.above_) || !json.contains("counts") || json["counts"].size() != kCount) {
    return damaged();
  }
  bins.low_ = json["low"].get<double>();
  bins.high_ = json["high"].get<double>();
  for (size_t i = 0; i < kCount; ++i) {
    if (!json["counts"][i].is_number_unsigned()) return damaged();
    bins.counts_[i] = json["counts"][i].get<uint64_t>();
  }
  return bins;
}

void StepStatistics::add(const Outcome& outcome, const std::vector<ValueRange>& ranges) {
  ++in;
  if (outcome.keep) {
    ++kept;
  } else if (reasons.size() < kReasonsMax || reasons.contains(outcome.reason)) {
    ++reasons[outcome.reason];
  }
  if (outcome.changed) ++changed;
  for (const std::string& label : outcome.labels) {
    if (labels.size() < kReasonsMax || labels.contains(label)) ++labels[label];
  }
  for (const auto& [name, value] : outcome.values) {
    const auto range = std::find_if(ranges.begin(), ranges.end(), [&](const ValueRange& r) { return r.name == name; });
    if (range == ranges.end()) continue;
    values.try_emplace(std::string(name), range->low, range->high).first->second.add(value);
  }
}

void StepStatistics::add_sample(Sample sample) {
  if (dropped.size() < kSamplesMax) dropped.push_back(std::move(sample));
}

void StepStatistics::add(const StepStatistics& other) {
  in += other.in;
  kept += other.kept;
  changed += other.changed;
  add_counts(reasons, other.reasons);
  add_counts(labels, other.labels);
  for (const auto& [name, bins] : other.values) {
    const auto [found, added] = values.try_emplace(name, bins);
    if (!added) found->second.add(bins);
  }
  add_samples(dropped, other.dropped);
}

Json StepStatistics::to_json() const {
  Json scores = Json::object();
  for (const auto& [name, bins] : values) scores[name] = bins.to_json();
  return {{"in", in},
          {"kept", kept},
          {"changed", changed},
          {"reasons", counts_json(reasons)},
          {"labels", counts_json(labels)},
          {"values", scores},
          {"dropped", samples_json(dropped)}};
}

Result<StepStatistics> StepStatistics::from_json(const Json& json) {
  StepStatistics step;
  if (!json.is_object() || !read_count(json, "in", step.in) || !read_count(json, "kept", step.kept) ||
      !read_count(json, "changed", step.changed) || !read_counts(json, "reasons", step.reasons) ||
      !read_counts(json, "labels", step.labels) || !read_samples(json, "dropped", step.dropped) ||
      !json.contains("values") || !json["values"].is_object()) {
    return damaged();
  }
  for (const auto& [name, bins] : json["values"].items()) {
    KEDGE_ASSIGN(step.values[name], Bins::from_json(bins));
  }
  return step;
}

void StageStatistics::add(const StageStatistics& other) {
  in += other.in;
  rejected += other.rejected;
  kept += other.kept;
  if (other.documents_kept) documents_kept = documents_kept.value_or(0) + *other.documents_kept;
  bytes_in += other.bytes_in;
  bytes_kept += other.bytes_kept;
  lengths_in.add(other.lengths_in);
  lengths_kept.add(other.lengths_kept);
  if (steps.size() < other.steps.size()) steps.resize(other.steps.size());
  for (size_t i = 0; i < other.steps.size(); ++i) steps[i].add(other.steps[i]);
  add_samples(kept_samples, other.kept_samples);
}

Json StageStatistics::to_json() const {
  Json all = Json::array();
  for (const StepStatistics& step : steps) all.push_back(step.to_json());
  Json json = {{"in", in},
               {"rejected", rejected},
               {"kept", kept},
               {"bytes_in", bytes_in},
               {"bytes_kept", bytes_kept},
               {"lengths_in", lengths_in.to_json()},
               {"lengths_kept", lengths_kept.to_json()},
               {"steps", all},
               {"kept_samples", samples_json(kept_samples)}};
  if (documents_kept) json["documents_kept"] = *documents_kept;
  return json;
}

Result<StageStatistics> StageStatistics::from_json(const Json& json) {
  StageStatistics stage;
  if (!json.is_object() || !read_count(json, "in", stage.in) || !read_count(json, "rejected", stage.rejected) ||
      !read_count(json, "kept", stage.kept) || !read_count(json, "bytes_in", stage.bytes_in) ||
      !read_count(json, "bytes_kept", stage.bytes_kept) || !json.contains("lengths_in") ||
      !json.contains("lengths_kept") || !json.contains("steps") || !json["steps"].is_array() ||
      !read_samples(json, "kept_samples", stage.kept_samples)) {
    return damaged();
  }
  if (json.contains("documents_kept")) {
    stage.documents_kept = 0;
    if (!read_count(json, "documents_kept", *stage.documents_kept)) return damaged();
  }
  KEDGE_ASSIGN(stage.lengths_in, Bins::from_json(json["lengths_in"]));
  KEDGE_ASSIGN(stage.lengths_kept, Bins::from_json(json["lengths_kept"]));
  for (const Json& step : json["steps"]) {
    KEDGE_ASSIGN(StepStatistics statistics, StepStatistics::from_json(step));
    stage.steps.push_back(std::move(statistics));
  }
  return stage;
}

std::string beginning_of(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end));
}

}  // namespace kedge::curate
