// SPDX-License-Identifier: BSD-2-Clause
// Tests of the phase, split and age of a connection from sample to sample: edges by name, then
// properties.
#include "kernel/occupancy.h"

#include <cstdint>
#include <random>
#include <string>

#include "sampled_connection.hpp"
#include "tests/catch_compat.hpp"

using namespace sampled_connection;

TEST_CASE("an age is in the bucket of its power of two seconds", "[occupancy]") {
    struct Row {
        std::uint32_t age_ms, bucket;
    };
    const Row row = GENERATE(values<Row>({{0, 0},
                                          {1, 0},
                                          {999, 0},
                                          {1000, 1},
                                          {1999, 1},
                                          {2000, 2},
                                          {3999, 2},
                                          {4000, 3},
                                          {7999, 3},
                                          {8000, 4},
                                          {15'999, 4},
                                          {16'000, 5},
                                          {31'999, 5},
                                          {32'000, 6},
                                          {63'999, 6},
                                          {64'000, 6},
                                          {JSG_MAX_AGE_MS, 6},
                                          {u32_max, 6}}));
    CAPTURE(row.age_ms);
    CHECK(jsg_age_bucket(row.age_ms) == row.bucket);
}

TEST_CASE("an older connection is never in a younger bucket, and an unknown age is in the last",
          "[occupancy]") {
    for (std::uint32_t ms = 1; ms < 70'000; ++ms)
        REQUIRE(jsg_age_bucket(ms) >= jsg_age_bucket(ms - 1));
    CHECK(jsg_age_bucket(JSG_UNKNOWN_AGE_MS) == JSG_AGES - 1);
    CHECK(jsg_age_bucket(JSG_UNKNOWN_AGE_MS - 1) == JSG_AGES - 2);
}

TEST_CASE("outstanding bytes are undelivered, except the FIN in the states that have sent one",
          "[occupancy]") {
    struct Row {
        const char* name;
        std::uint32_t state;
        bool counts_fin;
    };
    const Row row = GENERATE(values<Row>({
        {"ESTABLISHED", JSG_TCP_ESTABLISHED, false},
        {"CLOSE_WAIT", JSG_TCP_CLOSE_WAIT, false},
        {"FIN_WAIT2", JSG_TCP_FIN_WAIT2, false},
        {"FIN_WAIT1", JSG_TCP_FIN_WAIT1, true},
        {"CLOSING", JSG_TCP_CLOSING, true},
        {"LAST_ACK", JSG_TCP_LAST_ACK, true},
    }));
    CAPTURE(row.name);
    jsg_tcp tcp{};
    tcp.state = row.state;
    for (const std::uint32_t una : {0U, 1000U, u32_max - 1, u32_max}) {
        CAPTURE(una);
        tcp.snd_una = una;
        tcp.write_seq = una;
        CHECK_FALSE(jsg_undelivered(&tcp));
        tcp.write_seq = una + 1;
        CHECK(jsg_undelivered(&tcp) == !row.counts_fin);
        tcp.write_seq = una + 2;
        CHECK(jsg_undelivered(&tcp));
        tcp.write_seq = una + 1'000'000;
        CHECK(jsg_undelivered(&tcp));
    }
}

TEST_CASE("a phase is the first row of the table of phases that fits", "[occupancy]") {
    enum : std::uint32_t { none = 0, one = 1, two = 2 };  // outstanding
    constexpr bool never = false, sent = true;
    constexpr bool no_more = false, more = true;
    struct Row {
        const char* name;
        std::uint32_t state, outstanding;
        bool sent, received_more;
        // The jiffies by which the client's last data is newer than the server's.
        std::int32_t client_later;
        std::uint32_t phase;
    };
    const Row row = GENERATE_COPY(values<Row>({
        // response before all others
        {"an answer under way", JSG_TCP_ESTABLISHED, one, sent, no_more, -1, JSG_RESPONSE_SLOW},
        {"an answer under way, and more was received", JSG_TCP_ESTABLISHED, one, sent, more, 1,
         JSG_RESPONSE_SLOW},
        {"the first byte ever under way", JSG_TCP_ESTABLISHED, one, never, no_more, 1,
         JSG_RESPONSE_SLOW},
        {"an answer under way to a client that has closed", JSG_TCP_CLOSE_WAIT, one, sent, no_more,
         1, JSG_RESPONSE_SLOW},
        {"a FIN behind an answer under way", JSG_TCP_FIN_WAIT1, two, sent, no_more, 1,
         JSG_RESPONSE_SLOW},
        {"the same, both closing at once", JSG_TCP_CLOSING, two, sent, no_more, 1,
         JSG_RESPONSE_SLOW},
        {"the same, the client first", JSG_TCP_LAST_ACK, two, sent, no_more, 1, JSG_RESPONSE_SLOW},
        // request before waiting
        {"nothing was ever sent or received", JSG_TCP_ESTABLISHED, none, never, no_more, 0,
         JSG_REQUEST_SLOW},
        {"a request before any answer", JSG_TCP_ESTABLISHED, none, never, more, 1,
         JSG_REQUEST_SLOW},
        {"more was received since the answer", JSG_TCP_ESTABLISHED, none, sent, more, 1,
         JSG_REQUEST_SLOW},
        {"more was received, in the same jiffy", JSG_TCP_ESTABLISHED, none, sent, more, 0,
         JSG_REQUEST_SLOW},
        // closing and half closed have their own states
        {"only the FIN is under way", JSG_TCP_FIN_WAIT1, one, sent, no_more, -1, JSG_CLOSING},
        {"nothing is under way in FIN_WAIT1", JSG_TCP_FIN_WAIT1, none, sent, more, 1, JSG_CLOSING},
        {"only the FIN is under way in CLOSING", JSG_TCP_CLOSING, one, sent, more, 1, JSG_CLOSING},
        {"only the FIN is under way in LAST_ACK", JSG_TCP_LAST_ACK, one, never, more, 1,
         JSG_CLOSING},
        {"the FIN has arrived", JSG_TCP_FIN_WAIT2, none, sent, no_more, -1, JSG_CLOSING},
        {"the FIN has arrived, nothing was ever sent", JSG_TCP_FIN_WAIT2, none, never, more, 1,
         JSG_CLOSING},
        {"the client has gone", JSG_TCP_CLOSE_WAIT, none, sent, no_more, -1, JSG_HALF_CLOSED},
        {"the client has gone before any answer", JSG_TCP_CLOSE_WAIT, none, never, more, 1,
         JSG_HALF_CLOSED},
        // waiting before idle
        {"the client's last data is newer", JSG_TCP_ESTABLISHED, none, sent, no_more, 1,
         JSG_WAITING},
        {"much newer", JSG_TCP_ESTABLISHED, none, sent, no_more, 1'000'000'000, JSG_WAITING},
        {"both in the same jiffy", JSG_TCP_ESTABLISHED, none, sent, no_more, 0, JSG_IDLE},
        {"our last data is newer", JSG_TCP_ESTABLISHED, none, sent, no_more, -1, JSG_IDLE},
        // states in which no connection is served
        {"SYN_RECV", JSG_TCP_SYN_RECV, none, never, no_more, 0, JSG_NO_PHASE},
        {"CLOSE", JSG_TCP_CLOSE, one, sent, more, 1, JSG_NO_PHASE},
        {"LISTEN", JSG_TCP_LISTEN, none, never, no_more, 0, JSG_NO_PHASE},
        {"SYN_SENT", JSG_TCP_SYN_SENT, one, never, no_more, 0, JSG_NO_PHASE},
        {"TIME_WAIT", JSG_TCP_TIME_WAIT, none, sent, more, 0, JSG_NO_PHASE},
        {"a state of later kernels", JSG_STATES, one, sent, more, 1, JSG_NO_PHASE},
    }));
    CAPTURE(row.name);
    for (const std::uint32_t jiffies : {1000U, u32_max, 0x80000000U}) {  // they wrap
        jsg_tcp tcp{};
        tcp.state = row.state;
        tcp.snd_una = 77;
        tcp.write_seq = 77 + row.outstanding;
        tcp.bytes_sent = row.sent ? 300 : 0;
        tcp.bytes_received = row.received_more ? 501 : 500;
        tcp.lsndtime = jiffies;
        tcp.lrcvtime = jiffies + static_cast<std::uint32_t>(row.client_later);
        CHECK(jsg_phase_of(&tcp, 500) == row.phase);
    }
}

TEST_CASE("bytes move a connection at the minimum rate, but not one byte below it", "[occupancy]") {
    struct Row {
        const char* name;
        std::uint32_t bytes, elapsed_ms, rate;
        bool moved;
    };
    const Row row = GENERATE(values<Row>({
        {"exactly the rate over a second", 512, 1000, 512, true},
        {"a byte below", 511, 1000, 512, false},
        {"nothing", 0, 1000, 512, false},
        {"exactly the rate over two seconds", 1024, 2000, 512, true},
        {"a byte below over two seconds", 1023, 2000, 512, false},
        {"a millisecond more than the bytes last", 512, 1001, 512, false},
        {"less than a second counts as one", 512, 999, 512, true},
        {"a byte below in half a second", 511, 500, 512, false},
        {"half the bytes in half a second are too few", 256, 500, 512, false},
        {"at once", 512, 0, 512, true},
        {"at once, a byte below", 511, 0, 512, false},
        {"no rate asked for: everything moves", 0, 1000, 0, true},
        {"one byte a second asked for", 1, 1000, 1, true},
        {"one byte a second asked for, none came", 0, 1000, 1, false},
        {"everything at its largest", u32_max, u32_max, u32_max, false},
        {"the largest bytes and rate over a second", u32_max, 1000, u32_max, true},
        {"the largest number of bytes over the longest time", u32_max, u32_max, 1000, true},
        {"the same, at a higher rate", u32_max, u32_max, 1001, false},
    }));
    CAPTURE(row.name);
    CHECK(static_cast<bool>(jsg_moved(row.bytes, row.elapsed_ms, row.rate)) == row.moved);
}

TEST_CASE("the first sample dates the phase from the start of the connection", "[occupancy]") {
    Connection c;
    const jsg_sample sample = c.after(3500);
    CHECK(sample.phase == JSG_REQUEST_SLOW);
    CHECK(sample.cell == cell(JSG_REQUEST_SLOW, jsg_age_bucket(3500)));
    CHECK_FALSE(sample.answered);
}

TEST_CASE("the first sample counts the bytes since the start, over at least a second",
          "[occupancy]") {
    const auto [bytes, elapsed_ms, phase] = GENERATE(
        table<std::uint32_t, std::uint32_t, std::uint32_t>({{512, 100, JSG_REQUEST_MOVING},
                                                            {511, 100, JSG_REQUEST_SLOW},
                                                            {1024, 2000, JSG_REQUEST_MOVING},
                                                            {1023, 2000, JSG_REQUEST_SLOW}}));
    CAPTURE(bytes, elapsed_ms);
    Connection c;
    c.receive(bytes);
    CHECK(c.after(elapsed_ms).phase == phase);
}

TEST_CASE("a new phase begins its age at the sample that finds it", "[occupancy]") {
    Connection c;
    CHECK(c.after(900).cell == cell(JSG_REQUEST_SLOW, 0));
    CHECK(c.after(1000).cell == cell(JSG_REQUEST_SLOW, 1));
    c.send(5000);
    CHECK(c.after(1000).cell == cell(JSG_RESPONSE_SLOW, 0));
    CHECK(c.after(999).cell == cell(JSG_RESPONSE_SLOW, 0));
    CHECK(c.after(1).cell == cell(JSG_RESPONSE_SLOW, 1));
    c.acknowledge(5000);
    CHECK(c.after(1000).phase == JSG_IDLE);
    c.receive(10);
    CHECK(c.after(60'000).cell == cell(JSG_REQUEST_SLOW, 0));
    c.tcp.state = JSG_TCP_CLOSE_WAIT;
    CHECK(c.after(1000).cell == cell(JSG_HALF_CLOSED, 0));
    c.tcp.state = JSG_TCP_LAST_ACK;
    ++c.tcp.write_seq;
    CHECK(c.after(1000).cell == cell(JSG_CLOSING, 0));
    CHECK(c.after(40'000).cell == cell(JSG_CLOSING, 6));
}

TEST_CASE("moving and slow have one age", "[occupancy]") {
    Connection c;
    CHECK(c.after(1000).cell == cell(JSG_REQUEST_SLOW, 1));
    c.receive(512);
    CHECK(c.after(1000).cell == cell(JSG_REQUEST_MOVING, 2));
    c.receive(511);
    CHECK(c.after(2000).cell == cell(JSG_REQUEST_SLOW, 3));
    c.send(100'000);
    CHECK(c.after(1000).cell == cell(JSG_RESPONSE_SLOW, 0));
    c.acknowledge(1024);
    CHECK(c.after(2000).cell == cell(JSG_RESPONSE_MOVING, 2));
    c.receive(100'000);  // only acknowledged bytes move a response
    CHECK(c.after(2000).cell == cell(JSG_RESPONSE_SLOW, 3));
}

TEST_CASE("a burst counts as moving for the time that it lasts at eight times the rate",
          "[occupancy]") {
    struct Row {
        const char* name;
        std::uint32_t bytes, first_ms, second_ms;
        std::uint32_t first, second;  // phases at two samples, at these times after the burst
    };
    const std::uint32_t moving = JSG_RESPONSE_MOVING, slow = JSG_RESPONSE_SLOW;
    const Row row = GENERATE_COPY(values<Row>({
        {"too small for a second", 4095, 1000, 1000, slow, slow},
        {"just enough for a second", 4096, 1000, 1000, moving, slow},
        {"just not enough for two", 8191, 1000, 1000, moving, slow},
        {"enough for two", 8192, 1000, 1000, moving, moving},
        {"one sample later than it lasts", 8192, 2001, 1000, slow, slow},
        {"a window of 32 KiB", 32768, 4000, 4000, moving, moving},
        {"it lasts for 8 s at most", 1 << 30, 8'000, 1000, moving, slow},
        {"and not for a millisecond more", 1 << 30, 8'001, 1000, slow, slow},
    }));
    CAPTURE(row.name);
    Connection c;
    c.send(3'000'000'000);
    for (int i = 0; i < 2; ++i) CHECK(c.after(1000).phase == slow);
    c.acknowledge(row.bytes);
    CHECK(c.after(1000).phase == moving);
    CHECK(c.after(row.first_ms).phase == row.first);
    CHECK(c.after(row.second_ms).phase == row.second);
}

TEST_CASE("bursts add up, but a silence uses up the rest", "[occupancy]") {
    Connection c;
    c.send(3'000'000'000);
    for (int i = 0; i < 2; ++i) CHECK(c.after(1000).phase == JSG_RESPONSE_SLOW);
    for (int i = 0; i < 3; ++i) {
        c.acknowledge(8192);  // 2 s each
        CHECK(c.after(1000).phase == JSG_RESPONSE_MOVING);
    }
    for (int i = 0; i < 4; ++i) CHECK(c.after(1000).phase == JSG_RESPONSE_MOVING);
    CHECK(c.after(1000).phase == JSG_RESPONSE_SLOW);
    c.acknowledge(100);
    CHECK(c.after(1000).phase == JSG_RESPONSE_SLOW);
}

TEST_CASE("a burst in one phase does not count in the next", "[occupancy]") {
    Connection c;
    for (int i = 0; i < 2; ++i) CHECK(c.after(1000).phase == JSG_REQUEST_SLOW);
    c.receive(100'000);
    CHECK(c.after(1000).phase == JSG_REQUEST_MOVING);
    c.send(100'000);
    CHECK(c.after(1000).phase == JSG_RESPONSE_SLOW);
    CHECK(c.after(1000).phase == JSG_RESPONSE_SLOW);
}

TEST_CASE(
    "bytes at the first two samples of a phase are no burst, because buffers fill by themselves",
    "[occupancy]") {
    const auto before_the_first = GENERATE(values<std::uint32_t>({0, 30'000, 100'000}));
    CAPTURE(before_the_first);
    const std::uint32_t after_it = 100'000 - before_the_first;
    const auto fills = [&](Connection& c, auto take, std::uint32_t moving, std::uint32_t slow) {
        take(c, before_the_first);
        CHECK(c.after(1000).phase == (before_the_first > 0 ? moving : slow));
        take(c, after_it);
        CHECK(c.after(1000).phase == (after_it > 0 ? moving : slow));
        CHECK(c.after(1000).phase == slow);
        take(c, 100'000);
        CHECK(c.after(1000).phase == moving);
        CHECK(c.after(8000).phase == moving);
    };
    Connection c;
    fills(
        c, [](Connection& to, std::uint32_t bytes) { to.receive(bytes); }, JSG_REQUEST_MOVING,
        JSG_REQUEST_SLOW);
    c.send(1'000'000);
    fills(
        c, [](Connection& to, std::uint32_t bytes) { to.acknowledge(bytes); }, JSG_RESPONSE_MOVING,
        JSG_RESPONSE_SLOW);
}

TEST_CASE("an answer is counted once, and the next request is measured from it", "[occupancy]") {
    Connection c;
    c.receive(100);
    c.answer();
    jsg_sample sample = c.after(1000);
    CHECK(sample.answered);
    CHECK(sample.phase == JSG_IDLE);
    sample = c.after(1000);
    CHECK_FALSE(sample.answered);
    CHECK(sample.phase == JSG_IDLE);
    c.receive(1);
    CHECK(c.after(1000).phase == JSG_REQUEST_SLOW);
    c.answer();
    sample = c.after(1000);
    CHECK(sample.answered);
    CHECK(sample.phase == JSG_IDLE);
}

TEST_CASE("bytes between an answer and the sample that finds it mean waiting, not request",
          "[occupancy]") {
    Connection c;
    c.answer();
    c.now += 20;
    c.receive(64);
    CHECK(c.after(500).phase == JSG_WAITING);
    CHECK(c.after(1000).cell == cell(JSG_WAITING, 1));
    c.receive(1);
    CHECK(c.after(1000).cell == cell(JSG_REQUEST_SLOW, 0));
}

TEST_CASE("idle connections and those not served are in no cell", "[occupancy]") {
    Connection c;
    c.answer();
    const jsg_sample idle = c.after(100);
    CHECK(idle.phase == JSG_IDLE);
    CHECK(idle.cell == JSG_NO_CELL);
    c.tcp.state = JSG_TCP_CLOSE;
    const jsg_sample closed = c.after(100);
    CHECK(closed.phase == JSG_NO_PHASE);
    CHECK(closed.cell == JSG_NO_CELL);
}

TEST_CASE("byte counters may pass 2^32", "[occupancy]") {
    Connection c;
    c.tcp.bytes_received = 0xffffff00;
    c.tcp.bytes_sent = c.tcp.bytes_acked = 0xffffff00;
    CHECK(c.after(1000).phase == JSG_IDLE);
    c.receive(512);
    CHECK(c.after(1000).phase == JSG_REQUEST_MOVING);
    c.receive(511);
    CHECK(c.after(1000).phase == JSG_REQUEST_SLOW);
    c.send(100'000);
    CHECK(c.after(1000).answered);
    c.acknowledge(512);
    CHECK(c.after(1000).phase == JSG_RESPONSE_MOVING);
    c.acknowledge(511);
    CHECK(c.after(1000).phase == JSG_RESPONSE_SLOW);
}

TEST_CASE("a count of sent bytes at a multiple of 2^32 is not taken for 0", "[occupancy]") {
    Connection c;
    c.tcp.bytes_sent = 1ULL << 32;
    c.began_before_detector();
    CHECK(c.after(1000).phase == JSG_IDLE);
}

TEST_CASE("the clock in ms may pass 2^32", "[occupancy]") {
    Connection c(u32_max - 1499);
    c.receive(512);
    CHECK(c.after(1000).cell == cell(JSG_REQUEST_MOVING, 1));
    c.receive(512);
    CHECK(c.after(1000).cell == cell(JSG_REQUEST_MOVING, 2));  // past the wrap
    CHECK(c.now == 500);
    CHECK(c.after(1000).cell == cell(JSG_REQUEST_SLOW, 2));
    CHECK(c.after(29'000).cell == cell(JSG_REQUEST_SLOW, 6));
}

TEST_CASE("an age beyond the range of the clock remains in the last bucket", "[occupancy]") {
    Connection c;
    constexpr std::uint32_t part = 1U << 29;  // an eighth of the range of the clock
    for (int i = 0; i < 20; ++i) REQUIRE(c.after(part).cell == cell(JSG_REQUEST_SLOW, 6));
    c.send(1);
    CHECK(c.after(1000).cell == cell(JSG_RESPONSE_SLOW, 0));
}

TEST_CASE("a socket of unknown age enters the cells after 32 s", "[occupancy]") {
    Connection c;
    c.began_before_detector();
    CHECK(c.after(1000).phase == JSG_REQUEST_SLOW);
    CHECK(c.after(0).cell == JSG_NO_CELL);
    CHECK(c.after(30'999).cell == JSG_NO_CELL);
    CHECK(c.after(1).cell == cell(JSG_REQUEST_SLOW, 6));
}

TEST_CASE("a socket of unknown age enters the cells when its phase changes", "[occupancy]") {
    Connection c;
    c.began_before_detector();
    CHECK(c.after(5000).cell == JSG_NO_CELL);
    c.send(5000);
    CHECK(c.after(1000).cell == cell(JSG_RESPONSE_SLOW, 0));
    CHECK(c.after(3000).cell == cell(JSG_RESPONSE_SLOW, 2));
}

TEST_CASE("the split of a socket of unknown age is no change of phase", "[occupancy]") {
    Connection c;
    c.began_before_detector();
    CHECK(c.after(1000).cell == JSG_NO_CELL);
    c.receive(5000);
    const jsg_sample sample = c.after(1000);
    CHECK(sample.phase == JSG_REQUEST_MOVING);
    CHECK(sample.cell == JSG_NO_CELL);
}

TEST_CASE("bytes from before the detector began are not new", "[occupancy]") {
    Connection c;
    c.receive(100'000);
    c.answer(100'000);
    c.began_before_detector();
    const jsg_sample idle = c.after(1000);
    CHECK_FALSE(idle.answered);
    CHECK(idle.phase == JSG_IDLE);

    Connection half;
    half.send(100'000);
    half.acknowledge(50'000);
    half.began_before_detector();
    CHECK(half.after(1000).phase == JSG_RESPONSE_SLOW);
}

TEST_CASE("a record that begins again keeps nothing of the earlier socket", "[occupancy]") {
    Connection c;
    c.began_before_detector();
    c.receive(1000);
    c.answer();
    c.after(50'000);
    const jsg_tcp fresh = Connection().tcp;
    jsg_begin_sampling(&c.last, &fresh, 0x2000, c.now, 0);
    Connection untouched(c.now);
    CHECK(c.last.sk == 0x2000);
    CHECK(c.last.born_ms == c.now);
    c.tcp = fresh;
    const jsg_sample again = c.after(2500), first = untouched.after(2500);
    CHECK(again.phase == first.phase);
    CHECK(again.cell == first.cell);
    CHECK(again.answered == first.answered);
}

TEST_CASE("any sample finds an existing phase and its one cell", "[occupancy]") {
    std::mt19937_64 random(4);
    Connection c;
    for (int i = 0; i < 200'000; ++i) {
        if (random() % 100 == 0) {
            c = Connection(static_cast<std::uint32_t>(random()));
            if (random() % 2) c.began_before_detector();
        }
        if (random() % 4 == 0) c.tcp.state = static_cast<std::uint32_t>(random() % JSG_STATES);
        if (random() % 3 == 0) c.receive(random() % 2000);
        if (random() % 3 == 0) c.send(static_cast<std::uint32_t>(random() % 2000));
        if (random() % 3 == 0) c.acknowledge(c.tcp.write_seq - c.tcp.snd_una);
        const std::uint32_t before = c.last.phase;
        const jsg_sample sample = c.after(static_cast<std::uint32_t>(random() % 5000));
        CAPTURE(i, sample.phase, sample.cell);
        REQUIRE(sample.phase < JSG_PHASES);
        if (sample.cell != JSG_NO_CELL) {
            REQUIRE(sample.cell < JSG_PHASE_CELLS);
            REQUIRE(sample.cell / JSG_AGES == sample.phase);
            REQUIRE((!c.last.age_unknown || sample.cell % JSG_AGES == JSG_AGES - 1));
        } else {
            REQUIRE((sample.phase >= JSG_CELL_PHASES || c.last.age_unknown));
        }
        if (before != JSG_PHASES && before != c.last.phase) REQUIRE(c.now == c.last.since_ms);
    }
}
