#include "net/digest.h"

#include <openssl/evp.h>

#include "core/check.h"
#include "core/file.h"

namespace kedge::net {

struct Digest::State {
  EVP_MD_CTX* context = ::EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ::EVP_MD_CTX_free(context); }
};

Digest::Digest(DigestKind kind) : state_(std::make_unique<State>()) {
  KEDGE_CHECK(state_->context != nullptr);
  KEDGE_CHECK(::EVP_DigestInit_ex(state_->context, kind == DigestKind::sha1 ? ::EVP_sha1() : ::EVP_sha256(), nullptr) ==
              1);
}
Digest::Digest(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::add(std::string_view bytes) {
  KEDGE_CHECK(::EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Digest::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  KEDGE_CHECK(::EVP_DigestFinal_ex(state_->context, digest, &size) == 1);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

Result<std::string> digest_of_file(const std::filesystem::path& path, DigestKind kind,
                                   const std::function<bool()>& go_on) {
  constexpr size_t kPieceBytes = size_t{4} << 20;
  KEDGE_ASSIGN(const std::shared_ptr<const MappedFile> file, MappedFile::open(path));
  const std::string_view content(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  Digest digest(kind);
  if (kind == DigestKind::sha1) {
    digest.add("blob " + std::to_string(content.size()));
    digest.add(std::string_view("\0", 1));
  }
  for (size_t offset = 0; offset < content.size(); offset += kPieceBytes) {
    if (!go_on()) return Error{ErrorKind::cancelled, "interrupted"};
    digest.add(content.substr(offset, kPieceBytes));
  }
  return digest.hex();
}

}  // namespace kedge::net
