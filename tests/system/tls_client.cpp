// SPDX-License-Identifier: BSD-2-Clause
// tls-client: opens connections to a TLS server that all fall silent, or trickle, at a chosen
// point.
//
// It does what no packaged tool does: it leaves a handshake half done, or holds an HTTP/2
// connection open with frames. Each connection follows its script. Then it remains open until the
// server ends it.
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "address.hpp"
#include "http2_frames.hpp"
#include "own_load.hpp"
#include "program.hpp"
#include "tls_stream.hpp"

namespace {

constexpr double patience_s = 20;   // time limit of a handshake and of an answer
constexpr int check_every_ms = 20;  // longest wait before timers are checked

enum class Start { nothing, half_hello, hello, handshake };
enum class End { none, close_notify, half_close };

// What a connection does, in the order of the fields.
struct Script {
    const char* name;
    const char* help;
    Start start = Start::handshake;
    bool http2 = false;
    std::string opening = {};   // sent right after the handshake
    bool wants_answer = false;  // waits for the answer
    std::string trailing = {};  // sent --trail ms later
    End end = End::none;        // done after that
    std::string again = {};     // sent every --every seconds, from the end of the script on
    bool acks_settings = true;  // acknowledges the server's SETTINGS, unless --no-ack
};

// The head of a request without the empty line that ends it.
std::string http1_head(const std::string& path) {
    return fmt::format("GET {} HTTP/1.1\r\nHost: tls-client\r\n", path);
}

std::string http2_fields(const char* method, const std::string& path) {
    return http2::field(":method", method) + http2::field(":scheme", "https") +
           http2::field(":path", path) + http2::field(":authority", "tls-client");
}

std::vector<Script> scripts(const std::string& path) {
    using namespace http2;
    const std::string request = http1_head(path) + "\r\n";
    const std::string begin = std::string(preface) + settings_frame({});
    const std::string no_window = std::string(preface) + settings_frame({{initial_window_size, 0}});
    const std::string get = frame(headers, end_stream | end_headers, 1, http2_fields("GET", path));
    const std::string post = frame(headers, end_headers, 1,
                                   http2_fields("POST", path) + field("content-length", "8192"));
    const std::string open_head = frame(headers, end_stream, 1, http2_fields("GET", path));
    const std::string more_head = frame(continuation, none, 1, field("x-a", "b"));
    const std::string one_byte = frame(data, none, 1, "x");
    const std::string a_ping = frame(ping, none, 0, "jsguard.");
    const std::string more_window = frame(window_update, none, 0, big_endian(8192, 4));
    const std::string byte_of_window = frame(window_update, none, 1, big_endian(1, 4));
    return {
        {"silent", "connects and sends nothing", Start::nothing},
        {"half-hello", "half a ClientHello", Start::half_hello},
        {"hello", "a ClientHello, and nothing after the server's flight", Start::hello},
        {.name = "handshake", .help = "a whole handshake"},
        {.name = "head",
         .help = "half of a request's head, then a line of it each time",
         .opening = http1_head(path),
         .again = "X-a: b\r\n"},
        {.name = "answered",
         .help = "a request, and its answer",
         .opening = request,
         .wants_answer = true},
        {.name = "goodbye",
         .help = "a request, its answer, close_notify, and no FIN",
         .opening = request,
         .wants_answer = true,
         .end = End::close_notify},
        {.name = "head-goodbye",
         .help = "half of a request's head, close_notify, and no FIN",
         .opening = http1_head(path),
         .end = End::close_notify},
        {.name = "half-closed",
         .help = "a request, its answer, and a FIN with no close_notify",
         .opening = request,
         .wants_answer = true,
         .end = End::half_close},
        {.name = "h2-preface",
         .help = "HTTP/2: preface and SETTINGS",
         .http2 = true,
         .opening = begin},
        {.name = "h2-answered",
         .help = "HTTP/2: a request, its answer, WINDOW_UPDATE",
         .http2 = true,
         .opening = begin + get,
         .wants_answer = true,
         .trailing = more_window},
        {.name = "h2-ping",
         .help = "HTTP/2: a request, its answer, then PING each time",
         .http2 = true,
         .opening = begin + get,
         .wants_answer = true,
         .again = a_ping},
        {.name = "h2-head",
         .help = "HTTP/2: HEADERS without END_HEADERS, then CONTINUATION each time",
         .http2 = true,
         .opening = begin + open_head,
         .again = more_head,
         .acks_settings = false},  // no other frame may come between HEADERS and CONTINUATION
        {.name = "h2-body",
         .help = "HTTP/2: HEADERS of a request with a body, then a byte of DATA each time",
         .http2 = true,
         .opening = begin + post,
         .again = one_byte},
        {.name = "h2-window",
         .help = "HTTP/2: a request with a window of 0, then a byte of WINDOW_UPDATE each time",
         .http2 = true,
         .opening = no_window + get,
         .again = byte_of_window},
    };
}

struct Options {
    std::string mode;
    std::string target;
    std::string path = "/index.html";
    std::string version = "1.3";
    int count = 20;
    double rate = 50;
    double every_s = 0;  // 0: never again
    double pause_ms = 0;
    double trail_ms = 0;
    double duration_s = 0;  // 0: until a signal
    bool no_ack = false;
};

class Connection {
  public:
    Connection(const Address& address, const Script& script, const Options& options,
               SSL_CTX* context)
        : script_(script), options_(options), context_(context), due_s_(now_s() + patience_s) {
        fd_ = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "socket");
        const int on = 1;
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(fd_, address.get(), address.size) != 0 && errno != EINPROGRESS)
            failure_ = fmt::format("connect: {}", std::system_category().message(errno));
    }
    ~Connection() { close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Whether the connection reached the end of its script, whether it has ended, and the reason if
    // it failed.
    bool is_in() const { return in_; }
    bool is_over() const { return over_ || !failure_.empty(); }
    const std::string& failure() const { return failure_; }

    pollfd wants() const {
        const bool writes =
            state_ == State::connecting ||
            (state_ == State::handshaking && waits_for_ == tls::Stream::Handshake::writes);
        return {is_over() ? -1 : fd_, static_cast<short>(writes ? POLLOUT : POLLIN), 0};
    }

    void on_ready() {
        if (state_ == State::connecting) {
            connected();
        } else if (state_ == State::handshaking) {
            shake_hands();
        } else {
            receive();
        }
    }

    void on_time(OwnLoad& own_load) {
        const double now = now_s();
        if (is_over() || now < due_s_) return;
        own_load.acted(now - due_s_);
        switch (state_) {
            case State::connecting:
            case State::handshaking:
            case State::answer_awaited:
                failure_ = "no answer in time";
                break;
            case State::pausing:
                open();
                break;
            case State::trailing:
                trail();
                break;
            case State::holding:
                send(script_.again);
                due_s_ += options_.every_s;
                break;
        }
    }

  private:
    enum class State { connecting, handshaking, pausing, answer_awaited, trailing, holding };

    void connected() {
        int error = 0;
        socklen_t size = sizeof(error);
        getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            failure_ = fmt::format("connect: {}", std::system_category().message(error));
            return;
        }
        if (script_.start == Start::nothing) {
            hold();
        } else if (script_.start == Start::handshake) {
            stream_ = std::make_unique<tls::Stream>(context_, fd_);
            state_ = State::handshaking;
            shake_hands();
        } else {
            std::string hello = tls::client_hello(context_);
            if (script_.start == Start::half_hello) hello.resize(hello.size() / 2);
            send(hello);
            hold();
        }
    }

    void shake_hands() {
        waits_for_ = stream_->handshake();
        if (waits_for_ == tls::Stream::Handshake::failed) failure_ = "TLS handshake";
        if (waits_for_ != tls::Stream::Handshake::done) return;
        if (script_.http2 && stream_->protocol() != "h2") {
            failure_ = "the server speaks no HTTP/2";
            return;
        }
        state_ = State::pausing;
        due_s_ = now_s() + options_.pause_ms / 1000;
        if (options_.pause_ms <= 0) open();
    }

    void open() {
        if (!script_.opening.empty()) send(script_.opening);
        if (script_.wants_answer) {
            state_ = State::answer_awaited;
            due_s_ = now_s() + patience_s;
        } else {
            answered();
        }
    }

    void answered() {
        state_ = State::trailing;
        due_s_ = now_s() + options_.trail_ms / 1000;
        if (options_.trail_ms <= 0) trail();
    }

    void trail() {
        if (!script_.trailing.empty()) send(script_.trailing);
        if (script_.end == End::close_notify) stream_->send_close_notify();
        if (script_.end == End::half_close) shutdown(fd_, SHUT_WR);
        hold();
    }

    void hold() {
        state_ = State::holding;
        in_ = true;
        due_s_ =
            options_.every_s > 0 && !script_.again.empty() ? now_s() + options_.every_s : INFINITY;
    }

    // All texts are small, so they fit into the send buffer.
    void send(const std::string& text) {
        const ssize_t sent = stream_ ? stream_->send(text.data(), text.size())
                                     : ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent != static_cast<ssize_t>(text.size())) over_ = true;
    }

    void receive() {
        static std::array<char, 64 * 1024> buffer;
        do {
            const ssize_t got = stream_ ? stream_->receive(buffer.data(), buffer.size())
                                        : recv(fd_, buffer.data(), buffer.size(), 0);
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
            if (got <= 0) {
                over_ = true;
                return;
            }
            take({buffer.data(), static_cast<std::size_t>(got)});
        } while (!is_over() && stream_ && stream_->pending());
    }

    void take(std::string_view received) {
        if (script_.http2) {
            frames_.take(received);
            while (const auto head = frames_.next()) on_frame(*head);
        } else if (state_ == State::answer_awaited) {
            head_ += received;
            if (head_.find("\r\n\r\n") != head_.npos) answered();
        }
    }

    void on_frame(const http2::Head& head) {
        if (head.type == http2::settings && (head.flags & http2::ack) == 0 &&
            script_.acks_settings && !options_.no_ack)
            send(http2::frame(http2::settings, http2::ack, 0, ""));
        const bool ends = head.type == http2::data || head.type == http2::headers;
        if (state_ == State::answer_awaited && ends && (head.flags & http2::end_stream) != 0)
            answered();
    }

    const Script& script_;
    const Options& options_;
    SSL_CTX* context_;
    int fd_ = -1;
    State state_ = State::connecting;
    tls::Stream::Handshake waits_for_ = tls::Stream::Handshake::reads;
    std::unique_ptr<tls::Stream> stream_;
    http2::Reader frames_;
    std::string head_;  // of the answer, as far as it is received
    std::string failure_;
    double due_s_;
    bool in_ = false;
    bool over_ = false;
};

class Client {
  public:
    Client(const Options& options, const Script& script)
        : options_(options), script_(script), address_(resolve_address(options.target)) {
        const int version = options.version == "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION;
        context_ = tls::make_context(script.http2 ? "h2" : "http/1.1", version);
        raise_descriptor_limit();
    }

    void run() {
        while (!stop_asked &&
               (options_.duration_s <= 0 || now_s() < start_ + options_.duration_s)) {
            while (count() < options_.count && next_open_s() <= now_s()) {
                own_load_.acted(now_s() - next_open_s());
                connections_.push_back(
                    std::make_unique<Connection>(address_, script_, options_, context_.get()));
            }
            wait();
            for (auto& connection : connections_) connection->on_time(own_load_);
            own_load_.check(now_s());
            print_once_in();
        }
    }

    // Returns whether all connections reached the end of their script.
    bool print_summary() const {
        int in = 0, over = 0;
        const std::string* failure = nullptr;
        for (const auto& connection : connections_) {
            in += connection->is_in() ? 1 : 0;
            over += connection->is_over() ? 1 : 0;
            if (!connection->failure().empty()) failure = &connection->failure();
        }
        fmt::print("{} {}: {} connections, {} in, {} ended{}{}\n", script_.name, options_.target,
                   connections_.size(), in, over, failure ? ", the last for: " : "",
                   failure ? *failure : "");
        fmt::print("{}\n", own_load_.text(now_s()));
        return in == options_.count;
    }

  private:
    int count() const { return static_cast<int>(connections_.size()); }
    double next_open_s() const { return start_ + count() / options_.rate; }

    void wait() {
        std::vector<pollfd> wanted;
        for (const auto& connection : connections_) wanted.push_back(connection->wants());
        if (poll(wanted.data(), wanted.size(), check_every_ms) < 0 && errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "poll");
        for (std::size_t i = 0; i < wanted.size(); i++)
            if (wanted[i].revents != 0) connections_[i]->on_ready();
    }

    void print_once_in() {
        if (printed_in_ || count() < options_.count) return;
        for (const auto& connection : connections_)
            if (!connection->is_in()) return;
        printed_in_ = true;
        fmt::print("all {} are in\n", options_.count);
        std::fflush(stdout);
    }

    const Options& options_;
    const Script& script_;
    Address address_;
    tls::Context context_;
    std::vector<std::unique_ptr<Connection>> connections_;
    double start_ = now_s();
    OwnLoad own_load_{"tls-client", start_};
    bool printed_in_ = false;
};

const Script& find_script(const std::vector<Script>& all, const std::string& name) {
    for (const Script& script : all)
        if (name == script.name) return script;
    throw std::runtime_error(fmt::format("no mode called {}", name));
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("TLS connections that fall silent, or trickle, at one chosen point.",
                 "tls-client");
    std::string modes = "Modes:\n";
    for (const Script& script : scripts(""))
        modes += fmt::format("  {:<14}{}\n", script.name, script.help);
    app.footer(modes);
    app.add_option("--mode", options.mode, "Where the connections stop: see below")->required();
    app.add_option("target", options.target, "HOST:PORT")->required();
    app.add_option("--count", options.count, "Connections")
        ->check(CLI::Range(1, 20'000))
        ->capture_default_str();
    app.add_option("--rate", options.rate, "New ones a second")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--every", options.every_s,
                   "Seconds between what is sent each time (default: never)")
        ->check(CLI::PositiveNumber);
    app.add_option("--pause", options.pause_ms,
                   "Milliseconds from the handshake to what comes after it")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option("--trail", options.trail_ms,
                   "Milliseconds from the answer to what comes after it")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option("--tls", options.version, "Version of TLS")
        ->check(CLI::IsMember({"1.2", "1.3"}))
        ->capture_default_str();
    app.add_flag("--no-ack", options.no_ack, "Leave the server's SETTINGS without an ACK");
    app.add_option("--path", options.path, "Path to request")->capture_default_str();
    app.add_option("--duration", options.duration_s, "Seconds; without, until SIGINT or SIGTERM")
        ->check(CLI::PositiveNumber);
    if (const auto code = parse(app, argc, argv)) return *code;

    stop_at_signals();
    try {
        const std::vector<Script> all = scripts(options.path);
        Client client(options, find_script(all, options.mode));
        client.run();
        return client.print_summary() ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "tls-client: {}\n", error.what());
        return 1;
    }
}
