// SPDX-License-Identifier: BSD-2-Clause
// One honest connection: HTTP/1.1, plain or over TLS, or HTTP/2 over TLS. It sends its planned
// requests, reads the answers, and ends as planned.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "address.hpp"
#include "honest_plan.hpp"
#include "http2_frames.hpp"
#include "tls_stream.hpp"

namespace honest {

struct Tally {
    std::uint64_t opened = 0;
    std::uint64_t unused = 0;  // closed by plan without a request
    std::uint64_t requests = 0;
    std::uint64_t answers = 0;      // complete, with a status below 400
    std::uint64_t aborted = 0;      // by plan
    std::uint64_t refused = 0;      // connect() failed
    std::uint64_t cut = 0;          // the server ended before the answer was complete
    std::uint64_t timed_out = 0;    // the visitor lost patience
    std::uint64_t bad_answers = 0;  // a status of 400 and above, or not HTTP
    std::uint64_t ended_early = 0;  // the server closed between two requests
    std::uint64_t stayed_away = 0;  // the limit of open connections was reached
    std::uint64_t bytes = 0;        // received
    std::uint64_t bytes_sent = 0;   // of uploads
    std::uint64_t messages = 0;     // over WebSockets

    std::uint64_t errors() const { return refused + cut + timed_out + bad_answers; }
};

struct Target {
    std::string name;  // host:port
    Address address;
    SSL_CTX* tls = nullptr;  // not owned; nullptr: plain HTTP
    bool http2 = false;      // over TLS, and only for plans of GET requests
    std::string small_path;
    std::string large_path;
    std::string small_request;
    std::string large_request;
    std::string upload_request;
    std::string upgrade_request;  // to a WebSocket
};

class Connection {
  public:
    // Starts to connect. Throws std::system_error if no socket can be created.
    Connection(const Target& target, Plan plan, double patience_s, double now, Tally& tally);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Each returns false when the connection is over and is to be destroyed.
    bool on_ready(double now);
    bool on_due(double now);

    int fd() const { return fd_; }
    std::uint32_t wanted_events() const;
    // The time at which the caller calls on_due().
    double due() const { return due_; }

  private:
    enum class State {
        connecting,
        shaking_hands,  // TLS handshake
        pausing,
        uploading,
        reading,
        holding_back,
        talking,  // over a WebSocket
        last_pause,
        idle
    };

    bool shake_hands(double now);
    ssize_t transmit(const void* data, std::size_t size);
    ssize_t fetch(void* data, std::size_t size);
    bool begin(double now);
    bool next_request(double now);
    std::string http2_request() const;
    bool take_frames(const char* data, std::size_t size, double now);
    bool send_request(double now);
    bool upload_some(double now);
    bool send_message();
    double pace_interval_s() const;
    void wait_for_more(double now);
    void come_from(std::uint32_t source);
    bool read_some(double now);
    bool take(const char* data, std::size_t size, double now);
    bool parse_head();
    bool answered(double now);
    bool abort_if_planned();
    void reset_on_close();
    // Counts the end of the connection. Returns false, as on_ready() and on_due() do at the end.
    bool end_counted(std::uint64_t& counter);

    const Target& target_;
    Plan plan_;
    Tally& tally_;
    int fd_ = -1;
    std::unique_ptr<tls::Stream> stream_;  // nullptr: plain HTTP
    tls::Stream::Handshake handshake_ = tls::Stream::Handshake::reads;
    State state_ = State::connecting;
    double patience_s_;
    double due_;
    std::size_t sent_ = 0;  // number of requests
    std::string head_;      // of the answer, as far as it is received
    bool head_complete_ = false;
    bool refused_ = false;
    std::uint64_t body_left_ = 0;
    std::size_t upload_left_ = 0;
    std::uint64_t answer_bytes_ = 0;
    http2::Reader frames_;
};

}  // namespace honest
