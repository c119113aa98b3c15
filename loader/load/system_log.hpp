// SPDX-License-Identifier: BSD-2-Clause
// Sends messages to the system's log: to systemd's journal if it listens, else to syslog.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "common/defaults.hpp"
#include "load/log_message.hpp"

namespace jsguard {

// Never waits for the logger. So it uses neither sd_journal_sendv() nor syslog(): both block while
// a logger does not read, and neither reports that there is no logger.
class SystemLog {
  public:
    static constexpr std::size_t messages_kept = 256;

    explicit SystemLog(std::string journal_socket = default_journal_socket,
                       std::string syslog_socket = default_syslog_socket)
        : journal_socket_(std::move(journal_socket)), syslog_socket_(std::move(syslog_socket)) {}

    // Sends a message. Keeps messages that the logger does not take, in order. If there are more
    // than messages_kept, the oldest one is lost.
    void send(LogMessage message);
    // Sends kept messages until the logger does not take one. Returns a line for the user: why the
    // logger does not take a message, or that it takes messages again. Each comes once, else empty.
    std::string retry();
    // Retries until the timeout. Messages that are still kept then are lost.
    void finish(std::chrono::milliseconds timeout);

    std::size_t kept() const { return waiting_.size(); }
    std::uint64_t lost() const { return lost_; }

  private:
    struct Waiting {
        LogMessage message;
        std::int64_t unix_s;
    };

    bool deliver(const Waiting& waiting);
    void send_kept();
    void complain(const std::string& why);
    void note_recovery();

    std::string journal_socket_;
    std::string syslog_socket_;
    std::deque<Waiting> waiting_;
    std::uint64_t lost_ = 0;
    std::string news_;
    bool refused_ = false;           // the logger did not take a message, and some are kept since
    std::uint64_t lost_before_ = 0;  // lost_ when refused_ became true
};

}  // namespace jsguard
