// SPDX-License-Identifier: BSD-2-Clause
// One connection of the field lab. It follows a script: it sends, waits, pauses and ends, over TCP,
// MPTCP or TLS.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "address.hpp"
#include "tls_stream.hpp"
#include "visits.hpp"

namespace field {

enum class Action {
    send,        // the text
    filler,      // between min and max bytes
    await,       // waits until the text is received, at most max seconds (0: no limit); an empty
                 // text stands for any byte
    pause,       // between min and max seconds
    think,       // as long as a visitor thinks between two requests
    half_close,  // no more bytes come from this side
    close,
    reset,
    again,  // goes on with the step number `to`
    more,   // the same while the lifetime lasts; then it takes the next step
};

struct Step {
    Action action;
    std::string text = {};
    double min = 0;
    double max = 0;
    std::size_t to = 0;
};

// How the connection reads.
enum class Reading { all, paced, nothing };

// Ready to use from the first step on. After the last step the connection stays open.
struct Script {
    std::vector<Step> steps = {};
    Reading reading = Reading::all;
    std::size_t read_bytes = 0;  // of a paced reader, each time
    double read_every_s = 1;
    int receive_buffer = 0;    // bytes; 0: the kernel's
    int max_segment = 0;       // bytes; 0: the kernel's
    double hold_s = 0;         // it ends this long after it was established; 0: never
    bool long_tailed = false;  // it has the lifetime of a visitor, with a long tail
    bool resets = false;       // ends with a reset
    bool server_ends = false;  // the server closes after the last step
    bool ignores_end = false;  // stays open when the server has closed its side
    bool fast_open = false;    // the first step is in the SYN
};

struct Tally {
    std::uint64_t opened = 0;
    std::uint64_t established = 0;
    std::uint64_t failed = 0;     // connect() or the TLS handshake
    std::uint64_t cut = 0;        // the server ended the connection
    std::uint64_t timed_out = 0;  // an awaited text did not come
    std::uint64_t ended = 0;      // by the script
    std::uint64_t unused = 0;     // opened by a visitor who never uses it
    std::uint64_t rounds = 0;     // times that `again` or `more` went back
    std::uint64_t sent = 0;       // bytes
    std::uint64_t received = 0;   // bytes
    std::string failure;          // the last one
};

struct Target {
    Address address;
    int protocol = 0;        // of socket(); 0: TCP
    SSL_CTX* tls = nullptr;  // not owned; nullptr: plain
};

class Connection {
  public:
    // Throws std::system_error if no socket can be created.
    Connection(const Target& target, Script script, unsigned seed, double now, Tally& tally);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // As ConnectionLoop needs them.
    int fd() const { return fd_; }
    std::uint32_t wanted_events() const;
    double due() const;
    bool on_ready(double now);
    bool on_due(double now);

  private:
    enum class State { connecting, shaking_hands, running };

    void start(const Target& target);
    bool established(double now);
    bool run(double now);
    bool flush();
    bool receive();
    ssize_t fetch(void* data, std::size_t size);
    bool found_awaited();
    double between(double min, double max);
    double draw_lifetime_s();
    bool over(std::uint64_t& counter);

    const Target& target_;
    Script script_;
    Tally& tally_;
    std::mt19937 random_;
    visits::ThinkTime think_;
    int fd_ = -1;
    std::unique_ptr<tls::Stream> stream_;
    tls::Stream::Handshake handshake_ = tls::Stream::Handshake::reads;
    State state_ = State::connecting;
    std::size_t step_ = 0;
    bool refused_ = false;  // connect() failed
    bool entered_ = false;  // the step has begun
    std::string out_;       // not yet sent
    std::string in_;        // received since the last awaited text
    double step_due_;
    double read_due_;
    double end_due_;
    double lifetime_end_ = 0;  // of a visitor
    bool server_ended_ = false;
};

}  // namespace field
