#include "net/http_server_exchange.h"

#include "net/http_server_connection.h"

namespace kedge::net::server {

Exchange::~Exchange() {
  if (!gone_ && !finished_) connection_->abandon(started_);
}

// One wake-up stands for all that is written before it is served: a burst of tokens becomes one chunk.
void Exchange::wake_connection() {
  if (wake_pending_) return;
  wake_pending_ = true;
  connection_->wake(shared_from_this());
}

void Exchange::send(ServerResponse response) {
  const std::scoped_lock lock(mutex_);
  if (started_ || finished_ || gone_) return;
  finished_ = true;
  output_.whole = std::move(response);
  output_.finished = true;
  wake_connection();
}

void Exchange::start_stream(StreamHead head) {
  const std::scoped_lock lock(mutex_);
  if (started_ || finished_ || gone_) return;
  started_ = true;
  output_.head = std::move(head);
  wake_connection();
}

bool Exchange::write(std::string_view bytes) {
  const std::scoped_lock lock(mutex_);
  if (!started_ || finished_ || gone_) return false;
  if (output_.bytes.size() + bytes.size() + connection_->unsent_bytes() > connection_->stream_bytes_max()) {
    connection_->cut_soon();
    return false;
  }
  output_.bytes += bytes;
  wake_connection();
  return true;
}

void Exchange::finish() {
  const std::scoped_lock lock(mutex_);
  if (!started_ || finished_ || gone_) return;
  finished_ = true;
  output_.finished = true;
  wake_connection();
}

void Exchange::on_gone(std::function<void()> callback) {
  {
    const std::scoped_lock lock(mutex_);
    if (finished_) return;
    if (!gone_) {
      on_gone_ = std::move(callback);
      return;
    }
  }
  callback();
}

bool Exchange::gone() const {
  const std::scoped_lock lock(mutex_);
  return gone_;
}

Exchange::Output Exchange::take() {
  const std::scoped_lock lock(mutex_);
  wake_pending_ = false;
  if (output_.finished) on_gone_ = nullptr;
  return std::exchange(output_, {});
}

void Exchange::notify_gone() {
  std::function<void()> callback;
  {
    const std::scoped_lock lock(mutex_);
    if (gone_) return;
    gone_ = true;
    callback = std::exchange(on_gone_, nullptr);
  }
  if (callback) callback();
}

}  // namespace kedge::net::server
