#include "data/pdf_plugin/pdf_plugin.h"

#include <poppler-document.h>
#include <poppler-global.h>
#include <poppler-page.h>

#include <climits>
#include <exception>
#include <memory>

namespace {

constexpr int kPagesMax = 20000;
constexpr size_t kTextBytesMax = size_t{256} << 20;

void say_nothing(const std::string& /*message*/, void* /*closure*/) {}

bool read_pages(poppler::document& document, std::string& text, std::string& error) {
  if (document.is_locked()) {
    error = "is locked by a password";
    return false;
  }
  if (document.pages() > kPagesMax) {
    error = "has " + std::to_string(document.pages()) + " pages, at most " + std::to_string(kPagesMax);
    return false;
  }
  for (int i = 0; i < document.pages(); ++i) {
    const std::unique_ptr<poppler::page> page(document.create_page(i));
    if (page == nullptr) continue;  // poppler found no way to it; the others stand
    const poppler::byte_array bytes = page->text().to_utf8();
    std::string_view found(bytes.data(), bytes.size());
    while (!found.empty() && (found.back() == '\f' || found.back() == '\n' || found.back() == ' ')) {
      found.remove_suffix(1);
    }
    if (found.empty()) continue;
    if (!text.empty()) text += "\n\n";
    text += found;
    if (text.size() > kTextBytesMax) {
      error = "has more than 256 MiB of text";
      return false;
    }
  }
  return true;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) bool kedge_read_pdf(const char* bytes, size_t size, std::string* text,
                                                                      std::string* error) {
  try {
    if (size > INT_MAX) {
      *error = "larger than 2 GiB";
      return false;
    }
    poppler::set_debug_error_function(say_nothing, nullptr);
    const std::unique_ptr<poppler::document> document(
        poppler::document::load_from_raw_data(bytes, static_cast<int>(size)));
    if (document != nullptr) return read_pages(*document, *text, *error);
    *error = "cannot be read";
  } catch (const std::exception& thrown) {
    *error = thrown.what();
  }
  return false;
}
