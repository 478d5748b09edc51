#include "data/inflate.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <memory>

namespace kedge::data {
namespace {

constexpr size_t kStepBytes = size_t{1} << 18;

/// zlib's window bits, which say the form too.
int window_of(DeflateForm form) {
  switch (form) {
    case DeflateForm::gzip:
      return 15 + 16;
    case DeflateForm::gzip_or_zlib:
      return 15 + 32;
    case DeflateForm::raw:
      break;
  }
  return -15;
}

}  // namespace

Result<Inflated> inflate_bytes(std::string_view bytes, DeflateForm form, size_t bytes_max) {
  z_stream stream{};
  if (inflateInit2(&stream, window_of(form)) != Z_OK) {
    return Error{ErrorKind::out_of_memory, "zlib could not be started"};
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ending(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  Inflated out;
  for (int code = Z_OK; code == Z_OK;) {
    const size_t size = out.bytes.size();
    if (size > bytes_max) {
      out.too_large = true;
      break;
    }
    const size_t step = std::min(kStepBytes, bytes_max + 1 - size);
    out.bytes.resize(size + step);
    stream.next_out = reinterpret_cast<Bytef*>(out.bytes.data() + size);
    stream.avail_out = static_cast<uInt>(step);
    code = inflate(&stream, Z_NO_FLUSH);
    out.bytes.resize(out.bytes.size() - stream.avail_out);
    out.whole = code == Z_STREAM_END && out.bytes.size() <= bytes_max;
    out.too_large = out.bytes.size() > bytes_max;
  }
  out.taken = bytes.size() - stream.avail_in;
  return out;
}

Result<std::string> unpack_gzip(std::string_view bytes, size_t bytes_max) {
  KEDGE_ASSIGN(Inflated unpacked, inflate_bytes(bytes, DeflateForm::gzip, bytes_max));
  if (unpacked.too_large) return Error{ErrorKind::corrupt_data, fmt::format("unpacked more than {} bytes", bytes_max)};
  if (!unpacked.whole) return Error{ErrorKind::corrupt_data, "not a whole gzip stream"};
  return std::move(unpacked.bytes);
}

}  // namespace kedge::data
