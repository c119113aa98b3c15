// SPDX-License-Identifier: BSD-2-Clause
// Writes to stdout and stderr, and waits where they take no more text.
#include "common/print.hpp"

#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <utility>

namespace jsguard {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int wait_ms = 200;
constexpr auto wait = std::chrono::milliseconds(wait_ms);
constexpr int pause_ms = 20;
constexpr std::size_t max_buffered = 64 * 1024;

std::function<bool()> keep_waiting;
std::string buffered;

void do_nothing(int) {}  // a handler, unlike SIG_IGN, makes the signal interrupt a system call

// Interrupts a system call that blocks, every 200 ms. No flag and no poll() tells for every kind of
// file that a write will not block: a terminal with room for one character is ready. O_NONBLOCK
// would belong to all processes that share the open file. A signal that comes just before the
// system call has no effect, so the timer repeats.
class Interruptions {
  public:
    Interruptions() { set({0, wait_ms * 1000}); }
    ~Interruptions() { set({0, 0}); }
    Interruptions(const Interruptions&) = delete;
    Interruptions& operator=(const Interruptions&) = delete;

  private:
    static void set(timeval interval) {
        const itimerval timer{interval, interval};
        setitimer(ITIMER_REAL, &timer, nullptr);
    }
};

// Writes a part of the text, and removes it from the text. Returns 0 or errno.
int write_part(int fd, std::string_view& text) {
    std::optional<Interruptions> interruptions;
    if (keep_waiting) interruptions.emplace();
    const ssize_t written = write(fd, text.data(), text.size());
    const int error = errno;
    if (written < 0) return error;
    text.remove_prefix(static_cast<std::size_t>(written));
    return written == 0 ? EAGAIN : 0;
}

// Returns 0 when all is written, or errno. It is EINTR if keep_waiting() has returned false.
int write_whole(int fd, std::string_view text) {
    auto ask_at = Clock::now() + wait;
    bool room_reported = false;
    while (!text.empty()) {
        const int error = write_part(fd, text);
        if (error == EAGAIN) {
            // With O_NONBLOCK a terminal can report room and still take nothing.
            if (room_reported) poll(nullptr, 0, pause_ms);
            pollfd out{fd, POLLOUT, 0};
            room_reported = !room_reported && poll(&out, 1, keep_waiting ? wait_ms : -1) > 0;
        } else if (error != 0 && error != EINTR) {
            return error;
        }
        if (text.empty() || !keep_waiting || Clock::now() < ask_at) continue;
        if (!keep_waiting()) return EINTR;
        ask_at = Clock::now() + wait;
    }
    return 0;
}

}  // namespace

OutputWait::OutputWait(std::function<bool()> function) {
    struct sigaction action {};
    action.sa_handler = do_nothing;  // without SA_RESTART
    sigaction(SIGALRM, &action, &action_before_);
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm, &mask_before_);
    keep_waiting = std::move(function);
}

OutputWait::~OutputWait() {
    keep_waiting = {};
    pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    sigaction(SIGALRM, &action_before_, nullptr);
}

void print_part(std::string_view text) {
    buffered += text;
    if (buffered.size() >= max_buffered) flush_parts();
}

void flush_parts() {
    const int error = write_whole(STDOUT_FILENO, std::exchange(buffered, {}));
    if (error == 0) return;
    const Error failure = errno_error(ExitCode::runtime, error, "cannot write to stdout");
    if (error == EPIPE) throw ReaderGone(failure);
    throw failure;
}

void log_text(std::string_view text) {
    if (keep_waiting)
        write_whole(STDERR_FILENO, text);
    else
        std::fwrite(text.data(), 1, text.size(), stderr);  // a signal ends it if nobody reads
}

}  // namespace jsguard
