// SPDX-License-Identifier: BSD-2-Clause
// plain-server: a server with blocking threads, as many small servers are. One thread serves one
// connection at a time, until it ends.
//
// It speaks HTTP/1.1, or with --greeting a protocol of lines like SMTP. With one thread, a few
// stalled connections deny it.
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "http_head.hpp"
#include "program.hpp"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

namespace {

constexpr int exit_skip = 77;
constexpr std::size_t max_head_bytes = 16 * 1024;
constexpr std::size_t page_size = 8192;
constexpr std::uint64_t max_answer_bytes = 1 << 30;

struct Options {
    std::uint16_t port = 0;
    int threads = 1;
    int backlog = 128;
    double patience_s = 60;
    std::string greeting;
    bool mptcp = false;
};

// Set by a signal. The threads poll it at least once in check_every_ms.
constexpr int check_every_ms = 200;

std::atomic<std::uint64_t> connections = 0;
std::atomic<std::uint64_t> answers = 0;

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// A socket of a client. Each operation gives up after the patience, or when the server is to end.
class Client {
  public:
    Client(int fd, double patience_s) : fd_(fd), patience_s_(patience_s) {
        const int on = 1;
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    ~Client() { close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    bool send(std::string_view data) {
        while (!data.empty()) {
            const ssize_t sent = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
            if (sent > 0)
                data.remove_prefix(static_cast<std::size_t>(sent));
            else if (!ready(POLLOUT))
                return false;
        }
        return true;
    }

    // The bytes up to this text and with it, or nothing if they do not come.
    std::optional<std::string> read_to(std::string_view end) {
        std::size_t at;
        while ((at = in_.find(end)) == in_.npos)
            if (in_.size() > max_head_bytes || !receive()) return {};
        const std::string text = in_.substr(0, at + end.size());
        in_.erase(0, text.size());
        return text;
    }

    // Whether this number of bytes came. It drops them.
    bool skip(std::uint64_t bytes) {
        for (;;) {
            const auto taken = std::min<std::uint64_t>(bytes, in_.size());
            in_.erase(0, taken);
            bytes -= taken;
            if (bytes == 0) return true;
            if (!receive()) return false;
        }
    }

  private:
    bool ready(short events) {
        const double give_up_s = now_s() + patience_s_;
        while (!stop_asked && now_s() < give_up_s) {
            pollfd wanted = {fd_, events, 0};
            const int count = poll(&wanted, 1, check_every_ms);
            if (count < 0 && errno != EINTR) fail("poll");
            if (count > 0) return true;
        }
        return false;
    }

    bool receive() {
        if (!ready(POLLIN)) return false;
        std::array<char, 64 * 1024> buffer;
        const ssize_t got = recv(fd_, buffer.data(), buffer.size(), 0);
        if (got <= 0) return false;
        in_.append(buffer.data(), static_cast<std::size_t>(got));
        return true;
    }

    int fd_;
    double patience_s_;
    std::string in_;
};

void wait_s(double seconds) {
    const double end_s = now_s() + seconds;
    while (!stop_asked && now_s() < end_s) {
        const double left_s = std::min(end_s - now_s(), check_every_ms / 1000.0);
        if (left_s > 0) std::this_thread::sleep_for(std::chrono::duration<double>(left_s));
    }
}

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// The number after this text in the first line of a head, or nothing if the text is not there.
std::optional<std::uint64_t> number_after(std::string_view head, std::string_view text) {
    const std::size_t at = head.find(text);
    if (at >= head.find("\r\n")) return {};
    return number(head.substr(at + text.size()));
}

// Serves one request. Returns whether the connection goes on.
bool serve_http(Client& client) {
    const std::optional<std::string> head = client.read_to("\r\n\r\n");
    if (!head) return false;
    if (header(*head, "Expect").substr(0, 3) == "100" &&
        !client.send("HTTP/1.1 100 Continue\r\n\r\n"))
        return false;
    if (!client.skip(number(header(*head, "Content-Length")))) return false;
    if (const auto seconds = number_after(*head, " /wait/"))
        wait_s(static_cast<double>(std::min<std::uint64_t>(*seconds, 3600)));
    const bool keeps = header(*head, "Connection").substr(0, 5) != "close";
    std::uint64_t left =
        std::min(number_after(*head, " /bytes/").value_or(page_size), max_answer_bytes);
    static const std::string page(page_size, 'x');
    std::string piece =
        fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: {}\r\n\r\n", left,
                    keeps ? "keep-alive" : "close");
    do {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, page.size()));
        piece.append(page, 0, size);
        if (!client.send(piece)) return false;
        left -= size;
        piece.clear();
    } while (left > 0);
    answers++;
    return keeps;
}

// Answers one line. Returns whether the connection goes on.
bool serve_line(Client& client) {
    const std::optional<std::string> line = client.read_to("\r\n");
    if (!line) return false;
    answers++;
    const bool quits = *line == "QUIT\r\n";
    return client.send(quits ? "221 bye\r\n" : "250 ok\r\n") && !quits;
}

// Waits for a connection, or for the end of the server. One thread waits at a time, so that one
// connection does not wake all of them.
int accept_one(int listener) {
    static std::mutex one_waits;
    const std::lock_guard<std::mutex> lock(one_waits);
    while (!stop_asked) {
        pollfd wanted = {listener, POLLIN, 0};
        if (poll(&wanted, 1, check_every_ms) <= 0) continue;
        const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) return fd;  // else the client has gone
    }
    return -1;
}

void serve(int listener, const Options& options) {
    int fd;
    while ((fd = accept_one(listener)) >= 0) {
        connections++;
        Client client(fd, options.patience_s);
        if (!options.greeting.empty() && !client.send(options.greeting + "\r\n")) continue;
        while (!stop_asked &&
               (options.greeting.empty() ? serve_http(client) : serve_line(client))) {
        }
    }
}

int listen_on(const Options& options) {
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                          options.mptcp ? IPPROTO_MPTCP : 0);
    if (fd < 0) fail("socket");
    const int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));  // IPv4 too
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_any;
    address.sin6_port = htons(options.port);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        listen(fd, options.backlog) != 0)
        fail("listen");
    return fd;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app(
        "A server with blocking threads, for IPv4 and IPv6. It answers /wait/SECONDS after that "
        "time, /bytes/NUMBER with that many bytes, and every other request with a page at once.",
        "plain-server");
    app.add_option("port", options.port, "Port to listen on")
        ->required()
        ->check(CLI::Range(1, 65535));
    app.add_option("--threads", options.threads, "Threads; each serves one connection at a time")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--backlog", options.backlog, "Length of the accept queue")
        ->check(CLI::Range(1, 65535))
        ->capture_default_str();
    app.add_option("--patience", options.patience_s, "Seconds without a byte before it gives up")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--greeting", options.greeting,
                   "Greets with this line, then answers each line until QUIT");
    app.add_flag("--mptcp", options.mptcp,
                 "Accept Multipath TCP too; exit code 77 if the kernel has none");
    if (const auto code = parse(app, argc, argv)) return *code;

    stop_at_signals();
    try {
        const int listener = listen_on(options);
        std::vector<std::thread> threads;
        for (int i = 0; i < options.threads; i++)
            threads.emplace_back(serve, listener, std::cref(options));
        for (std::thread& thread : threads) thread.join();
        close(listener);
        fmt::print("{} connections, {} answers\n", connections.load(), answers.load());
        return 0;
    } catch (const std::system_error& error) {
        fmt::print(stderr, "plain-server: {}\n", error.what());
        return options.mptcp && error.code().value() == EPROTONOSUPPORT ? exit_skip : 1;
    }
}
