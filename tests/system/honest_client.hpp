// SPDX-License-Identifier: BSD-2-Clause
// One honest HTTP/1.1 connection: sends its planned requests, reads the answers, ends as planned.
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "honest_plan.hpp"

namespace honest {

struct Tally {
    std::uint64_t opened = 0;
    std::uint64_t requests = 0;
    std::uint64_t answers = 0;      // complete, with a status under 400
    std::uint64_t aborted = 0;      // by plan
    std::uint64_t refused = 0;      // connect() failed
    std::uint64_t cut = 0;          // the server ended before the answer was complete
    std::uint64_t timed_out = 0;    // the visitor lost patience
    std::uint64_t bad_answers = 0;  // a status of 400 and over, or no HTTP
    std::uint64_t ended_early = 0;  // the server closed between two requests
    std::uint64_t stayed_away = 0;  // at the limit of open connections
    std::uint64_t bytes = 0;

    std::uint64_t errors() const { return refused + cut + timed_out + bad_answers; }
};

struct Target {
    std::string name;  // host:port
    sockaddr_storage address = {};
    socklen_t address_size = 0;
    std::string small_request;
    std::string large_request;
};

class Connection {
  public:
    // Starts to connect. Throws std::system_error if there is no socket to be had.
    Connection(const Target& target, Plan plan, double patience_s, double now, Tally& tally);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Each returns false when the connection is over and is to be destroyed.
    bool on_ready(double now);
    bool on_due(double now);

    int fd() const { return fd_; }
    std::uint32_t wanted_events() const;
    // When on_due() is to be called.
    double due() const { return due_; }

  private:
    enum class State { connecting, pausing, reading, holding_back, last_pause, idle };

    bool next_request(double now);
    bool send_request(double now);
    bool read_some(double now);
    bool take(const char* data, std::size_t size, double now);
    bool parse_head();
    bool answered(double now);
    bool abort_if_planned();
    void reset_on_close();
    bool over(std::uint64_t& counter);

    const Target& target_;
    Plan plan_;
    Tally& tally_;
    int fd_ = -1;
    State state_ = State::connecting;
    double patience_s_;
    double due_;
    std::size_t sent_ = 0;  // requests
    std::string head_;      // of the answer, until it is complete
    bool head_complete_ = false;
    bool refused_ = false;
    std::uint64_t body_left_ = 0;
    std::uint64_t answer_bytes_ = 0;
};

}  // namespace honest
