// SPDX-License-Identifier: BSD-2-Clause
// Notifies systemd, or another service manager with the same protocol: ready, status, alive,
// stopping.
#include "load/systemd.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <utility>

#include "common/error.hpp"

namespace jsguard {
namespace {

// Half of what the clock can count in nanoseconds, so that adding it to a time does not overflow.
constexpr std::uint64_t max_microseconds = std::numeric_limits<std::int64_t>::max() / 2'000;

// Removes the variable, because it is meant for this process and not for its children.
std::optional<std::string> take_variable(const char* name) {
    const char* value = std::getenv(name);
    if (!value) return {};
    std::string taken = value;
    unsetenv(name);
    return taken;
}

std::optional<std::uint64_t> positive_number(std::string_view text) {
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end || number == 0) return {};
    return number;
}

}  // namespace

bool stderr_is_the_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat info {};
    return stream && fstat(STDERR_FILENO, &info) == 0 &&
           stream == fmt::format("{}:{}", info.st_dev, info.st_ino);
}

SystemdNotifier::SystemdNotifier() {
    const auto socket_name = take_variable("NOTIFY_SOCKET");
    const auto microseconds = take_variable("WATCHDOG_USEC");
    const auto pid = take_variable("WATCHDOG_PID");
    if (socket_name) open_socket(*socket_name);
    if (socket_ >= 0 && microseconds) read_watchdog(*microseconds, pid);
}

SystemdNotifier::~SystemdNotifier() {
    if (socket_ >= 0) close(socket_);
}

void SystemdNotifier::open_socket(const std::string& name) {
    const bool abstract = name.starts_with('@');
    // A path ends with a zero byte. The address length ends an abstract name.
    const std::size_t max_length = sizeof(address_.sun_path) - (abstract ? 0 : 1);
    if ((!name.starts_with('/') && !abstract) || name.size() < 2 || name.size() > max_length) {
        trouble_ = fmt::format(
            "NOTIFY_SOCKET is \"{}\", which is no path and no abstract name (@...) of a socket: "
            "the service manager gets no messages; start jsguard-load without the variable",
            printable(name));
        return;
    }
    address_.sun_family = AF_UNIX;
    std::copy(name.begin(), name.end(), address_.sun_path);
    if (abstract) address_.sun_path[0] = '\0';
    address_length_ =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1));
    socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ < 0)
        trouble_ =
            errno_error(ExitCode::runtime, errno,
                        "cannot open a socket to the service manager, which gets no messages")
                .what();
}

void SystemdNotifier::read_watchdog(const std::string& microseconds,
                                    const std::optional<std::string>& pid) {
    const auto beat_within = positive_number(microseconds);
    const auto watched = pid ? positive_number(*pid) : static_cast<std::uint64_t>(getpid());
    if (!beat_within || !watched) {
        trouble_ = fmt::format(
            "{} is \"{}\", which is no {}: the watchdog gets no messages; start jsguard-load "
            "without the variable",
            beat_within ? "WATCHDOG_PID" : "WATCHDOG_USEC",
            printable(beat_within ? *pid : microseconds),
            beat_within ? "process id" : "number of microseconds");
        return;
    }
    if (*watched != static_cast<std::uint64_t>(getpid())) return;
    beat_every_ = std::chrono::microseconds(std::min(*beat_within, max_microseconds)) / 2;
}

void SystemdNotifier::ready(const std::string& status) {
    state_ = "READY=1\n";
    this->status(status);
}

void SystemdNotifier::status(const std::string& status) {
    status_ = printable(status);
    send();
}

void SystemdNotifier::alive() {
    const auto now = Clock::now();
    const bool beat = beat_every_ && now >= beat_at_;
    if (send(beat ? "WATCHDOG=1\n" : "") && beat) beat_at_ = now + *beat_every_;
}

void SystemdNotifier::stopping() {
    state_ += "STOPPING=1\n";
    send();
}

std::string SystemdNotifier::take_problem() { return std::exchange(trouble_, {}); }

bool SystemdNotifier::send(const std::string& beat) {
    const std::string message =
        state_ + (status_ ? "STATUS=" + *status_ + "\n" : std::string()) + beat;
    if (socket_ < 0 || message.empty()) return false;
    // Sends to the name each time, because a restarted manager listens at a new socket of that
    // name.
    if (sendto(socket_, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&address_), address_length_) >= 0) {
        state_.clear();
        status_.reset();
        refused_ = false;
        return true;
    }
    if (refused_ || errno == EAGAIN || errno == EINTR) return false;
    refused_ = true;
    trouble_ = errno_error(ExitCode::runtime, errno, "the service manager does not accept messages",
                           "jsguard-load tries again")
                   .what();
    return false;
}

}  // namespace jsguard
