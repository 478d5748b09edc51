#include "curate/perplexity/unigrams.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/file.h"
#include "core/printable.h"
#include "curate/english/english_tokenizer.h"

namespace kedge::curate {
namespace {

constexpr double kUnlisted = 1e-9;
constexpr uint64_t kCountMax = uint64_t{1} << 50;

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

Result<std::unique_ptr<Unigrams>> Unigrams::open(const std::filesystem::path& path) {
  KEDGE_ASSIGN(const auto file, MappedFile::open(path));
  return parse({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()}, path.string());
}

Result<std::unique_ptr<Unigrams>> Unigrams::parse(std::string_view csv, const std::string& name) {
  auto unigrams = std::make_unique<Unigrams>();
  const auto broken = [&](std::string_view line, size_t number, const char* expected) {
    return Error{ErrorKind::corrupt_data, fmt::format("{}: line {}: found '{}', expected {}", name, number,
                                                      one_line(std::string(line.substr(0, 80))), expected)};
  };
  const std::string_view head = take_line(csv);
  if (head != "word,count") return broken(head, 1, "word,count");
  double sum = 0;
  for (size_t number = 2; !csv.empty(); ++number) {
    const std::string_view line = take_line(csv);
    if (line.empty()) continue;
    const size_t comma = line.rfind(',');
    uint64_t count = 0;
    const char* end = line.data() + line.size();
    const bool cut = comma != std::string_view::npos && comma > 0;
    const auto read = cut ? std::from_chars(line.data() + comma + 1, end, count)
                          : std::from_chars_result{end, std::errc::invalid_argument};
    if (read.ec != std::errc() || read.ptr != end || count > kCountMax) {
      return broken(line, number, "a word, a comma and a count");
    }
    sum += static_cast<double>(count);
    unigrams->shares_.insert_or_assign(std::string(line.substr(0, comma)), static_cast<double>(count));
  }
  if (sum == 0) return Error{ErrorKind::corrupt_data, name + ": no counts"};
  for (auto& [word, share] : unigrams->shares_) share /= sum;
  return unigrams;
}

double Unigrams::mean_log_probability(CodeView text) const {
  const std::vector<CodeView> words = EnglishTokenizer::instance().tokenize(text);
  double sum = 0;
  size_t count = 0;
  for (const CodeView raw : words) {
    const CodeView word = strip(raw);
    if (word.empty()) continue;  // DataTrove leaves white space out
    const auto found = shares_.find(to_utf8(to_lower(word)));
    sum += std::log(std::max(found == shares_.end() ? kUnlisted : found->second, 1e-300));
    ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

}  // namespace kedge::curate
