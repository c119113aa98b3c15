// SPDX-License-Identifier: BSD-2-Clause
// The way to the system's log: to systemd's journal where it listens, else to syslog.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "common/defaults.hpp"
#include "load/log_message.hpp"

namespace jsguard {

// Never waits for the logger: neither sd_journal_sendv() nor syslog() can be used here, for both
// block for as long as a logger that has stopped reading does, and neither tells that there is
// none.
class SystemLog {
  public:
    static constexpr std::size_t messages_kept = 256;

    explicit SystemLog(std::string journal_socket = usual_journal_socket,
                       std::string syslog_socket = usual_syslog_socket)
        : journal_socket_(std::move(journal_socket)), syslog_socket_(std::move(syslog_socket)) {}

    // Keeps what the logger does not take for later, in order; beyond messages_kept the oldest is
    // lost.
    void send(LogMessage message);
    // Sends what was kept, as far as it is taken. What the user is to be told, once each: why the
    // logger does not take a message, and that it takes them again; else empty.
    std::string retry();
    // Retries for so long; what is still kept then is lost.
    void finish(std::chrono::milliseconds patience);

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
    bool refused_ = false;           // a message, and some are kept since
    std::uint64_t lost_before_ = 0;  // when refused_ began
};

}  // namespace jsguard
