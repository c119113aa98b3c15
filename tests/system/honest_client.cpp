// SPDX-License-Identifier: BSD-2-Clause
// One honest HTTP/1.1 connection, non-blocking; see honest_client.hpp.
#include "honest_client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

namespace honest {

namespace {

// A paced reader reads this often, and its receive buffer is small, so that the server's side sees
// the pace and not the client's kernel taking all at once.
constexpr double pace_interval_s = 0.05;
constexpr int paced_receive_buffer = 128 * 1024;
constexpr std::size_t longest_head = 16 * 1024;
// A browser does not keep an unused connection for ever, even if the server does.
constexpr double idle_limit_s = 180;

// Value of a header in an answer's head, or empty.
std::string_view header(std::string_view head, std::string_view name) {
    for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at)) {
        at += 2;
        const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
        if (line.size() <= name.size() || line[name.size()] != ':' ||
            strncasecmp(line.data(), name.data(), name.size()) != 0)
            continue;
        const std::size_t value = line.find_first_not_of(' ', name.size() + 1);
        return value == line.npos ? std::string_view() : line.substr(value);
    }
    return {};
}

}  // namespace

Connection::Connection(const Target& target, Plan plan, double patience_s, double now, Tally& tally)
    : target_(target),
      plan_(std::move(plan)),
      tally_(tally),
      patience_s_(patience_s),
      due_(now + patience_s) {
    fd_ = socket(target.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "socket");
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (plan_.bytes_per_second > 0)
        setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &paced_receive_buffer, sizeof(paced_receive_buffer));
    tally_.opened++;
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&target.address), target.address_size) !=
            0 &&
        errno != EINPROGRESS)
        refused_ = true;  // a failure to come is told by SO_ERROR, one at once is not
}

Connection::~Connection() { close(fd_); }

std::uint32_t Connection::wanted_events() const {
    switch (state_) {
        case State::connecting:
            return EPOLLOUT;
        case State::holding_back:
            return 0;
        default:
            return EPOLLIN;
    }
}

bool Connection::over(std::uint64_t& counter) {
    counter++;
    return false;
}

bool Connection::on_ready(double now) {
    // Asked for no events while holding back, but a reset is told unasked.
    if (state_ == State::holding_back) state_ = State::reading;
    if (state_ != State::connecting) return read_some(now);
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (refused_ || error != 0) return over(tally_.refused);
    return next_request(now);
}

bool Connection::on_due(double now) {
    switch (state_) {
        case State::connecting:
        case State::reading:
            return over(tally_.timed_out);
        case State::pausing:
            return send_request(now);
        case State::holding_back:
            state_ = State::reading;
            due_ = now + patience_s_;
            return true;
        case State::last_pause:
        case State::idle:
            return false;
    }
    return false;
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
    std::string request = plan_.large ? target_.large_request : target_.small_request;
    if (last && plan_.ending == Ending::server_closes_now) request += "Connection: close\r\n";
    request += "\r\n";
    sent_++;
    tally_.requests++;
    head_.clear();
    head_complete_ = false;
    answer_bytes_ = 0;
    state_ = State::reading;
    due_ = now + patience_s_;
    // A request of 200 bytes always fits an empty send buffer.
    if (send(fd_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
        return over(tally_.cut);
    return abort_if_planned() ? over(tally_.aborted) : true;
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
            static_cast<std::size_t>(plan_.bytes_per_second * pace_interval_s), 1, size);
    const ssize_t got = recv(fd_, buffer.data(), size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) {
        if (state_ == State::reading) return over(tally_.cut);
        return state_ == State::pausing ? over(tally_.ended_early) : false;
    }
    if (state_ != State::reading) return over(tally_.bad_answers);  // nothing was asked
    tally_.bytes += static_cast<std::uint64_t>(got);
    return take(buffer.data(), static_cast<std::size_t>(got), now);
}

bool Connection::take(const char* data, std::size_t size, double now) {
    answer_bytes_ += size;
    if (abort_if_planned()) return over(tally_.aborted);
    if (!head_complete_) {
        head_.append(data, size);
        const std::size_t end = head_.find("\r\n\r\n");
        if (end == head_.npos) return head_.size() > longest_head ? over(tally_.bad_answers) : true;
        size = head_.size() - (end + 4);
        head_.resize(end + 2);
        if (!parse_head()) return over(tally_.bad_answers);
        head_complete_ = true;
    }
    if (size > body_left_) return over(tally_.bad_answers);
    body_left_ -= size;
    if (body_left_ == 0) return answered(now);
    if (plan_.bytes_per_second > 0) {
        state_ = State::holding_back;
        due_ = now + pace_interval_s;
    } else {
        due_ = now + patience_s_;
    }
    return true;
}

// Only answers with a length are understood: the test's servers send files.
bool Connection::parse_head() {
    int status = 0;
    const std::string_view head = head_;
    if (head.substr(0, 7) != "HTTP/1." || head.size() < 12) return false;
    std::from_chars(head.data() + 9, head.data() + 12, status);
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
        case Ending::server_closes_now:  // has all it asked for
        case Ending::aborted_with_reset:
        case Ending::aborted_with_close:
            return false;
    }
    return false;
}

}  // namespace honest
