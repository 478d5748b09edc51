// Goal: adapters give the logits that the reference library (PEFT) gives, for LoRA, rsLoRA and DoRA, of four families.
// Method: walk its records (adapters, prompts, logits of the last positions, with the adapter and with merged weights).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"
#include "formats/safetensors.h"
#include "kedge/engine.h"

namespace kedge {
namespace {

namespace fs = std::filesystem;

const fs::path kRecords = fs::path(KEDGE_SOURCE_DIR) / ".." / "shared" / "data" / "tune" / "train";
constexpr double kTolerance = 1e-3;  // as the records state

template <typename T>
std::vector<T> values_of(const formats::SafetensorsFile& file, const std::string& name) {
  const TensorView* const tensor = file.find(name);
  if (tensor == nullptr) return {};
  std::vector<T> values(tensor->data.size() / sizeof(T));
  std::memcpy(values.data(), tensor->data.data(), tensor->data.size());
  return values;
}

/// Compares the last positions' logits of each prompt, fed whole and in chunks. Returns how many it compared.
size_t check_record(const fs::path& record) {
  SCOPED_TRACE(record.filename().string());
  const auto description = read_json_file(record / "case.json");
  const auto probe = formats::SafetensorsFile::open(record / "probe_after.safetensors");
  EXPECT_TRUE(description.ok() && probe.ok());
  if (!description.ok() || !probe.ok()) return 0;
  // "../bases/llama3_100", from wherever the records were made
  const fs::path base = kRecords / "bases" / fs::path(description.value()["base"].get<std::string>()).filename();
  const auto engine = Engine::open(base, {.compute = Compute::f32, .thread_count = 2, .without_tokenizer = true});
  EXPECT_TRUE(engine.ok()) << engine.error().message;
  if (!engine.ok()) return 0;
  const auto adapter = engine.value()->load_adapter(record / "adapter_final");
  EXPECT_TRUE(adapter.ok()) << adapter.error().message;
  if (!adapter.ok()) return 0;
  const auto ids = values_of<int32_t>(*probe.value(), "input_ids");
  size_t compared = 0;
  for (const char* const name : {"logits", "logits_merged"}) {
    const auto want = values_of<float>(*probe.value(), name);
    const auto vocabulary = static_cast<size_t>(engine.value()->info().vocabulary_size);
    const size_t positions = want.size() / vocabulary / 2;
    for (size_t prompt = 0; prompt < 2; ++prompt) {
      const std::vector<TokenId> tokens(ids.begin() + static_cast<std::ptrdiff_t>(prompt * ids.size() / 2),
                                        ids.begin() + static_cast<std::ptrdiff_t>((prompt + 1) * ids.size() / 2));
      for (const uint32_t chunk : {0U, 7U}) {
        const auto output = engine.value()->forward(tokens, chunk, false, adapter.value());
        EXPECT_TRUE(output.ok());
        if (!output.ok()) return 0;
        const float* const got = output.value().logits.data() + (tokens.size() - positions) * vocabulary;
        double worst = 0;
        for (size_t i = 0; i < positions * vocabulary; ++i) {
          worst = std::max(worst, std::abs(static_cast<double>(got[i]) - want[prompt * positions * vocabulary + i]));
        }
        EXPECT_LT(worst, kTolerance) << name << " of prompt " << prompt;
        ++compared;
      }
    }
  }
  return compared;
}

TEST(AdapterReference, logits_are_those_of_peft) {
  if (!fs::is_directory(kRecords)) GTEST_SKIP() << "no reference records in " << kRecords;
  size_t compared = 0;
  for (const auto& record : fs::directory_iterator(kRecords)) {
    if (fs::exists(record.path() / "adapter_final")) compared += check_record(record.path());
  }
  EXPECT_EQ(compared, 15U * 8U);
}

}  // namespace
}  // namespace kedge
