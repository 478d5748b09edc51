// Goal: a TLS session speaks with OpenSSL's own client however its bytes are cut, and refuses what is no TLS.
// Method: a certificate made on the spot, a client over memory that is handed one byte at a time.
#include "net/tls_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <fstream>

namespace kedge::net {
namespace {

using testing::HasSubstr;

/// A key and a certificate that it signed itself.
TlsFiles make_files(const std::string& name) {
  const std::string base = testing::TempDir() + name;
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
                             0);
  X509_set_issuer_name(certificate, subject);
  X509_sign(certificate, key, EVP_sha256());
  TlsFiles files{base + ".crt", base + ".key", ""};
  FILE* out = std::fopen(files.certificate.c_str(), "w");
  PEM_write_X509(out, certificate);
  std::fclose(out);
  out = std::fopen(files.key.c_str(), "w");
  PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(out);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

class Client {
 public:
  Client() : context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_)) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_connect_state(ssl_);
  }
  ~Client() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view text) { SSL_write(ssl_, text.data(), static_cast<int>(text.size())); }
  void close() { SSL_shutdown(ssl_); }

  std::string read() {
    std::string text;
    char bytes[4096];
    for (int count = 0; (count = SSL_read(ssl_, bytes, sizeof(bytes))) > 0;) text.append(bytes, count);
    return text;
  }

  /// Everything that it has to say, one byte at a time; the server's answers back. False when the server ended it.
  bool talk(TlsSession& server, std::string& plain) {
    while (true) {
      SSL_do_handshake(ssl_);
      std::string bytes(BIO_ctrl_pending(out_), '\0');
      if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
      for (const char byte : bytes) {
        if (!server.receive({&byte, 1}, plain)) return false;
      }
      const std::string answer = server.take_output();
      if (!answer.empty()) BIO_write(in_, answer.data(), static_cast<int>(answer.size()));
      if (bytes.empty() && answer.empty()) return true;
    }
  }

 private:
  SSL_CTX* context_;
  SSL* ssl_;
  BIO* in_;
  BIO* out_;
};

TEST(TlsSession, speaks_byte_by_byte) {
  const auto context = TlsContext::open(make_files("tls_session"));
  ASSERT_TRUE(context.ok()) << context.error().message;
  const auto server = TlsSession::create(context.value());
  Client client;
  std::string plain;
  EXPECT_FALSE(server->ready());
  ASSERT_TRUE(client.talk(*server, plain));
  EXPECT_TRUE(server->ready());
  const std::string large(100'000, 'x');  // several records
  client.send(large);
  ASSERT_TRUE(client.talk(*server, plain));
  EXPECT_EQ(plain, large);
  server->send(large + "!");
  ASSERT_TRUE(client.talk(*server, plain));
  EXPECT_EQ(client.read(), large + "!");
  client.close();
  EXPECT_FALSE(client.talk(*server, plain)) << "the client has said that it ends";
}

TEST(TlsSession, what_is_no_tls_ends_it) {
  const auto context = TlsContext::open(make_files("tls_session"));
  ASSERT_TRUE(context.ok());
  for (const std::string& bytes : {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(64, '\xFF')}) {
    const auto server = TlsSession::create(context.value());
    std::string plain;
    EXPECT_FALSE(server->receive(bytes, plain));
    EXPECT_EQ(plain, "");
  }
}

TEST(TlsContext, wrong_files_are_named) {
  const TlsFiles good = make_files("tls_good");
  const TlsFiles other = make_files("tls_other");
  const std::string text = testing::TempDir() + "tls_text";
  std::ofstream(text) << "no PEM\n";
  const struct {
    TlsFiles files;
    std::string message;
  } cases[] = {
      {{"/nowhere.crt", good.key, ""}, "/nowhere.crt: no such file, expected a certificate in PEM"},
      {{text, good.key, ""}, "tls_text: expected a certificate in PEM"},
      {{good.certificate, "/nowhere.key", ""}, "/nowhere.key: no such file"},
      {{good.certificate, other.key, ""}, "tls_other.key: expected the certificate's private key"},
      {{good.certificate, good.key, text}, "tls_text: expected certificates of authorities"},
  };
  for (const auto& c : cases) {
    const auto context = TlsContext::open(c.files);
    ASSERT_FALSE(context.ok()) << c.message;
    EXPECT_THAT(context.error().message, HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace kedge::net
