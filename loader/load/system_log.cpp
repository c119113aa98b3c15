// SPDX-License-Identifier: BSD-2-Clause
// Sends messages to the system's log: to systemd's journal if it listens, else to syslog.
#include "load/system_log.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <thread>
#include <utility>

#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

// Sends one datagram to the socket of that name without waiting; 0 or errno.
int send_datagram(const std::string& name, const std::string& datagram) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (name.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
    std::copy(name.begin(), name.end(), address.sun_path);
    // A new socket each time: alerts are few, and a logger may have been started again since.
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errno;
    int error = 0;
    if (sendto(fd, datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0)
        error = errno;
    close(fd);
    return error;
}

bool nobody_listens(int error) { return error == ENOENT || error == ECONNREFUSED; }

std::string reason(int error) {
    return error == EAGAIN ? "it does not read" : std::generic_category().message(error);
}

}  // namespace

bool SystemLog::deliver(const Waiting& waiting) {
    const int journal = send_datagram(journal_socket_, journal_datagram(waiting.message));
    if (!journal) return true;
    int syslog = 0;
    if (nobody_listens(journal)) {
        syslog = send_datagram(syslog_socket_,
                               syslog_datagram(waiting.message, waiting.unix_s, getpid()));
        if (!syslog) return true;
    }
    if (nobody_listens(journal) && nobody_listens(syslog))
        complain(
            fmt::format("nothing listens at {} or {}; start systemd-journald or a syslog daemon",
                        journal_socket_, syslog_socket_));
    else if (syslog)
        complain(fmt::format("{}: {}", syslog_socket_, reason(syslog)));
    else
        complain(fmt::format("{}: {}", journal_socket_, reason(journal)));
    return false;
}

void SystemLog::complain(const std::string& why) {
    if (refused_) return;
    refused_ = true;
    lost_before_ = lost_;
    news_ = fmt::format(
        "the system's log does not take a message: {}. Up to {} are kept and tried again", why,
        messages_kept);
}

// After this, the next refusal is reported again. A refusal that ended before it was reported, and
// that lost nothing, is not reported.
void SystemLog::note_recovery() {
    if (!refused_) return;
    refused_ = false;
    const std::uint64_t lost = lost_ - lost_before_;
    const bool reported = news_.empty();
    news_.clear();
    if (reported || lost)
        news_ = fmt::format("the system's log accepts messages again; lost until now: {}",
                            lost ? counted(lost, "message", "messages") : "nothing");
}

void SystemLog::send_kept() {
    while (!waiting_.empty() && deliver(waiting_.front())) waiting_.pop_front();
    if (waiting_.empty()) note_recovery();
}

void SystemLog::send(LogMessage message) {
    waiting_.push_back({std::move(message), std::time(nullptr)});
    send_kept();
    if (waiting_.size() <= messages_kept) return;
    waiting_.pop_front();
    lost_++;
}

std::string SystemLog::retry() {
    send_kept();
    return std::exchange(news_, {});
}

void SystemLog::finish(std::chrono::milliseconds timeout) {
    constexpr std::chrono::milliseconds pause{20};
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    for (send_kept(); !waiting_.empty() && std::chrono::steady_clock::now() < deadline; send_kept())
        std::this_thread::sleep_for(pause);
    lost_ += waiting_.size();
    waiting_.clear();
}

}  // namespace jsguard
