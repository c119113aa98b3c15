// SPDX-License-Identifier: BSD-2-Clause
// Writes to stdout, and waits where it takes no more text.
#include "common/print.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace jsguard {
namespace {

constexpr int wait_ms = 200;
constexpr std::size_t max_buffered = 64 * 1024;

std::function<bool()> keep_waiting;
std::string buffered;

[[noreturn]] void fail_to_print(int error) {
    buffered.clear();
    const Error failure = errno_error(ExitCode::runtime, error, "cannot write to stdout");
    if (error == EPIPE) throw ReaderGone(failure);
    throw failure;
}

void wait_for_stdout() {
    pollfd out{STDOUT_FILENO, POLLOUT, 0};
    while (true) {
        const int ready = poll(&out, 1, keep_waiting ? wait_ms : -1);
        const int error = errno;
        if (ready > 0) return;  // or the write reports what is wrong
        if (ready < 0 && error != EINTR) fail_to_print(error);
        if (keep_waiting && !keep_waiting()) fail_to_print(EINTR);
    }
}

// A pipe that poll() reports as ready takes PIPE_BUF bytes at once. So a write of more could block,
// and then nobody would call keep_waiting.
void write_to_stdout(std::string_view text) {
    while (!text.empty()) {
        std::size_t bytes = text.size();
        if (keep_waiting) {
            wait_for_stdout();
            bytes = std::min<std::size_t>(bytes, PIPE_BUF);
        }
        const ssize_t written = write(STDOUT_FILENO, text.data(), bytes);
        if (written >= 0)
            text.remove_prefix(static_cast<std::size_t>(written));
        else if (errno == EAGAIN)
            wait_for_stdout();
        else if (errno != EINTR)
            fail_to_print(errno);
    }
}

}  // namespace

void set_stdout_wait(std::function<bool()> function) { keep_waiting = std::move(function); }

void print_part(std::string_view text) {
    buffered += text;
    if (buffered.size() >= max_buffered) flush_parts();
}

void flush_parts() {
    write_to_stdout(buffered);
    buffered.clear();
}

}  // namespace jsguard
