#include "cli/termination.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace kedge::cli {
namespace {

constexpr int kInterruptedExit = 5;

// What a signal handler may touch.
std::atomic<bool> has_begun = false;
std::atomic<int> asked_count = 0;
std::atomic<int> wake_fd = -1;
std::array<int, 2> pipe_fds{-1, -1};
struct sigaction previous_interrupt {};
struct sigaction previous_terminate {};
struct sigaction previous_hangup {};

void wake(Asked asked) {
  const int error = errno;
  const char byte = static_cast<char>(asked);
  static_cast<void>(!::write(wake_fd, &byte, 1));
  errno = error;
}

void on_termination(int) {
  if (!has_begun || asked_count.fetch_add(1) > 0) _exit(kInterruptedExit);
  wake(Asked::end);
}

void on_hangup(int) {
  wake(Asked::reload);
}

}  // namespace

TerminationGuard::TerminationGuard() {
  asked_count = 0;
  has_begun = false;
  if (::pipe(pipe_fds.data()) == 0) {
    ::fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK);  // a handler must not wait for the thread that it interrupts
    wake_fd = pipe_fds[1];
  }
  struct sigaction action {};
  action.sa_handler = on_termination;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &previous_interrupt);
  sigaction(SIGTERM, &action, &previous_terminate);
  action.sa_handler = on_hangup;
  sigaction(SIGHUP, &action, &previous_hangup);
}

TerminationGuard::~TerminationGuard() {
  sigaction(SIGINT, &previous_interrupt, nullptr);
  sigaction(SIGTERM, &previous_terminate, nullptr);
  sigaction(SIGHUP, &previous_hangup, nullptr);
  for (const int fd : pipe_fds) {
    if (fd >= 0) ::close(fd);
  }
}

void TerminationGuard::begin() {
  has_begun = true;
}

Asked TerminationGuard::wait() {
  char byte = 0;
  while (::read(pipe_fds[0], &byte, 1) < 0 && errno == EINTR) {
  }
  return static_cast<Asked>(byte);
}

}  // namespace kedge::cli
