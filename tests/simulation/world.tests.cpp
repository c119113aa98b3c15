// SPDX-License-Identifier: BSD-2-Clause
// Tests of the simulated sockets: what the detector's own programs count of them, and sample.
#include "tests/simulation/world.hpp"

#include <array>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "load/options.hpp"
#include "tests/catch_compat.hpp"
#include "tests/simulation/judges.hpp"
#include "tests/simulation/trial.hpp"

using namespace simulation;

namespace {

struct Window {
    jsg_window record;
    jsg_reading counted;  // in its last step
};

// A world whose windows are kept.
struct Kept {
    std::vector<Window> windows;
    World world{jsguard::make_config(jsguard::Options{}),
                [this](const jsg_window& record, const jsg_reading& counted) {
                    windows.push_back({record, counted});
                }};

    std::uint64_t counted(__u32 from, __u32 to) const {
        std::uint64_t sum = 0;
        for (const Window& window : windows)
            sum += window.counted.transitions[jsg_transition_cell(from, to)];
        return sum;
    }
    // Samples that found a socket in this phase, at any age.
    std::uint64_t sampled(__u32 phase) const {
        std::uint64_t sum = 0;
        for (const Window& window : windows) {
            for (int age = 0; age < JSG_AGES; ++age)
                sum += window.counted.occupancy[phase * JSG_AGES + age];
        }
        return sum;
    }
    void run(double seconds) { world.run_until(static_cast<std::uint64_t>(seconds * 1000)); }
};

// Plays some minutes of a mix, and then waits until all connections have ended.
void play(Kept& kept, const NamedMix& named, std::uint64_t seed, std::uint32_t first_s,
          std::uint32_t seconds, double end_s) {
    const Curve curve = made_curve(seed, 1);
    const Mix mix = named.make(curve);
    Arrivals arrivals(mix, seed);
    for (std::uint32_t second = 0; second < seconds; ++second) {
        arrivals.in_second(first_s + second, [&](double s, auto fill) {
            fill(kept.world.open_at(static_cast<std::uint64_t>((s - first_s) * 1000), 1));
        });
        kept.run(second + 1);
    }
    kept.run(seconds + end_s);
}

bool equal(const std::vector<Window>& a, const std::vector<Window>& b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](const Window& x, const Window& y) {
               return std::memcmp(&x.record, &y.record, sizeof(x.record)) == 0 &&
                      std::memcmp(&x.counted, &y.counted, sizeof(x.counted)) == 0;
           });
}

}  // namespace

TEST_CASE("Simulated connections are sampled in the phases of their plan", "[simulation]") {
    constexpr std::uint64_t connections = 40;  // in many groups of slots
    Kept kept;
    for (std::uint64_t i = 0; i < connections; ++i) {
        kept.world.open_at(10 * i, 1)
            .wait(10)                                 // request slow: nothing has come
            .request(20'000, 10)                      // request moving
            .work(10)                                 // request slow
            .stalled_answer(10'000'000, 20, 0.5, 15)  // moving, slow in between, moving
            .wait(30)                                 // idle
            .request(100)                             // a second request
            .client_half_closes()
            .work(8)                 // half closed
            .answer(1'000'000, 6)    // moving
            .server_closes_last(2);  // closing
    }
    kept.run(140);
    CHECK(kept.world.ended() == connections);
    const auto is_near = [](std::uint64_t found, std::uint64_t seconds) {
        // A sample may find the phase of the moment before, and bytes count for a while longer.
        return found + 2 * connections >= seconds * connections &&
               found <= (seconds + 2) * connections;
    };
    CHECK(is_near(kept.sampled(JSG_REQUEST_SLOW), 20));
    CHECK(is_near(kept.sampled(JSG_REQUEST_MOVING), 10));
    CHECK(kept.sampled(JSG_RESPONSE_MOVING) >= 26 * connections);
    CHECK(kept.sampled(JSG_RESPONSE_SLOW) >= 6 * connections);  // after the bytes' 8 s of grace
    CHECK(is_near(kept.sampled(JSG_RESPONSE_MOVING) + kept.sampled(JSG_RESPONSE_SLOW), 41));
    CHECK(is_near(kept.sampled(JSG_HALF_CLOSED), 8));
    CHECK(is_near(kept.sampled(JSG_CLOSING), 2));
    CHECK(kept.sampled(JSG_WAITING) == 0);
    std::uint64_t idle = 0;
    for (const Window& window : kept.windows) idle += window.record.idle_sockets;
    CHECK(is_near(idle, 30));
}

TEST_CASE("A connection shorter than a sample is counted and not sampled", "[simulation]") {
    Kept kept;
    // Between the samples of one slot there is a second. Connections of 3 ms are rarely sampled.
    for (std::uint64_t i = 0; i < 1000; ++i)
        kept.world.open_at(10 * i, 1).request(100).answer(1000, 0.002).client_closes(0.001);
    kept.run(12);
    CHECK(kept.world.ended() == 1000);
    CHECK(kept.counted(JSG_TCP_LISTEN, JSG_TCP_SYN_RECV) == 1000);
    CHECK(kept.counted(JSG_TCP_LAST_ACK, JSG_TCP_CLOSE) == 1000);
    std::uint64_t sampled = 0;
    for (__u32 phase = 0; phase < JSG_CELL_PHASES; ++phase) sampled += kept.sampled(phase);
    CHECK(sampled < 30);
}

TEST_CASE("The detector counts each transition of each simulated connection once", "[simulation]") {
    for (const NamedMix& named : all_mixes()) {
        CAPTURE(named.name);
        Kept kept;
        play(kept, named, 4, 9 * 3600, 60, 1200);
        const World& world = kept.world;
        REQUIRE(world.opened() > 500);
        CHECK(world.ended() == world.opened());
        CHECK(world.losses().sockets_untracked == 0);
        CHECK(world.losses().transitions_late == 0);
        CHECK(world.losses().unknown_states == 0);
        // The listener's own transition came before the port had a service.
        for (__u32 from = 0; from < JSG_STATES; ++from) {
            for (__u32 to = 0; to < JSG_STATES; ++to) {
                CAPTURE(from, to);
                if (to != JSG_TCP_LISTEN)
                    REQUIRE(kept.counted(from, to) ==
                            world.transitions().at(jsg_transition_cell(from, to)));
            }
        }
        // Each connection enters and leaves each state equally often.
        for (const __u32 state : {JSG_TCP_ESTABLISHED, JSG_TCP_SYN_RECV, JSG_TCP_FIN_WAIT1,
                                  JSG_TCP_FIN_WAIT2, JSG_TCP_CLOSE_WAIT, JSG_TCP_LAST_ACK}) {
            std::uint64_t entered = 0, left = 0;
            for (__u32 other = 0; other < JSG_STATES; ++other) {
                entered += kept.counted(other, state);
                left += kept.counted(state, other);
            }
            CAPTURE(state);
            CHECK(entered == left);
        }
        CHECK(kept.counted(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED) == world.opened());
        CHECK(kept.windows.back().record.sockets == 0);
    }
}

TEST_CASE("The same seed gives the same windows, and another seed gives others", "[simulation]") {
    const auto windows = [](std::uint64_t seed) {
        Kept kept;
        play(kept, all_mixes().front(), seed, 12 * 3600, 150, 0);
        return kept.windows;
    };
    const std::vector<Window> first = windows(1), other = windows(2);
    CHECK(first.size() == 149);  // the first tick comes before the port has a service
    CHECK(equal(first, windows(1)));
    CHECK_FALSE(equal(first, other));
}

TEST_CASE("A judge finds in a detector's counts what that detector finds", "[simulation]") {
    Kept kept;
    for (int i = 0; i < 150; ++i) {
        Random random(6, static_cast<std::uint64_t>(i));
        plan_slow_header(random, 60, kept.world.open_at(90'000 + i * 100, 7));
    }
    play(kept, all_mixes().front(), 3, 12 * 3600, 200, 0);
    std::uint32_t raised = 0;
    Judges judges(jsguard::make_config(jsguard::Options{}),
                  [&](const jsg_alert& alert) { raised += alert.event == JSG_RAISE; });
    judges.begin(1, World::port);
    for (const Window& window : kept.windows) {
        CAPTURE(window.record.sequence);
        const jsg_window& judged = judges.judge(1, {window.record, window.counted, {}, {}});
        REQUIRE(std::memcmp(&judged, &window.record, sizeof(judged)) == 0);
    }
    CHECK(raised == 1);
    CHECK(kept.world.losses().alerts == raised);
}
