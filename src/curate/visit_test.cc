// Goal: documents are taken once, in input order, one at a time, whatever the number of threads; a walk ends where
// asked. Method: files of several batches, written by the test.
#include "curate/visit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

namespace kedge::curate {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLines = 4000;  // some 2.4 MB a file: batches of different sizes

class Visits : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("kedge-visit-{}-{}", ::getpid(), GetParam());
    fs::create_directories(folder_);
    for (const char* name : {"a", "b"}) {
      std::ofstream out(folder_ / name);
      for (size_t i = 0; i < kLines; ++i) {
        if (i % 1000 == 999) {
          out << "broken\n";
        } else {
          out << fmt::format("{{\"id\":\"{}{}\",\"text\":\"{}\"}}\n", name, i, std::string(i % 1200, 'x'));
        }
      }
      job_.inputs.push_back({folder_ / name});
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
  Job job_;
  WorkerPool pool_{GetParam()};
};

/// The ids of all documents, in order.
std::vector<std::string> all_ids() {
  std::vector<std::string> ids;
  for (const char* name : {"a", "b"}) {
    for (size_t i = 0; i < kLines; ++i) {
      if (i % 1000 != 999) ids.push_back(fmt::format("\"{}{}\"", name, i));
    }
  }
  return ids;
}

TEST_P(Visits, take_what_each_document_left_once_and_in_order) {
  for (const bool takes_text : {false, true}) {
    std::atomic<int> taking = 0;
    std::vector<std::string> ids, rejected;
    Visitor<std::string> visitor;
    visitor.takes_text = takes_text;
    visitor.work = [](const data::Document& document, std::string& left) {
      left = document.id_json + std::to_string(document.text.size());
    };
    visitor.take = [&](const std::string& left, data::Document& document) -> Status {
      EXPECT_EQ(taking++, 0);
      const size_t size = std::stoul(document.id_json.substr(2)) % 1200;
      EXPECT_EQ(left, document.id_json + std::to_string(size));
      EXPECT_EQ(document.text.size(), takes_text ? size : 0);
      ids.push_back(document.id_json);
      --taking;
      return Done{};
    };
    Events events;
    events.on_reject = [&](const data::Reject& reject) {
      EXPECT_EQ(taking, 0);
      rejected.push_back(reject.where);
    };
    uint64_t told = 0;
    double share = 0;
    events.on_progress = [&](uint64_t documents, double part) {
      EXPECT_GT(documents, told);
      EXPECT_GE(part, share);
      told = documents;
      share = part;
    };
    const auto counts = visit(job_, visitor, pool_, events, {});
    ASSERT_TRUE(counts.ok());
    EXPECT_EQ(ids, all_ids());
    EXPECT_EQ(counts.value().in, 2 * kLines);
    EXPECT_EQ(counts.value().out, ids.size());
    EXPECT_EQ(counts.value().rejected, 8U);
    EXPECT_EQ(told, 2 * kLines);
    EXPECT_EQ(share, 1);
    ASSERT_EQ(rejected.size(), 8U);
    EXPECT_THAT(rejected.front(), testing::EndsWith("a: line 1000"));
    EXPECT_THAT(rejected.back(), testing::EndsWith("b: line 4000"));
  }
}

TEST_P(Visits, end_where_taking_fails) {
  size_t taken = 0;
  Visitor<> visitor;
  visitor.take = [&](Nothing, data::Document&) -> Status {
    if (++taken == 3210) return Error{ErrorKind::cancelled, "enough"};
    return Done{};
  };
  const auto counts = visit(job_, visitor, pool_, {}, {});
  ASSERT_FALSE(counts.ok());
  EXPECT_EQ(counts.error().message, "enough");
  EXPECT_EQ(taken, 3210U);
}

TEST_P(Visits, end_behind_the_batch_in_which_there_were_enough) {
  job_.records_enough = 1;
  uint64_t taken = 0;
  Visitor<> visitor;
  visitor.take = [&](Nothing, data::Document&) -> Status {
    ++taken;
    return Done{};
  };
  const auto counts = visit(job_, visitor, pool_, {}, {});
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(counts.value().out, taken);
  EXPECT_GT(taken, 0U);
  EXPECT_LT(taken, kLines);
}

TEST_P(Visits, count_the_records_of_all_files_where_asked) {
  for (const bool all : {false, true}) {
    Visitor<uint64_t> visitor;
    visitor.takes_text = false;
    visitor.counts_records = all;
    visitor.work = [](const data::Document& document, uint64_t& number) { number = document.number; };
    visitor.take = [&](uint64_t number, data::Document& document) -> Status {
      const uint64_t in_file = std::stoul(document.id_json.substr(2)) + 1;
      EXPECT_EQ(number, in_file + (all && document.id_json[1] == 'b' ? kLines : 0));
      return Done{};
    };
    ASSERT_TRUE(visit(job_, visitor, pool_, {}, {}).ok());
  }
}

TEST_P(Visits, reject_documents_whose_attempt_fails) {
  Visitor<int> visitor;
  visitor.attempt = [](const data::Document& document, int& left) -> Status {
    left = 1;
    return document.text.size() % 2 == 0 ? Status(Done{}) : Error{ErrorKind::invalid_input, "odd"};
  };
  visitor.take = [](int left, data::Document& document) -> Status {
    EXPECT_EQ(left, 1);
    EXPECT_EQ(document.text.size() % 2, 0U);
    return Done{};
  };
  const auto counts = visit(job_, visitor, pool_, {}, {});
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(counts.value().out, kLines);
  EXPECT_EQ(counts.value().rejected, kLines);
}

TEST_P(Visits, stop_where_asked) {
  for (const bool at_the_end : {false, true}) {
    std::stop_source source;
    Visitor<> visitor;
    visitor.take = [&](Nothing, data::Document&) -> Status {
      if (!at_the_end) source.request_stop();
      return Done{};
    };
    Events events;
    events.on_progress = [&](uint64_t documents, double) {
      if (documents == 2 * kLines) source.request_stop();
    };
    const auto counts = visit(job_, visitor, pool_, events, source.get_token());
    ASSERT_FALSE(counts.ok());
    EXPECT_EQ(counts.error().kind, ErrorKind::cancelled);
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, Visits, testing::Values(1, 2, 5));

}  // namespace
}  // namespace kedge::curate
