// Goal: near embeddings go, one of each group stays, the same ones whatever the threads.
// Method: groups of directions made from a seed; all pairs of one cluster as the definition.
#include "curate/dedup/semantic.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <random>

#include "core/file.h"

namespace kedge::curate {
namespace {

constexpr size_t kDimensions = 24;

/// 40 directions, each five times, moved by about `noise`.
std::vector<float> groups(float noise) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  std::vector<float> centers(40 * kDimensions), vectors;
  for (float& value : centers) value = normal(random);
  for (size_t i = 0; i < 200; ++i) {
    for (size_t k = 0; k < kDimensions; ++k) {
      vectors.push_back(3 * (centers[i % 40 * kDimensions + k] + noise * normal(random)));
    }
  }
  return vectors;
}

std::vector<std::optional<SemanticMatch>> found(std::vector<float> vectors, const SemanticOptions& options,
                                                unsigned threads = 1) {
  WorkerPool pool(threads);
  return find_semantic_duplicates(vectors, kDimensions, options, pool, {}).value();
}

TEST(Semantic, one_of_each_group_stays) {
  for (const SemanticKeep keep : {SemanticKeep::hard, SemanticKeep::easy, SemanticKeep::random}) {
    const auto matches = found(groups(0.01F), {.clusters = 8, .keep = keep});
    std::vector<int> kept(40);
    for (size_t i = 0; i < matches.size(); ++i) {
      if (!matches[i]) {
        ++kept[i % 40];
      } else {
        EXPECT_EQ(matches[i]->of % 40, i % 40);
        EXPECT_GT(matches[i]->cosine, 0.99F);
      }
    }
    EXPECT_EQ(kept, std::vector<int>(40, 1));
  }
}

TEST(Semantic, in_one_cluster_it_is_all_pairs) {
  std::vector<float> vectors = groups(0.25F);
  const SemanticOptions options{.clusters = 1, .eps = 0.06};
  const auto matches = found(vectors, options);
  const auto cosine = [&](size_t a, size_t b) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t k = 0; k < kDimensions; ++k) {
      const double x = vectors[a * kDimensions + k], y = vectors[b * kDimensions + k];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    return ab / std::sqrt(aa * bb);
  };
  size_t gone = 0, near = 0;
  for (size_t i = 0; i < matches.size(); ++i) {
    gone += matches[i] ? 1 : 0;
    bool has_near = false;
    for (size_t k = 0; k < matches.size(); ++k) has_near = has_near || (k != i && cosine(i, k) >= 0.94);
    near += has_near ? 1 : 0;
    EXPECT_TRUE(has_near || !matches[i]);
    EXPECT_NEAR(matches[i] ? matches[i]->cosine - cosine(i, matches[i]->of) : 0, 0, 1e-5);
  }
  EXPECT_GT(gone, 20U);
  EXPECT_LT(gone, near);
}

TEST(Semantic, threads_change_nothing_and_the_seed_does) {
  const std::vector<float> vectors = groups(0.2F);
  const auto lines = [&](unsigned threads, uint64_t seed) {
    std::string text;
    for (const auto& match : found(vectors, {.clusters = 12, .eps = 0.1, .seed = seed}, threads)) {
      text += match ? std::to_string(match->of) + " " + std::to_string(match->cosine) + "\n" : "\n";
    }
    return text;
  };
  EXPECT_EQ(lines(1, 42), lines(3, 42));
  EXPECT_NE(lines(1, 42), lines(1, 7));
}

std::string told(const SemanticMatches& matches) {
  std::string text;
  for (const auto& match : matches) {
    text += match ? std::to_string(match->of) + " " + std::to_string(match->cosine) + "\n" : "\n";
  }
  return text;
}

TEST(Semantic, little_memory_and_files_change_nothing) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("kedge_semantic_files_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::vector<float> vectors = groups(0.2F);
  WorkerPool pool(2);
  for (const SemanticMetric metric : {SemanticMetric::cosine, SemanticMetric::l2}) {
    SemanticOptions options{.clusters = 6, .eps = 0.1, .metric = metric};
    const std::string expected = told(found(vectors, options));
    EXPECT_NE(expected.find("0."), std::string::npos);
    options.memory_bytes = 7 * kDimensions * sizeof(float);  // seven rows at once, three in a tile
    EXPECT_EQ(told(found(vectors, options, 2)), expected);
    std::vector<std::filesystem::path> shards;
    for (size_t begin = 0, shard = 0; begin < 200; begin += 90, ++shard) {
      shards.push_back(folder / ("shard-" + std::to_string(shard) + ".jsonl.zst"));
      VectorWriter writer = VectorWriter::create(shards.back()).value();
      for (size_t i = begin; i < std::min<size_t>(begin + 90, 200); ++i) {
        std::vector<float> row(vectors.begin() + static_cast<std::ptrdiff_t>(i * kDimensions),
                               vectors.begin() + static_cast<std::ptrdiff_t>((i + 1) * kDimensions));
        ASSERT_TRUE(normalize(row));
        ASSERT_TRUE(writer.add(row, std::to_string(i)).ok());
      }
      ASSERT_TRUE(writer.commit().ok());
    }
    const auto mapped = MappedVectors::open(shards);
    ASSERT_TRUE(mapped.ok()) << mapped.error().message;
    EXPECT_EQ(told(find_semantic_duplicates(*mapped.value(), options, pool, {}).value()), expected);
    EXPECT_EQ(mapped.value()->ids_of(std::vector<bool>(200, true)).value().at(150), "150");
  }
  std::filesystem::remove_all(folder);
}

TEST(Semantic, documents_without_an_embedding_stay_and_damaged_files_are_refused) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("kedge_semantic_damage_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::filesystem::path output = folder / "shard-00000.jsonl.zst";
  VectorWriter writer = VectorWriter::create(output).value();
  const std::vector<float> east = {1, 0};
  ASSERT_TRUE(writer.add({}, "0").ok());
  ASSERT_TRUE(writer.add(east, "1").ok());
  ASSERT_TRUE(writer.add({}, "2").ok());
  ASSERT_TRUE(writer.add(east, "3").ok());
  EXPECT_EQ(writer.add(std::vector<float>{1}, "4").error().kind, ErrorKind::invalid_input);
  ASSERT_TRUE(writer.commit().ok());
  WorkerPool pool(1);
  const auto vectors = MappedVectors::open({output}).value();
  const auto matches = find_semantic_duplicates(*vectors, {.clusters = 3}, pool, {}).value();
  EXPECT_EQ(kept_of(matches), (std::vector<uint32_t>{0, 1, 2, 1}));
  const std::filesystem::path path = vector_files_of(output).vectors;
  const std::string whole = read_file(path, 1 << 20).value();
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    std::ofstream(path, std::ios::binary) << changed;
    const auto opened = open_vectors(path);
    ASSERT_FALSE(opened.ok()) << i;
    EXPECT_EQ(opened.error().kind, ErrorKind::corrupt_data) << i;
  }
  std::ofstream(path, std::ios::binary) << whole.substr(0, whole.size() - 1);
  EXPECT_FALSE(open_vectors(path).ok());
  std::filesystem::remove_all(folder);
}

TEST(Semantic, reads_embeddings_from_lines_and_names_what_is_wrong) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("kedge_semantic_test_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  WorkerPool pool(2);
  const Job job{{folder / "in.jsonl"}, folder / "out.jsonl", {}};
  const std::string good =
      "{\"id\":\"a\",\"text\":\"x\",\"embedding\":[1,0]}\n{\"id\":\"b\",\"text\":\"y\",\"embedding\":[0,2.5]}\n"
      "{\"id\":\"c\",\"text\":\"z\",\"embedding\":[0,1]}\n";
  std::ofstream(folder / "in.jsonl") << good;
  ASSERT_TRUE(deduplicate_by_vectors(job, {}, {.clusters = 1}, false, pool, {}, {}).ok());
  EXPECT_EQ(read_file(folder / "out.jsonl", 1 << 20).value(),
            "{\"id\":\"a\",\"keep\":true,\"of\":null,\"cosine\":null}\n"
            "{\"id\":\"b\",\"keep\":true,\"of\":null,\"cosine\":null}\n"
            "{\"id\":\"c\",\"keep\":false,\"of\":\"b\",\"cosine\":1}\n");
  for (const char* bad : {"{\"id\":\"d\",\"text\":\"t\"}\n", "{\"id\":\"d\",\"text\":\"t\",\"embedding\":[0,0]}\n",
                          "{\"id\":\"d\",\"text\":\"t\",\"embedding\":[1,\"x\"]}\n"}) {
    std::ofstream(folder / "in.jsonl") << bad << good;
    const auto counts = deduplicate_by_vectors(job, {}, {.clusters = 1}, false, pool, {}, {});
    ASSERT_TRUE(counts.ok()) << bad << counts.error().message;
    EXPECT_EQ(counts.value().out, 3U) << bad;
    EXPECT_EQ(counts.value().rejected, 1U) << bad;
    std::ofstream(folder / "in.jsonl") << bad;
    EXPECT_EQ(deduplicate_by_vectors(job, {}, {}, false, pool, {}, {}).error().kind, ErrorKind::corrupt_data) << bad;
  }
  std::ofstream(folder / "in.jsonl") << good << "{\"id\":\"d\",\"text\":\"t\",\"embedding\":[1]}\n";  // another model's
  EXPECT_EQ(deduplicate_by_vectors(job, {}, {}, false, pool, {}, {}).error().kind, ErrorKind::invalid_input);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace kedge::curate
