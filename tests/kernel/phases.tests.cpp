// SPDX-License-Identifier: BSD-2-Clause
// Scripted connections, each on its own port, are found in the right phase and age bucket.
#include <algorithm>
#include <functional>
#include <set>

#include "common/cells.hpp"
#include "inconclusive.hpp"
#include "kernel/occupancy.h"
#include "testbed.hpp"
#include "tests/catch_compat.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);
constexpr double long_run_s = 40;  // until the oldest age bucket is reached
constexpr double short_run_s = 12;
constexpr double step_s = 1;
constexpr double jitter_s = 0.15;  // of the effect of an action

constexpr const char* request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

// From the time `from` on, in seconds since the connection was accepted, the socket is in one of
// these phases. There are several if the sizes of the kernel's buffers decide between moving and
// slow.
struct Segment {
    double from;
    std::set<int> phases;
};

// Both ends of one connection, and the actions on them with their times.
struct Ends {
    Socket client;
    Socket server;
};
struct Action {
    double at;
    std::function<void(Ends&)> act;
};

struct Script {
    const char* name;
    std::vector<Segment> expected;
    std::vector<Action> actions;  // in order of time
    int receive_buffer = 0;       // of the client
};

// The same action every `every` seconds.
std::vector<Action> repeated(double every, const std::function<void(Ends&)>& act) {
    std::vector<Action> actions;
    for (double at = every; at < long_run_s + 3; at += every) actions.push_back({at, act});
    return actions;
}

// The time at which a server that answers immediately has answered. A sample before that time finds
// an incomplete request.
constexpr double answered_at = 0.01;

constexpr std::size_t large = 16 << 20;
const std::set<int> stalled_request = {JSG_REQUEST_SLOW};
const std::set<int> a_response = {JSG_RESPONSE_MOVING, JSG_RESPONSE_SLOW};

std::vector<Script> scripts() {
    std::vector<Script> all;
    all.push_back({"never sends", {{0, stalled_request}}, {}});
    all.push_back({"half a request", {{0, stalled_request}}, {{0, [](Ends& e) {
                                                                   e.client.send("GET / HT");
                                                               }}}});
    all.push_back({"a request that trickles, 10 bytes every 4 s",
                   {{0, stalled_request}},
                   repeated(4, [](Ends& e) { e.client.send("X-a: bcd\r\n"); })});
    all.push_back({"one request and no answer",
                   {{0, stalled_request}},
                   {{0, [](Ends& e) { e.client.send(request); }}}});
    all.push_back(
        {"answered and idle",
         {{0, stalled_request}, {answered_at, {JSG_IDLE}}},
         {{0, [](Ends& e) { e.client.send(request); }},
          {answered_at, [](Ends& e) { e.server.send("HTTP/1.1 204 No Content\r\n\r\n"); }}}});
    all.push_back(
        {"answered, and half of a second request 2 s later",
         {{0, stalled_request}, {answered_at, {JSG_IDLE}}, {2, stalled_request}},
         {{0, [](Ends& e) { e.client.send(request); }},
          {answered_at, [](Ends& e) { e.server.send("HTTP/1.1 204 No Content\r\n\r\n"); }},
          {2, [](Ends& e) { e.client.send("GET / HT"); }}}});
    all.push_back({"does not read the answer",
                   {{0, stalled_request}, {answered_at, a_response}, {3, {JSG_RESPONSE_SLOW}}},
                   {{0, [](Ends& e) { e.client.send(request); }},
                    {answered_at, [](Ends& e) { e.server.send_bytes(large); }}}});
    all.push_back({"reads the answer at 20 kB/s",
                   {{0, stalled_request}, {0.1, a_response}, {3, {JSG_RESPONSE_MOVING}}},
                   repeated(0.1,
                            [](Ends& e) {
                                e.server.send_bytes(large);
                                e.client.receive_bytes(2000);
                            }),
                   2048});
    all.push_back({"reads the answer at 100 bytes/s",
                   {{0, stalled_request}, {0.05, a_response}},
                   repeated(0.05,
                            [](Ends& e) {
                                e.server.send_bytes(large);
                                e.client.receive_bytes(5);
                            }),
                   2048});
    all.push_back({"uploads at 10 kB/s",
                   {{0, {JSG_REQUEST_MOVING, JSG_REQUEST_SLOW}}, {2, {JSG_REQUEST_MOVING}}},
                   repeated(0.1, [](Ends& e) {
                       e.client.send_bytes(1000);
                       e.server.receive_bytes(1000);
                   })});
    all.push_back({"closed by the client, and the server does not close",
                   {{0, stalled_request}, {3, {JSG_HALF_CLOSED}}},
                   {{3, [](Ends& e) { e.client.close(); }}}});
    all.push_back(
        {"closed by the server, and the client does not close",
         {{0, stalled_request}, {answered_at, {JSG_IDLE}}, {3, {JSG_CLOSING}}},
         {{0, [](Ends& e) { e.client.send(request); }},
          {answered_at, [](Ends& e) { e.server.send("HTTP/1.1 204 No Content\r\n\r\n"); }},
          {3, [](Ends& e) { e.server.shut_down_sending(); }}}});
    all.push_back({"closed by the server with an answer that is not read",
                   {{0, stalled_request}, {answered_at, a_response}, {3, {JSG_RESPONSE_SLOW}}},
                   {{0, [](Ends& e) { e.client.send(request); }},
                    {answered_at, [](Ends& e) { e.server.send_bytes(large); }},
                    {5, [](Ends& e) { e.server.shut_down_sending(); }}}});
    all.push_back({"half closed by the client, which does not read the answer",
                   {{0, stalled_request}, {answered_at, a_response}, {3, {JSG_RESPONSE_SLOW}}},
                   {{0, [](Ends& e) { e.client.send(request); }},
                    {answered_at, [](Ends& e) { e.server.send_bytes(large); }},
                    {0.5, [](Ends& e) { e.client.shut_down_sending(); }}}});
    return all;
}

// The cell in which the samples of a step found the socket. -1: no cell (idle, or not there).
int found_cell(const jsg_reading& older, const jsg_reading& newer) {
    int cell = -1;
    for (int i = 0; i < JSG_PHASE_CELLS; ++i) {
        const auto samples = newer.occupancy[i] - older.occupancy[i];
        if (samples == 0) continue;
        REQUIRE(samples == 1);
        REQUIRE(cell == -1);
        cell = i;
    }
    return cell;
}

std::string name_of(int cell) {
    return cell < 0 ? "no cell" : jsguard::occupancy_name(static_cast<std::uint32_t>(cell));
}

// Times in seconds since the connection was accepted.
struct Step {
    double begin = 0, end = 0;
    double longest = step_s;  // of the steps so far
};

// How late an action was when it began, and when it was done.
struct Late {
    double begun = 0, done = 0;
};

// A segment begins as late as the last action before it.
struct ActualSegment {
    double earliest, latest;
    const std::set<int>* phases;
};

std::vector<ActualSegment> actual_segments(const Script& script, const std::vector<Late>& done) {
    std::vector<ActualSegment> all;
    for (const Segment& segment : script.expected) {
        Late late;
        for (std::size_t i = 0; i < done.size() && script.actions[i].at <= segment.from; ++i)
            late = done[i];
        all.push_back({segment.from + late.begun, segment.from + late.done, &segment.phases});
    }
    return all;
}

// Whether the cell is right for a sample at some time in the step. A new phase is noticed up to a
// step late, so the age may be up to a step too small.
bool fits(const Script& script, const std::vector<Late>& done, int cell, const Step& step) {
    const std::vector<ActualSegment> segments = actual_segments(script, done);
    const auto is_right = [&](std::size_t i, double at) {
        if (cell < 0) return segments[i].phases->contains(JSG_IDLE);
        if (!segments[i].phases->contains(cell / JSG_AGES)) return false;
        // A change between moving and slow does not restart the age. So such segments count as one.
        std::size_t first = i;
        while (first > 0 && segments[first - 1].phases->contains(*segments[first].phases->begin()))
            --first;
        const double youngest = at - segments[first].latest - step.longest - jitter_s;
        const double oldest = at - segments[first].earliest + jitter_s;
        for (double age = std::max(0.0, youngest); age <= oldest; age += 0.01) {
            if (cell % JSG_AGES == static_cast<int>(jsg_age_bucket(static_cast<__u32>(age * 1000))))
                return true;
        }
        return false;
    };
    for (double at = step.begin - jitter_s; at <= step.end + jitter_s; at += 0.01) {
        for (std::size_t i = 0; i < segments.size(); ++i) {
            const bool begun = segments[i].earliest <= at;
            const bool ended = i + 1 < segments.size() && segments[i + 1].latest <= at;
            if (begun && !ended && is_right(i, at)) return true;
        }
    }
    return false;
}

void check_scripted_connections(double run_s) {
    enter_namespace();
    const auto all = scripts();
    std::vector<std::uint16_t> ports;
    for (std::size_t i = 0; i < all.size(); ++i)
        ports.push_back(static_cast<std::uint16_t>(first_port + i));
    jsguard::Detector detector;
    detector.load(options_for(ports), {});
    detector.attach();
    detector.arm_clock();

    struct Running {
        Socket listener;
        Ends ends;
        double accepted_at = 0;
        std::vector<Late> done;       // of the actions that are done
        std::uint64_t next_step = 0;  // sequence
        Step step;
        int steps_seen = 0;
    };
    std::vector<Running> running;
    for (std::size_t i = 0; i < all.size(); ++i) {
        Running r;
        r.listener = listen_on(ports[i]);
        r.ends.client = connect_to(ports[i], Family::v4, 0, all[i].receive_buffer);
        r.accepted_at = now_s();
        r.ends.server = accept_from(r.listener);
        r.next_step = detector.reader().services()[i].sequence + 1;
        running.push_back(std::move(r));
    }

    const double start = now_s();
    while (now_s() < start + run_s + 2) {
        const auto services = detector.reader().services();
        for (std::size_t i = 0; i < all.size(); ++i) {
            Running& r = running[i];
            const Script& script = all[i];
            const auto since_accepted = [&] { return now_s() - r.accepted_at; };
            while (r.done.size() < script.actions.size() &&
                   since_accepted() >= script.actions[r.done.size()].at) {
                const Action& action = script.actions[r.done.size()];
                Late late;
                late.begun = since_accepted() - action.at;
                action.act(r.ends);
                late.done = since_accepted() - action.at;
                r.done.push_back(late);
            }

            const auto service_id = static_cast<std::uint32_t>(i + 1);
            for (; r.next_step <= services[i].sequence; ++r.next_step) {
                const auto record = window(detector, service_id, r.next_step);
                REQUIRE(record);
                // All samples of a step are between two service steps.
                r.step.begin = r.step.end;
                r.step.end = static_cast<double>(record->end_ns) * 1e-9 - r.accepted_at;
                r.step.longest = std::max(r.step.longest, r.step.end - r.step.begin);
                const int cell = found_cell(reading(detector, service_id, r.next_step - 1),
                                            reading(detector, service_id, r.next_step));
                const bool sampled = record->sockets == 1;
                // In the connection's first step, the tick may have passed its slot already.
                if (r.step.begin == 0 && !sampled) continue;
                INFO(script.name << ": found in " << name_of(cell) << " in the step from "
                                 << r.step.begin << " s to " << r.step.end
                                 << " s after the connection");
                CHECK(sampled);
                CHECK(fits(script, r.done, cell, r.step));
                CHECK(record->idle_sockets == (cell < 0 ? 1u : 0u));
                const int phase = cell / JSG_AGES;
                const bool open =
                    cell >= 0 && (phase == JSG_REQUEST_MOVING || phase == JSG_REQUEST_SLOW);
                CHECK(record->open_requests == (open ? 1u : 0u));
                ++r.steps_seen;
            }
        }
        pause_ms(2);
    }
    for (const Running& r : running) CHECK(r.steps_seen >= static_cast<int>(run_s));

    running.clear();
    CHECK(wait_until(10, [&] { return remembered(detector) == 0; }));
}

}  // namespace

TEST_CASE("scripted connections are found in their phase and age bucket for 12 s, to one step",
          "[phases][slow]") {
    check_scripted_connections(short_run_s);
}

TEST_CASE("scripted connections are found in their phase and age bucket for 40 s, to one step",
          "[phases][long]") {
    check_scripted_connections(long_run_s);
}

TEST_CASE("a client that sends together with the server's last bytes is waiting, not in a request",
          "[phases]") {
    enter_namespace();
    const std::uint16_t port = first_port + 30;
    constexpr int connections = 20;
    constexpr int max_tries = 20;
    constexpr double quick_s = 0.05;  // the samples find few of the connections in this time
    jsguard::Detector detector;
    detector.load(options_for({port}), {});
    detector.attach();
    detector.arm_clock();
    const Socket listener = listen_on(port);
    std::vector<Ends> ends;
    // As at the end of a TLS handshake: the server sends last, then the client, and then both are
    // silent. The 20 ms between the two are more than a jiffy. A sample may fall between them, and
    // then the connection is in a request. So that few are, the test repeats tries that took too
    // long.
    double took_s = 0;
    for (int tries = 0; tries < max_tries && (!tries || took_s > quick_s); ++tries) {
        ends.clear();
        for (int i = 0; i < connections; ++i) {
            Socket client = connect_to(port);
            ends.push_back({std::move(client), accept_from(listener)});
        }
        const double began = now_s();
        for (Ends& e : ends) e.server.send("server's last flight");
        pause_ms(20);
        for (Ends& e : ends) e.client.send("client's");
        took_s = now_s() - began;
    }
    if (took_s > quick_s)
        return be_inconclusive("in " + std::to_string(max_tries) + " tries it took more than " +
                               std::to_string(quick_s) +
                               " s to send two short texts on each connection");
    CHECK(wait_until(5, [&] {
        const auto last = last_window(detector, 1);
        return last && last->sockets == connections &&
               last->waiting_sockets + last->open_requests == connections &&
               last->waiting_sockets >= connections * 3 / 4;
    }));
    // The first bytes of a request move all waiting connections to a request.
    for (Ends& e : ends) e.client.send("GET / HT");
    CHECK(wait_until(5, [&] {
        const auto last = last_window(detector, 1);
        return last && last->open_requests == connections;
    }));
}

TEST_CASE("an answer that nobody reads is stalled 3 s later, whenever its buffers filled",
          "[phases][slow]") {
    enter_namespace();
    const std::uint16_t port = first_port + 31;
    constexpr int connections = 60;
    jsguard::Detector detector;
    detector.load(options_for({port}), {});
    detector.attach();
    detector.arm_clock();
    const Socket listener = listen_on(port);
    std::vector<Ends> ends;
    // A buffer takes about 40 ms to fill. The connections are spread over more than a second, so
    // some are sampled while their buffers fill.
    for (int i = 0; i < connections; ++i) {
        Socket client = connect_to(port);
        ends.push_back({std::move(client), accept_from(listener)});
        ends.back().server.send_bytes(large);
        pause_ms(20);
    }
    const std::uint64_t last = detector.reader().service(1).sequence;
    const std::uint64_t from = last + 1 + 3;
    const std::uint64_t to = from + 8;
    REQUIRE(wait_until(15, [&] { return detector.reader().service(1).sequence >= to; }));
    const auto older = reading(detector, 1, from);
    const auto newer = reading(detector, 1, to);
    std::uint64_t samples = 0, moving = 0;
    for (int cell = 0; cell < JSG_PHASE_CELLS; ++cell) {
        const auto found = newer.occupancy[cell] - older.occupancy[cell];
        samples += found;
        if (cell / JSG_AGES == JSG_RESPONSE_MOVING) moving += found;
    }
    CHECK(samples == (to - from) * connections);
    CHECK(moving == 0);
}
