// SPDX-License-Identifier: BSD-2-Clause
// One scripted connection of the field lab; see field_connection.hpp.
#include "field_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <system_error>
#include <utility>

namespace field {

namespace {

constexpr double patience_s = 20;            // time limit of connect() and of a handshake
constexpr std::size_t max_kept = 64 * 1024;  // bytes kept to find an awaited text

}  // namespace

Connection::Connection(const Target& target, Script script, unsigned seed, double now, Tally& tally)
    : target_(target),
      script_(std::move(script)),
      tally_(tally),
      random_(seed),
      step_due_(now + patience_s),
      read_due_(INFINITY),
      end_due_(INFINITY) {
    fd_ = socket(target.address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 target.protocol);
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "socket");
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (script_.receive_buffer > 0)
        setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &script_.receive_buffer,
                   sizeof(script_.receive_buffer));
    if (script_.max_segment > 0)
        setsockopt(fd_, IPPROTO_TCP, TCP_MAXSEG, &script_.max_segment, sizeof(script_.max_segment));
    tally_.opened++;
    start(target);
}

Connection::~Connection() {
    if (script_.resets) {
        const linger at_once = {1, 0};
        setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    } else if (stream_) {
        stream_->send_close_notify();
    }
    close(fd_);
}

void Connection::start(const Target& target) {
    ssize_t result = 0;
    if (script_.fast_open && !script_.steps.empty()) {
        const std::string& text = script_.steps.front().text;
        result = sendto(fd_, text.data(), text.size(), MSG_FASTOPEN | MSG_NOSIGNAL,
                        target.address.get(), target.address.size);
        if (result >= 0) {
            tally_.sent += static_cast<std::uint64_t>(result);
            out_ = text.substr(static_cast<std::size_t>(result));
            step_ = 1;
        }
    } else {
        result = connect(fd_, target.address.get(), target.address.size);
    }
    if (result < 0 && errno != EINPROGRESS) {
        tally_.failure = "connect: " + std::system_category().message(errno);
        refused_ = true;  // SO_ERROR reports only failures that come later
    }
}

double Connection::between(double min, double max) {
    return max > min ? std::uniform_real_distribution<>(min, max)(random_) : min;
}

// Some visitors have one request. For them the lifetime is over at once.
double Connection::draw_lifetime_s() {
    return between(0, 1) < visits::one_request_share ? 0 : visits::draw_lifetime_s(random_);
}

bool Connection::over(std::uint64_t& counter) {
    counter++;
    return false;
}

std::uint32_t Connection::wanted_events() const {
    if (state_ == State::connecting) return EPOLLOUT;
    if (state_ == State::shaking_hands)
        return handshake_ == tls::Stream::Handshake::writes ? EPOLLOUT : EPOLLIN;
    const std::uint32_t writes = out_.empty() ? 0u : std::uint32_t{EPOLLOUT};
    return writes |
           (script_.reading == Reading::all && !server_ended_ ? std::uint32_t{EPOLLIN} : 0u);
}

double Connection::due() const { return std::min({step_due_, read_due_, end_due_}); }

bool Connection::on_ready(double now) {
    if (state_ == State::connecting) {
        int error = 0;
        socklen_t size = sizeof(error);
        getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) tally_.failure = "connect: " + std::system_category().message(error);
        if (error != 0 || refused_) return over(tally_.failed);
        if (target_.tls == nullptr) return established(now);
        stream_ = std::make_unique<tls::Stream>(target_.tls, fd_);
        state_ = State::shaking_hands;
    }
    if (state_ == State::shaking_hands) {
        handshake_ = stream_->handshake();
        if (handshake_ == tls::Stream::Handshake::failed) {
            tally_.failure = "TLS handshake";
            return over(tally_.failed);
        }
        return handshake_ == tls::Stream::Handshake::done ? established(now) : true;
    }
    if (!out_.empty() && !flush()) return over(tally_.cut);
    if (script_.reading == Reading::all && !server_ended_) {
        if (!receive()) return false;
    } else {
        // epoll reports a reset always, and a hangup when both sides have closed.
        int error = 0;
        socklen_t size = sizeof(error);
        getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0 || server_ended_) return over(tally_.cut);
    }
    return run(now);
}

bool Connection::established(double now) {
    tally_.established++;
    state_ = State::running;
    step_due_ = INFINITY;
    if (script_.hold_s > 0) end_due_ = now + script_.hold_s;
    if (script_.long_tailed) lifetime_end_ = now + draw_lifetime_s();
    if (script_.reading == Reading::paced) read_due_ = now + script_.read_every_s;
    return run(now);
}

bool Connection::on_due(double now) {
    if (state_ != State::running) {
        if (tally_.failure.empty()) tally_.failure = "no connection in time";
        return over(tally_.failed);
    }
    if (now >= end_due_) return over(tally_.ended);
    if (now >= read_due_) {
        read_due_ += script_.read_every_s;
        if (!receive()) return false;
    }
    if (now >= step_due_) {
        step_due_ = INFINITY;
        if (script_.steps[step_].action == Action::await) {
            tally_.failure = "not received: " + script_.steps[step_].text;
            return over(tally_.timed_out);
        }
        step_++;
        entered_ = false;
    }
    return run(now);
}

// Sends what is not yet sent. Returns false if the connection is over.
bool Connection::flush() {
    while (!out_.empty()) {
        const ssize_t sent = stream_ ? stream_->send(out_.data(), out_.size())
                                     : send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        tally_.sent += static_cast<std::uint64_t>(sent);
        out_.erase(0, static_cast<std::size_t>(sent));
    }
    return true;
}

ssize_t Connection::fetch(void* data, std::size_t size) {
    return stream_ ? stream_->receive(data, size) : recv(fd_, data, size, 0);
}

// Reads what is there, or as much as a paced reader takes. Returns false if the connection is over.
bool Connection::receive() {
    static std::array<char, 64 * 1024> buffer;
    std::size_t most = buffer.size();
    if (script_.reading == Reading::paced)
        most = std::clamp<std::size_t>(script_.read_bytes, 1, most);
    do {
        const ssize_t got = fetch(buffer.data(), most);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
        if (got <= 0) {
            server_ended_ = true;
            const bool planned = script_.server_ends && step_ == script_.steps.size();
            if (got == 0 && planned) return over(tally_.ended);
            return got == 0 && script_.ignores_end ? true : over(tally_.cut);
        }
        tally_.received += static_cast<std::uint64_t>(got);
        in_.append(buffer.data(), static_cast<std::size_t>(got));
        if (in_.size() > max_kept) in_.erase(0, in_.size() - max_kept);
    } while (stream_ && script_.reading == Reading::all && stream_->pending());
    return true;
}

// Whether the awaited text is there. Then everything that was received before is dropped.
bool Connection::found_awaited() {
    const std::string& text = script_.steps[step_].text;
    const bool found = text.empty() ? !in_.empty() : in_.find(text) != in_.npos;
    if (found) in_.clear();
    return found;
}

// Takes steps until one of them waits. Returns false if the connection is over.
bool Connection::run(double now) {
    while (step_ < script_.steps.size()) {
        const Step& step = script_.steps[step_];
        const bool pauses = step_due_ != INFINITY && step.action != Action::await;
        if (pauses) return true;
        switch (step.action) {
            case Action::send:
            case Action::filler:
                if (!entered_) {
                    entered_ = true;
                    if (step.action == Action::send)
                        out_ += step.text;
                    else
                        out_.append(static_cast<std::size_t>(between(step.min, step.max)), 'x');
                }
                if (!flush()) return over(tally_.cut);
                if (!out_.empty()) return true;
                break;
            case Action::await:
                if (found_awaited()) {
                    step_due_ = INFINITY;
                    break;
                }
                if (!entered_ && step.max > 0) step_due_ = now + step.max;
                entered_ = true;
                return true;
            case Action::pause:
                step_due_ = now + between(step.min, step.max);
                return true;
            case Action::think:
                step_due_ = now + think_.draw_s(random_);
                return true;
            case Action::half_close:
                shutdown(fd_, SHUT_WR);
                break;
            case Action::close:
                return over(tally_.ended);
            case Action::reset:
                script_.resets = true;
                return over(tally_.ended);
            case Action::more:
                if (now >= lifetime_end_) break;
                [[fallthrough]];
            case Action::again:
                tally_.rounds++;
                step_ = step.to;
                entered_ = false;
                continue;
        }
        step_++;
        entered_ = false;
    }
    return true;
}

}  // namespace field
