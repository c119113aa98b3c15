// SPDX-License-Identifier: BSD-2-Clause
// Notifies systemd, or another service manager with the same protocol: ready, status, alive,
// stopping.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <optional>
#include <string>

namespace jsguard {

// Whether stderr goes to systemd's journal ($JOURNAL_STREAM, man systemd.exec).
bool stderr_is_the_journal();

// The sd_notify protocol (man sd_notify). Without $NOTIFY_SOCKET all of it does nothing. Nothing
// here throws or waits, because a missing listener must not end a detector. A message that the
// manager does not take is kept, and sent with the next one.
class SystemdNotifier {
  public:
    // Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID, and removes them from the
    // environment. Opens the socket now, while this is still permitted.
    SystemdNotifier();
    ~SystemdNotifier();
    SystemdNotifier(const SystemdNotifier&) = delete;
    SystemdNotifier& operator=(const SystemdNotifier&) = delete;

    void ready(const std::string& status);
    // systemctl status shows it, also after this process has ended.
    void status(const std::string& status);
    // Call it several times as often as the watchdog requires, as long as the detector works.
    void alive();
    void stopping();

    // A line for the user, once for each problem: a variable with an invalid value, or why the
    // manager does not take messages. Empty if there is no new problem.
    std::string take_problem();

  private:
    using Clock = std::chrono::steady_clock;

    void open_socket(const std::string& name);
    void read_watchdog(const std::string& microseconds, const std::optional<std::string>& pid);
    // Sends what is kept, and the watchdog beat. Returns whether the manager took it.
    bool send(const std::string& beat = {});

    int socket_ = -1;  // -1: no manager, or no usable socket
    sockaddr_un address_{};
    socklen_t address_length_ = 0;
    std::optional<Clock::duration> beat_every_;
    Clock::time_point beat_at_ = Clock::time_point::min();
    // What is not sent yet.
    std::string state_;
    std::optional<std::string> status_;
    bool refused_ = false;  // already reported in trouble_
    std::string trouble_;
};

}  // namespace jsguard
