// SPDX-License-Identifier: BSD-2-Clause
// connect-flood: connects to a server at a given rate, and closes each connection as soon as it is
// established.
#include <fmt/core.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <string>
#include <system_error>
#include <thread>

#include "address.hpp"
#include "program.hpp"

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    std::string target;
    double rate = 200;
    double duration_s = 0;  // 0: until a signal
};

// Whether the server has answered, also if connect() gave up in that moment.
bool is_established(int socket) {
    sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    return getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

// Whether the connection was established. If the server does not answer, the attempt takes one
// second. A signal waits that long: a connect() that it interrupts fails, but the server may have
// accepted the connection.
bool connect_once(const Address& address) {
    const int socket = ::socket(address.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) throw std::system_error(errno, std::generic_category(), "socket");
    const timeval patience = {.tv_sec = 1, .tv_usec = 0};
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    const SignalsBlocked blocked;
    const bool established =
        connect(socket, address.get(), address.size) == 0 || is_established(socket);
    close(socket);
    return established;
}

void flood(const Options& options) {
    const Address address = resolve_address(options.target);
    const auto pause = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(1 / options.rate));
    const std::chrono::duration<double> duration(options.duration_s);
    const Clock::time_point start = Clock::now();
    long attempts = 0, established = 0;
    for (Clock::time_point due = start; !stop_asked; due = std::max(due + pause, Clock::now())) {
        std::this_thread::sleep_until(due);
        if (options.duration_s > 0 && Clock::now() - start >= duration) break;
        established += connect_once(address) ? 1 : 0;
        attempts++;
    }
    fmt::print("{} connections of {} established\n", established, attempts);
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Opens connections and closes each as soon as it is established.",
                 "connect-flood");
    app.add_option("target", options.target, "HOST:PORT")->required();
    app.add_option("--rate", options.rate, "Maximum connections a second")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--duration", options.duration_s, "Seconds; without, until SIGINT or SIGTERM")
        ->check(CLI::PositiveNumber);
    if (const auto code = parse(app, argc, argv)) return *code;

    stop_at_signals();
    try {
        flood(options);
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "connect-flood: {}\n", error.what());
        return 1;
    }
}
