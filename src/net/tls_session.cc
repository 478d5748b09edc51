#include "net/tls_session.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

namespace kedge::net {

namespace {

constexpr size_t kRecordBytesMax = size_t{16} << 10;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using ContextPointer = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using SessionPointer = std::unique_ptr<SSL, Freed<SSL_free>>;

/// The last thing that OpenSSL complained of, as it words it.
std::string complaint() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_peek_last_error();
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return code == 0 ? "not understood" : text.data();
}

Error refuse(const std::string& file, std::string_view expected) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) {
    return {ErrorKind::not_found, fmt::format("{}: no such file, expected {}", file, expected)};
  }
  return {ErrorKind::invalid_input, fmt::format("{}: expected {}: {}", file, expected, complaint())};
}

class OpenSslContext final : public TlsContext {
 public:
  explicit OpenSslContext(ContextPointer context) : context_(std::move(context)) {}
  [[nodiscard]] SSL_CTX* get() const { return context_.get(); }

 private:
  const ContextPointer context_;
};

/// HTTP/1.1, whatever else a client could speak.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned offered_size, void*) {
  static constexpr std::string_view kOurs = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(kOurs.data()),
                                          kOurs.size(), offered, offered_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

class OpenSslSession final : public TlsSession {
 public:
  explicit OpenSslSession(const std::shared_ptr<const TlsContext>& context)
      : context_(context), ssl_(SSL_new(static_cast<const OpenSslContext&>(*context).get())) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);  // no bytes now: try again
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_accept_state(ssl_.get());
  }

  bool receive(std::string_view bytes, std::string& plain) override {
    while (!bytes.empty()) {
      const auto count = std::min<size_t>(bytes.size(), std::numeric_limits<int>::max());
      if (BIO_write(in_, bytes.data(), static_cast<int>(count)) != static_cast<int>(count)) return false;
      bytes.remove_prefix(count);
    }
    std::array<char, kRecordBytesMax> record;
    while (true) {
      ERR_clear_error();
      const int count = SSL_read(ssl_.get(), record.data(), static_cast<int>(record.size()));
      if (count > 0) {
        plain.append(record.data(), static_cast<size_t>(count));
        continue;
      }
      return SSL_get_error(ssl_.get(), count) == SSL_ERROR_WANT_READ;
    }
  }

  void send(std::string_view plain) override {
    while (!plain.empty()) {
      ERR_clear_error();
      const auto size = static_cast<int>(std::min(plain.size(), kRecordBytesMax));
      const int count = SSL_write(ssl_.get(), plain.data(), size);
      if (count <= 0) return;  // memory takes all there is: only a session that has failed already refuses
      plain.remove_prefix(static_cast<size_t>(count));
    }
  }

  void close() override {
    ERR_clear_error();
    if (ready()) SSL_shutdown(ssl_.get());
  }

  std::string take_output() override {
    std::string output(BIO_ctrl_pending(out_), '\0');
    if (!output.empty()) BIO_read(out_, output.data(), static_cast<int>(output.size()));
    return output;
  }

  [[nodiscard]] bool ready() const override { return SSL_is_init_finished(ssl_.get()) == 1; }

 private:
  const std::shared_ptr<const TlsContext> context_;
  const SessionPointer ssl_;
  BIO* in_ = nullptr;  // both are the session's
  BIO* out_ = nullptr;
};

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::open(const TlsFiles& files) {
  ERR_clear_error();
  ContextPointer context(SSL_CTX_new(TLS_server_method()));
  if (!context) return Error{ErrorKind::internal, "OpenSSL has no TLS: " + complaint()};
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);  // thousands of connections may be idle
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
    return refuse(files.certificate, "a certificate in PEM");
  }
  // A key with a password must not ask a terminal for it.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return refuse(files.key, "the certificate's private key in PEM, without a password");
  }
  if (!files.client_authorities.empty()) {
    if (SSL_CTX_load_verify_locations(context.get(), files.client_authorities.c_str(), nullptr) != 1) {
      return refuse(files.client_authorities, "certificates of authorities in PEM");
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("kedge"), 5);
  }
  return std::shared_ptr<const TlsContext>(std::make_shared<OpenSslContext>(std::move(context)));
}

std::unique_ptr<TlsSession> TlsSession::create(const std::shared_ptr<const TlsContext>& context) {
  return std::make_unique<OpenSslSession>(context);
}

}  // namespace kedge::net
