// SPDX-License-Identifier: BSD-2-Clause
// slow-backend: a slow HTTP/1.1 server for the system tests, behind nginx or alone.
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "http_head.hpp"
#include "program.hpp"

namespace {

struct Options {
    int port = 0;
    double stall_s = 20;       // delay of an answer without its own delay, while stalled
    double push_every_s = 10;  // between messages on a WebSocket at /talk, on average
    std::string stall_file;
};

constexpr std::size_t max_head_bytes = 16 * 1024;
constexpr std::size_t page_size = 8192;
// WebSocket frames of the server, unmasked: a pong and a text, four bytes each.
constexpr std::string_view pong{"\x8a\x04ping", 6};
constexpr std::string_view news{"\x81\x04news", 6};
constexpr std::string_view event_text = "data: news\n\n";

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

struct Tally {
    std::uint64_t requests = 0;
    std::uint64_t stalled = 0;
    std::uint64_t upgrades = 0;
    std::uint64_t body_bytes = 0;
};

class Backend {
  public:
    explicit Backend(const Options& options) : options_(options) {
        epoll_ = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_ < 0) fail("epoll_create1");
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (listener_ < 0) fail("socket");
        const int on = 1;
        setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(static_cast<std::uint16_t>(options.port));
        if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
            listen(listener_, SOMAXCONN) != 0)
            fail("listen");
        watch(listener_, 0);
    }
    ~Backend() {
        for (const auto& [id, client] : clients_) close(client->fd);
        close(listener_);
        close(epoll_);
    }
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;

    void run() {
        while (!stop_asked) {
            wake_due();
            wait();
        }
    }

    void print_summary() const {
        fmt::print("{} requests, {} of them stalled, {} upgrades, {:.1f} MB of bodies\n",
                   tally_.requests, tally_.stalled, tally_.upgrades,
                   static_cast<double>(tally_.body_bytes) / 1e6);
    }

  private:
    enum class State {
        head,     // reads the head of a request
        body,     // reads the body and drops it
        holding,  // delays the answer
        talking,  // WebSocket: answers messages, and sends its own now and then
        telling,  // sends messages now and then, and answers none
        silent    // WebSocket: only reads
    };
    struct Client {
        int fd;
        State state = State::head;
        std::string in;
        std::uint64_t body_left = 0;
        bool events = false;  // gets server-sent events
        bool keeps = false;   // keeps the connection after the answer
        double hold_s = 0;
    };
    struct Wake {
        double at_s;
        std::uint64_t id;
        bool operator>(const Wake& other) const { return at_s > other.at_s; }
    };

    void watch(int fd, std::uint64_t id) {
        epoll_event event = {};
        event.events = EPOLLIN;
        event.data.u64 = id;
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
    }

    void accept_all() {
        int fd;
        while ((fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
            const int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            const std::uint64_t id = ++last_id_;
            watch(fd, id);
            auto client = std::make_unique<Client>();
            client->fd = fd;
            clients_.emplace(id, std::move(client));
        }
    }

    void drop(std::uint64_t id) {
        close(clients_.at(id)->fd);
        clients_.erase(id);
    }

    // Whether the stall file exists. Checks it at most ten times a second.
    bool stalled() {
        if (options_.stall_file.empty()) return false;
        if (now_s() >= asked_s_ + 0.1) {
            asked_s_ = now_s();
            stalled_ = access(options_.stall_file.c_str(), F_OK) == 0;
        }
        return stalled_;
    }

    // The next functions return false when the connection is over.
    bool read_some(std::uint64_t id, Client& client) {
        std::array<char, 64 * 1024> buffer;
        const ssize_t got = recv(client.fd, buffer.data(), buffer.size(), 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
        if (got <= 0) return false;
        if (client.state == State::silent || client.state == State::telling) return true;
        if (client.state == State::talking) return send_all(client, pong);
        client.in.append(buffer.data(), static_cast<std::size_t>(got));
        return digest(id, client);
    }

    // Processes the bytes that have been read so far.
    bool digest(std::uint64_t id, Client& client) {
        if (client.state == State::head) {
            const std::size_t end = client.in.find("\r\n\r\n");
            if (end == client.in.npos) return client.in.size() <= max_head_bytes;
            const std::string head = client.in.substr(0, end + 2);
            client.in.erase(0, end + 4);
            if (!begin(id, client, head)) return false;
        }
        if (client.state == State::body) {
            const std::uint64_t taken = std::min<std::uint64_t>(client.body_left, client.in.size());
            client.in.erase(0, taken);
            client.body_left -= taken;
            tally_.body_bytes += taken;
            if (client.body_left > 0) return true;
            if (client.hold_s <= 0) return answer(id, client);
            client.state = State::holding;
            wake_.push({now_s() + client.hold_s, id});
        }
        return true;
    }

    bool begin(std::uint64_t id, Client& client, std::string_view head) {
        tally_.requests++;
        const std::size_t space = head.find(' ');
        if (space == head.npos) return false;
        const std::string_view path = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
        if (path == "/talk") return upgrade(id, client, State::talking);
        if (path == "/rare") return upgrade(id, client, State::telling);
        if (path == "/silent") return upgrade(id, client, State::silent);
        if (path == "/events") return tell(id, client);
        const std::string_view length = header(head, "Content-Length");
        client.body_left = 0;
        std::from_chars(length.data(), length.data() + length.size(), client.body_left);
        client.keeps = head.find(" HTTP/1.1\r\n") != head.npos &&
                       header(head, "Connection").substr(0, 5) != "close";
        client.hold_s = 0;
        constexpr std::string_view wait = "/wait/";
        if (path.substr(0, wait.size()) == wait)
            std::from_chars(path.data() + wait.size(), path.data() + path.size(), client.hold_s);
        if (client.hold_s <= 0 && stalled()) {
            tally_.stalled++;
            client.hold_s = options_.stall_s;
        }
        client.state = State::body;
        return true;
    }

    // Server-sent events: an answer that does not end.
    bool tell(std::uint64_t id, Client& client) {
        client.state = State::telling;
        client.events = true;
        wake_.push({now_s() + next_push_s(), id});
        return send_all(client, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    }

    bool upgrade(std::uint64_t id, Client& client, State state) {
        tally_.upgrades++;
        client.state = state;
        if (state != State::silent) wake_.push({now_s() + next_push_s(), id});
        return send_all(client,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\n\r\n");
    }

    double next_push_s() {
        return std::exponential_distribution<>(1 / options_.push_every_s)(random_);
    }

    bool answer(std::uint64_t id, Client& client) {
        static const std::string page(page_size, 'x');
        if (!send_all(client,
                      fmt::format("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                  "Content-Length: {}\r\nConnection: {}\r\n\r\n{}",
                                  page.size(), client.keeps ? "keep-alive" : "close", page)))
            return false;
        client.state = State::head;
        return client.keeps && digest(id, client);
    }

    // A page always fits into an empty send buffer. A client that does not read is dropped.
    static bool send_all(const Client& client, std::string_view data) {
        return send(client.fd, data.data(), data.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(data.size());
    }

    void wake_due() {
        while (!wake_.empty() && wake_.top().at_s <= now_s()) {
            const std::uint64_t id = wake_.top().id;
            wake_.pop();
            const auto found = clients_.find(id);
            if (found == clients_.end()) continue;
            Client& client = *found->second;
            bool goes_on = true;
            if (client.state == State::holding) {
                goes_on = answer(id, client);
            } else if (client.state == State::talking || client.state == State::telling) {
                goes_on = send_all(client, client.events ? event_text : news);
                wake_.push({now_s() + next_push_s(), id});
            }
            if (!goes_on) drop(id);
        }
    }

    void wait() {
        const double next = wake_.empty() ? now_s() + 0.5 : wake_.top().at_s;
        const double left_s = std::clamp(next - now_s(), 0.0, 0.5);
        std::array<epoll_event, 256> events;
        const int count = epoll_wait(epoll_, events.data(), events.size(),
                                     static_cast<int>(std::ceil(left_s * 1000)));
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < count; i++) {
            const std::uint64_t id = events[i].data.u64;
            if (id == 0) {
                accept_all();
                continue;
            }
            const auto found = clients_.find(id);
            if (found != clients_.end() && !read_some(id, *found->second)) drop(id);
        }
    }

    const Options& options_;
    int epoll_ = -1;
    int listener_ = -1;
    std::unordered_map<std::uint64_t, std::unique_ptr<Client>> clients_;
    std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wake_;
    std::uint64_t last_id_ = 0;
    std::mt19937 random_{1};
    double asked_s_ = 0;
    bool stalled_ = false;
    Tally tally_;
};

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app(
        "A slow HTTP/1.1 server on 127.0.0.1. It answers /wait/SECONDS after that time. /talk and "
        "/silent are WebSockets, with and without answers. /rare is one on which the server speaks "
        "now and then and answers nothing, and /events the same without a WebSocket. Every other "
        "request gets a page after its body is read.",
        "slow-backend");
    app.add_option("port", options.port, "Port to listen on")
        ->required()
        ->check(CLI::Range(1, 65535));
    app.add_option("--stall-file", options.stall_file,
                   "While this file exists, all other requests are answered late too");
    app.add_option("--stall", options.stall_s, "Delay of these answers in seconds")
        ->capture_default_str();
    app.add_option(
           "--push-every", options.push_every_s,
           "Seconds between two messages of the server on /talk, /rare and /events, on average")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    if (const auto code = parse(app, argc, argv)) return *code;

    raise_descriptor_limit();
    stop_at_signals();
    try {
        Backend backend(options);
        backend.run();
        backend.print_summary();
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "slow-backend: {}\n", error.what());
        return 1;
    }
}
