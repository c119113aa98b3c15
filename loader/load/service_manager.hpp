// SPDX-License-Identifier: BSD-2-Clause
// What the service manager that started this process is told: ready, alive, how it stands,
// stopping.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <optional>
#include <string>

namespace jsguard {

// Whether what is written to stderr goes to the manager's journal ($JOURNAL_STREAM, man
// systemd.exec).
bool stderr_is_the_journal();

// The sd_notify protocol, as man sd_notify has it. Without $NOTIFY_SOCKET all of it does nothing.
// Nothing here throws or waits: that nobody listens must not end a detector. What the manager does
// not take is kept, and is sent with what is told next.
class ServiceManager {
  public:
    // Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID and takes them out of the environment,
    // and opens the socket, while it is still allowed.
    ServiceManager();
    ~ServiceManager();
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;

    void ready(const std::string& status);
    void status(const std::string& status);
    // To be called several times as often as the watchdog asks for, as long as all is well.
    void alive();
    void stopping();

    // A line for the user, once each: what a variable has that cannot be used, or why the manager
    // does not take what it is told. Else empty.
    std::string take_trouble();

  private:
    using Clock = std::chrono::steady_clock;

    void open_socket(const std::string& name);
    void read_watchdog(const std::string& microseconds, const std::optional<std::string>& pid);
    // Whether it was taken: what is to be told yet, and the beat.
    bool send(const std::string& beat = {});

    int socket_ = -1;  // none: nobody asked to be told
    sockaddr_un address_{};
    socklen_t address_length_ = 0;
    std::optional<Clock::duration> beat_every_;
    Clock::time_point beat_at_ = Clock::time_point::min();
    // What is to be told yet.
    std::string state_;
    std::optional<std::string> status_;
    bool refused_ = false;  // told of it already
    std::string trouble_;
};

}  // namespace jsguard
