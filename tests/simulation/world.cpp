// SPDX-License-Identifier: BSD-2-Clause
// One server with its connections, which the detector's own programs sample and judge.
#include "tests/simulation/world.hpp"

#include <stdexcept>
#include <utility>

namespace simulation {
namespace {

constexpr std::uint64_t ns_in_ms = 1'000'000, ms_in_jiffy = 4;
// The simulated clock is not 0 at the beginning, because 0 means "not yet" to the detector.
constexpr std::uint64_t start_ms = 1'000'000;
constexpr std::uint32_t first_sequence_number = 0xffff0000;  // it wraps early

// How many bytes are ahead of the client's acknowledgements: in flight, and in the send buffer too.
constexpr std::uint64_t in_flight = 64 * 1024, buffered = 256 * 1024;

bool is_up = false;

std::uint32_t jiffies(std::uint64_t ms) {
    return static_cast<std::uint32_t>((start_ms + ms) / ms_in_jiffy);
}

// The bytes of a stage that are done at a time.
std::uint64_t bytes_done(const Stage& stage, std::uint64_t elapsed_ms) {
    if (elapsed_ms >= stage.ms) return stage.bytes;
    return std::uint64_t{stage.bytes} * elapsed_ms / stage.ms;
}

// What the stage has changed so far.
void apply(jsg_tcp& tcp, const jsg_tcp& at_begin, const Stage& stage, std::uint64_t elapsed_ms,
           std::uint64_t now_ms) {
    const std::uint64_t done = bytes_done(stage, elapsed_ms);
    if (stage.act == Act::receive) {
        const std::uint64_t received = at_begin.bytes_received + done;
        if (received != tcp.bytes_received) tcp.lrcvtime = jiffies(now_ms);
        tcp.bytes_received = received;
    } else if (stage.act == Act::send) {
        const std::uint64_t acked = at_begin.bytes_acked,
                            all = std::uint64_t{stage.bytes} + stage.more;
        const std::uint64_t sent = acked + std::min(all, done + in_flight);
        if (sent != tcp.bytes_sent) tcp.lsndtime = jiffies(now_ms);
        tcp.bytes_sent = sent;
        tcp.bytes_acked = acked + done;
        tcp.snd_una = static_cast<std::uint32_t>(first_sequence_number + tcp.bytes_acked);
        tcp.write_seq = static_cast<std::uint32_t>(first_sequence_number + acked +
                                                   std::min(all, done + buffered));
    }
}

}  // namespace

jsg_reading difference(const jsg_reading& newer, const jsg_reading& older) {
    jsg_reading counted = newer;
    for (std::size_t i = 0; i < std::size(counted.transitions); ++i)
        counted.transitions[i] -= older.transitions[i];
    for (std::size_t i = 0; i < std::size(counted.occupancy); ++i)
        counted.occupancy[i] -= older.occupancy[i];
    counted.answers -= older.answers;
    counted.full_queue_steps -= older.full_queue_steps;
    return counted;
}

World::World(const jsg_config& config, OnWindow on_window) : on_window_(std::move(on_window)) {
    if (is_up) throw std::logic_error("a second world in one process");
    jsg_config own = config;
    own.monitor_listeners = 1;
    const simulated_hooks hooks{
        .context = this,
        .update =
            [](void* context, std::uint32_t owner) {
                World& world = *static_cast<World*>(context);
                Connection& connection = world.connections_[owner];
                const std::uint64_t now = world.now_ms();
                apply(connection.tcp, connection.at_begin,
                      connection.plan.stages()[connection.next - 1], now - connection.began_ms,
                      now);
                simulated_socket_write(connection.socket, &connection.tcp);
            },
        .window =
            [](void* context, std::uint32_t, const jsg_window* record, const jsg_reading* reading) {
                static_cast<World*>(context)->take_window(*record, *reading);
            },
    };
    if (simulated_detector_begin(&own, &hooks, start_ms * ns_in_ms) != 0)
        throw std::runtime_error("cannot simulate: the memory of the sockets is not free");
    is_up = true;
    simulated_socket_listen(simulated_socket_open(0, port, 0));
    ++transitions_.at(jsg_transition_cell(JSG_TCP_CLOSE, JSG_TCP_LISTEN));
}

World::~World() { is_up = false; }

std::uint64_t World::now_ms() const { return simulated_detector_now_ns() / ns_in_ms - start_ms; }

Plan& World::open_at(std::uint64_t ms, std::uint32_t peer) {
    if (ms < now_ms()) throw std::logic_error("a connection in the past");
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(connections_.size()));
        connections_.emplace_back();
    }
    const std::uint32_t number = free_.back();
    free_.pop_back();
    Connection& connection = connections_[number];
    connection.plan.clear();
    connection.next = 0;
    connection.peer = peer;
    connection.socket = nullptr;
    schedule(ms, number);
    return connection.plan;
}

void World::schedule(std::uint64_t ms, std::uint32_t connection) {
    events_.push({ms, order_++, connection});
}

void World::run_until(std::uint64_t ms) {
    while (!events_.empty() && events_.top().ms < ms) {
        const Event event = events_.top();
        events_.pop();
        simulated_detector_run((start_ms + event.ms) * ns_in_ms);
        advance(event.connection, event.ms);
    }
    simulated_detector_run((start_ms + ms) * ns_in_ms - 1);
}

void World::enter(Connection& connection, std::uint32_t state) {
    ++transitions_.at(jsg_transition_cell(connection.tcp.state, state));
    simulated_socket_enter(connection.socket, state);
    connection.tcp.state = state;
}

void World::accept(std::uint32_t number) {
    Connection& connection = connections_[number];
    if (!connection.plan.is_complete()) throw std::logic_error("a plan without an end");
    connection.socket = simulated_socket_open(number, port, connection.peer);
    if (!connection.socket) throw std::runtime_error("too many connections at the same time");
    connection.tcp = {};
    connection.tcp.state = JSG_TCP_LISTEN;
    connection.tcp.write_seq = connection.tcp.snd_una = first_sequence_number;
    ++opened_;
    // The kernel makes the socket when the handshake is complete, so it makes both changes at once.
    enter(connection, JSG_TCP_SYN_RECV);
    simulated_socket_write(connection.socket, &connection.tcp);
    enter(connection, JSG_TCP_ESTABLISHED);
}

void World::advance(std::uint32_t number, std::uint64_t now_ms) {
    Connection& connection = connections_[number];
    if (!connection.socket)
        accept(number);
    else
        end_stage(connection, now_ms);
    while (connection.next < connection.plan.stages().size()) {
        const Stage& stage = connection.plan.stages()[connection.next++];
        begin_stage(connection, stage, now_ms);
        if (stage.ms) {
            schedule(now_ms + stage.ms, number);
            return;
        }
        end_stage(connection, now_ms);
    }
    close(number);
}

void World::begin_stage(Connection& connection, const Stage& stage, std::uint64_t now_ms) {
    jsg_tcp& tcp = connection.tcp;
    connection.began_ms = now_ms;
    if (stage.act == Act::enter) {
        // The server's FIN takes a sequence number. The client has acknowledged it in the states
        // after these.
        const bool sends_fin = stage.state == JSG_TCP_FIN_WAIT1 || stage.state == JSG_TCP_LAST_ACK;
        enter(connection, stage.state);
        if (sends_fin)
            ++tcp.write_seq;
        else if (stage.state != JSG_TCP_CLOSE_WAIT)
            tcp.snd_una = tcp.write_seq;
    }
    connection.at_begin = tcp;
    apply(tcp, connection.at_begin, stage, 0, now_ms);
    simulated_socket_write(connection.socket, &tcp);
    simulated_socket_watch(connection.socket,
                           stage.ms && (stage.act == Act::receive || stage.act == Act::send));
}

void World::end_stage(Connection& connection, std::uint64_t now_ms) {
    const Stage& stage = connection.plan.stages()[connection.next - 1];
    if (stage.act != Act::receive && stage.act != Act::send) return;
    apply(connection.tcp, connection.at_begin, stage, stage.ms, now_ms);
    simulated_socket_write(connection.socket, &connection.tcp);
    simulated_socket_watch(connection.socket, 0);
}

void World::close(std::uint32_t number) {
    simulated_socket_destroy(connections_[number].socket);
    connections_[number].socket = nullptr;
    free_.push_back(number);
    ++ended_;
}

void World::take_window(const jsg_window& record, const jsg_reading& reading) {
    const jsg_reading counted = difference(reading, last_);
    last_ = reading;
    on_window_(record, counted);
}

}  // namespace simulation
