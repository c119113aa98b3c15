// SPDX-License-Identifier: BSD-2-Clause
// One honest connection, non-blocking; see honest_client.hpp.
#include "honest_client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

#include "http_head.hpp"

namespace honest {

namespace {

// A paced reader reads at this interval, or once for each packet if that is longer. Its receive
// buffer is small. Otherwise the client's kernel would accept all data at once, and the server
// would not notice the pace.
constexpr double min_pace_interval_s = 0.05;
constexpr double packet_bytes = 1448;
constexpr int paced_receive_buffer = 128 * 1024;
constexpr std::size_t max_head_bytes = 16 * 1024;
// A browser closes an unused connection after this time, even if the server keeps it.
constexpr double idle_limit_s = 180;
// A WebSocket frame: ping, masked with zeros, four bytes.
constexpr std::string_view message{"\x89\x84\0\0\0\0ping", 10};

}  // namespace

Connection::Connection(const Target& target, Plan plan, double patience_s, double now, Tally& tally)
    : target_(target),
      plan_(std::move(plan)),
      tally_(tally),
      patience_s_(patience_s),
      due_(now + patience_s) {
    fd_ = socket(target.address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "socket");
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const int buffer = plan_.receive_buffer == 0 ? paced_receive_buffer : plan_.receive_buffer;
    if (plan_.bytes_per_second > 0 && buffer > 0)
        setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    if (plan_.source != 0) come_from(plan_.source);
    tally_.opened++;
    if (connect(fd_, target.address.get(), target.address.size) != 0 && errno != EINPROGRESS)
        refused_ = true;  // SO_ERROR reports only failures that come later
}

Connection::~Connection() {
    if (stream_ && plan_.ending != Ending::aborted_with_reset) stream_->send_close_notify();
    close(fd_);
}

// The kernel chooses the port at connect(), so that each address can use all ports.
void Connection::come_from(std::uint32_t source) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = source;
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return;
    const int error = errno;
    close(fd_);
    throw std::system_error(error, std::generic_category(), "bind");
}

std::uint32_t Connection::wanted_events() const {
    switch (state_) {
        case State::connecting:
            return EPOLLOUT;
        case State::shaking_hands:
            return handshake_ == tls::Stream::Handshake::writes ? EPOLLOUT : EPOLLIN;
        case State::holding_back:
            return 0;
        default:
            return EPOLLIN;
    }
}

bool Connection::end_counted(std::uint64_t& counter) {
    counter++;
    return false;
}

bool Connection::on_ready(double now) {
    // While it holds back, the connection asks for no events, but epoll reports a reset always.
    if (state_ == State::holding_back) state_ = State::reading;
    if (state_ == State::shaking_hands) return shake_hands(now);
    if (state_ != State::connecting) return read_some(now);
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (refused_ || error != 0) return end_counted(tally_.refused);
    if (target_.tls == nullptr) return begin(now);
    stream_ = std::make_unique<tls::Stream>(target_.tls, fd_);
    state_ = State::shaking_hands;
    return shake_hands(now);
}

bool Connection::shake_hands(double now) {
    handshake_ = stream_->handshake();
    if (handshake_ == tls::Stream::Handshake::failed) return end_counted(tally_.refused);
    if (handshake_ != tls::Stream::Handshake::done) return true;
    if (target_.http2) {
        if (stream_->protocol() != "h2") return end_counted(tally_.bad_answers);
        // The largest windows, so that no answer waits for a WINDOW_UPDATE.
        constexpr std::uint32_t largest = 0x7fffffff;
        const std::string opening =
            std::string(http2::preface) +
            http2::settings_frame({{http2::initial_window_size, largest}}) +
            http2::frame(http2::window_update, http2::none, 0,
                         http2::big_endian(largest - http2::default_window, 4));
        if (transmit(opening.data(), opening.size()) != static_cast<ssize_t>(opening.size()))
            return end_counted(tally_.cut);
    }
    return begin(now);
}

// The connection is established. It sends its first request, or none at all.
bool Connection::begin(double now) {
    if (!plan_.pauses_s.empty()) return next_request(now);
    state_ = State::last_pause;
    due_ = now + plan_.last_pause_s;
    return true;
}

ssize_t Connection::transmit(const void* data, std::size_t size) {
    return stream_ ? stream_->send(data, size) : send(fd_, data, size, MSG_NOSIGNAL);
}

ssize_t Connection::fetch(void* data, std::size_t size) {
    return stream_ ? stream_->receive(data, size) : recv(fd_, data, size, 0);
}

bool Connection::on_due(double now) {
    switch (state_) {
        case State::connecting:
        case State::shaking_hands:
        case State::reading:
            return end_counted(tally_.timed_out);
        case State::pausing:
            return send_request(now);
        case State::uploading:
            return upload_some(now);
        case State::talking:
            return send_message();
        case State::holding_back:
            state_ = State::reading;
            due_ = now + patience_s_;
            // epoll does not report data that TLS has already received.
            return stream_ && stream_->pending() ? read_some(now) : true;
        case State::last_pause:
            return plan_.pauses_s.empty() ? end_counted(tally_.unused) : false;
        case State::idle:
            return false;
    }
    return false;
}

// Streams of the client have odd numbers.
std::string Connection::http2_request() const {
    using namespace http2;
    return frame(headers, end_stream | end_headers, static_cast<std::uint32_t>(2 * sent_ + 1),
                 field(":method", "GET") + field(":scheme", "https") +
                     field(":path", plan_.large ? target_.large_path : target_.small_path) +
                     field(":authority", "honest-load"));
}

bool Connection::next_request(double now) {
    const double pause = plan_.pauses_s[sent_];
    if (pause <= 0) return send_request(now);
    state_ = State::pausing;
    due_ = now + pause;
    return true;
}

bool Connection::send_request(double now) {
    const bool last = sent_ + 1 == plan_.pauses_s.size();
    std::string request = plan_.body_bytes > 0        ? target_.upload_request
                          : plan_.message_every_s > 0 ? target_.upgrade_request
                          : plan_.large               ? target_.large_request
                                                      : target_.small_request;
    if (plan_.body_bytes > 0)
        request += "Content-Length: " + std::to_string(plan_.body_bytes) + "\r\n";
    if (last && plan_.ending == Ending::server_closes_now) request += "Connection: close\r\n";
    request += "\r\n";
    if (target_.http2) request = http2_request();
    sent_++;
    tally_.requests++;
    head_.clear();
    head_complete_ = false;
    answer_bytes_ = 0;
    state_ = State::reading;
    due_ = now + patience_s_;
    // A request of 200 bytes always fits an empty send buffer.
    if (transmit(request.data(), request.size()) != static_cast<ssize_t>(request.size()))
        return end_counted(tally_.cut);
    if (plan_.body_bytes > 0) {
        upload_left_ = plan_.body_bytes;
        state_ = State::uploading;
        due_ = now;
    }
    return abort_if_planned() ? end_counted(tally_.aborted) : true;
}

// The answer is not complete. A paced connection holds back before it reads on.
void Connection::wait_for_more(double now) {
    if (plan_.bytes_per_second > 0) {
        state_ = State::holding_back;
        due_ = now + pace_interval_s();
    } else {
        due_ = now + patience_s_;
    }
}

double Connection::pace_interval_s() const {
    return std::max(min_pace_interval_s, packet_bytes / plan_.bytes_per_second);
}

// Sends the next piece of the body. Bytes that do not fit into the send buffer are sent with the
// next piece.
bool Connection::upload_some(double now) {
    static const std::string body(64 * 1024, 'x');
    const std::size_t size =
        std::min({static_cast<std::size_t>(plan_.bytes_per_second * pace_interval_s()),
                  upload_left_, body.size()});
    const ssize_t sent = transmit(body.data(), size);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return end_counted(tally_.cut);
    if (sent > 0) {
        upload_left_ -= static_cast<std::size_t>(sent);
        tally_.bytes_sent += static_cast<std::uint64_t>(sent);
    }
    due_ += pace_interval_s();  // not from now, so that delays do not change the pace
    if (upload_left_ == 0) {
        state_ = State::reading;
        due_ = now + patience_s_;
    }
    return true;
}

bool Connection::send_message() {
    if (transmit(message.data(), message.size()) != static_cast<ssize_t>(message.size()))
        return end_counted(tally_.cut);
    tally_.messages++;
    due_ += plan_.message_every_s;
    return true;
}

bool Connection::abort_if_planned() {
    if (plan_.ending != Ending::aborted_with_reset && plan_.ending != Ending::aborted_with_close)
        return false;
    if (answer_bytes_ < plan_.abort_after) return false;
    if (plan_.ending == Ending::aborted_with_reset) reset_on_close();
    return true;
}

void Connection::reset_on_close() {
    const linger at_once = {1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

bool Connection::read_some(double now) {
    static std::array<char, 256 * 1024> buffer;
    std::size_t size = buffer.size();
    if (plan_.bytes_per_second > 0)
        size = std::clamp<std::size_t>(
            static_cast<std::size_t>(plan_.bytes_per_second * pace_interval_s()), 1, size);
    const ssize_t got = fetch(buffer.data(), size);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) {
        if (state_ == State::reading || state_ == State::uploading || state_ == State::talking)
            return end_counted(tally_.cut);
        return state_ == State::pausing ? end_counted(tally_.ended_early) : false;
    }
    tally_.bytes += static_cast<std::uint64_t>(got);
    if (target_.http2) {
        if (!take_frames(buffer.data(), static_cast<std::size_t>(got), now)) return false;
        return stream_->pending() && state_ != State::holding_back ? read_some(now) : true;
    }
    if (state_ == State::talking) return true;  // ignores the server's messages
    if (state_ != State::reading) return end_counted(tally_.bad_answers);  // no request is open
    if (!take(buffer.data(), static_cast<std::size_t>(got), now)) return false;
    return stream_ && stream_->pending() && state_ == State::reading ? read_some(now) : true;
}

bool Connection::take(const char* data, std::size_t size, double now) {
    answer_bytes_ += size;
    if (abort_if_planned()) return end_counted(tally_.aborted);
    if (!head_complete_) {
        head_.append(data, size);
        const std::size_t end = head_.find("\r\n\r\n");
        if (end == head_.npos)
            return head_.size() > max_head_bytes ? end_counted(tally_.bad_answers) : true;
        size = head_.size() - (end + 4);
        head_.resize(end + 2);
        if (!parse_head()) return end_counted(tally_.bad_answers);
        head_complete_ = true;
        if (plan_.message_every_s > 0) {
            tally_.answers++;
            state_ = State::talking;
            due_ = now + plan_.message_every_s;
            return true;
        }
    }
    if (size > body_left_) return end_counted(tally_.bad_answers);
    body_left_ -= size;
    if (body_left_ == 0) return answered(now);
    wait_for_more(now);
    return true;
}

bool Connection::take_frames(const char* data, std::size_t size, double now) {
    answer_bytes_ += size;
    if (state_ == State::reading && abort_if_planned()) return end_counted(tally_.aborted);
    frames_.take({data, size});
    while (const auto head = frames_.next()) {
        if (head->type == http2::settings && (head->flags & http2::ack) == 0) {
            const std::string answer = http2::frame(http2::settings, http2::ack, 0, "");
            if (transmit(answer.data(), answer.size()) != static_cast<ssize_t>(answer.size()))
                return end_counted(tally_.cut);
        }
        if (head->type != http2::headers && head->type != http2::data) continue;
        if (state_ != State::reading ||
            (head->type == http2::headers && head->first != http2::status_200))
            return end_counted(tally_.bad_answers);
        if ((head->flags & http2::end_stream) != 0) return answered(now);
    }
    if (state_ != State::reading) return true;
    wait_for_more(now);
    return true;
}

// Accepts only answers with a Content-Length, because the servers of the tests send files.
bool Connection::parse_head() {
    int status = 0;
    const std::string_view head = head_;
    if (head.substr(0, 7) != "HTTP/1." || head.size() < 12) return false;
    std::from_chars(head.data() + 9, head.data() + 12, status);
    if (plan_.message_every_s > 0) return status == 101;
    const std::string_view length = header(head, "Content-Length");
    const auto [end, error] =
        std::from_chars(length.data(), length.data() + length.size(), body_left_);
    return status >= 200 && status < 400 && error == std::errc() &&
           end == length.data() + length.size();
}

bool Connection::answered(double now) {
    tally_.answers++;
    if (sent_ < plan_.pauses_s.size()) return next_request(now);
    switch (plan_.ending) {
        case Ending::client_closes:
            state_ = State::last_pause;
            due_ = now + plan_.last_pause_s;
            return true;
        case Ending::server_closes_idle:
            state_ = State::idle;
            due_ = now + idle_limit_s;
            return true;
        case Ending::server_closes_now:
            if (target_.http2) return false;  // there is no Connection: close
            // Over TLS the server sends close_notify before its FIN, and a closed socket would
            // answer that with a reset.
            state_ = State::idle;
            due_ = now + patience_s_;
            return stream_ != nullptr;
        case Ending::aborted_with_reset:
        case Ending::aborted_with_close:
            return false;
    }
    return false;
}

}  // namespace honest
