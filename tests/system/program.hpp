// SPDX-License-Identifier: BSD-2-Clause
// What the test programs share: the clock, the descriptors, the command line, the end by a signal.
#pragma once

#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <optional>

inline double now_s() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

// Raises the limit of descriptors as far as permitted, and returns it.
inline rlim_t raise_descriptor_limit() {
    rlimit limit = {};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

// Parses the command line. Returns the exit code if the program ends here: 0 after --help, 2 after
// a wrong option.
inline std::optional<int> parse(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return {};
}

// The signal interrupts a system call that waits.
inline void at_signal(int number, void (*handler)(int)) {
    struct sigaction action = {};
    action.sa_handler = handler;
    sigaction(number, &action, nullptr);
}

// Set by SIGINT and SIGTERM after stop_at_signals(). Threads may read it.
inline std::atomic<bool> stop_asked = false;

inline void stop_at_signals() {
    for (const int number : {SIGINT, SIGTERM}) at_signal(number, [](int) { stop_asked = true; });
}

// Keeps SIGINT and SIGTERM waiting as long as it lives, so that they interrupt no system call.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t blocked;
        sigemptyset(&blocked);
        for (const int number : {SIGINT, SIGTERM}) sigaddset(&blocked, number);
        pthread_sigmask(SIG_BLOCK, &blocked, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_;
};
