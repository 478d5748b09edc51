#pragma once
// What the tests of readers share: files in a folder of their own, and what is read out of them.

#include <bzlib.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/reader.h"

namespace kedge::data {

class FilesTest : public testing::Test {
 protected:
  FilesTest() : folder_(std::filesystem::temp_directory_path() / ("kedge_data_test_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~FilesTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }

  /// Ids and texts of the documents, names of what is none.
  std::vector<std::string> read(const std::vector<Input>& inputs) {
    auto reader = Reader::open(inputs, {});
    std::vector<std::string> found;
    Batch batch;
    while (reader.value()->read(batch).value()) {
      for (const Record& record : batch.records) {
        Document document;
        found.push_back(reader.value()->parse(record, document).ok()
                            ? document.id_json + "=" + document.text
                            : reader.value()->name(record).substr(folder_.string().size() + 1));
      }
    }
    return found;
  }

  std::filesystem::path folder_;
};

inline std::string bzip2(std::string bytes) {
  std::string out(bytes.size() + bytes.size() / 100 + 1000, '\0');
  auto size = static_cast<unsigned>(out.size());
  BZ2_bzBuffToBuffCompress(out.data(), &size, bytes.data(), static_cast<unsigned>(bytes.size()), 1, 0, 0);
  out.resize(size);
  return out;
}

inline std::string zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

inline std::string gzip(const std::string& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(bytes.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace kedge::data
