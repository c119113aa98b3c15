// SPDX-License-Identifier: BSD-2-Clause
// Tests of phases and ages when the clock in ms and the jiffies pass 2^32.
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "sampled_connection.hpp"
#include "tests/catch_compat.hpp"

using namespace sampled_connection;

TEST_CASE("a client silent for more than 2^31 jiffies, while the server sends, counts as waiting",
          "[occupancy]") {
    constexpr std::uint32_t half = 0x80000000;
    for (const std::uint32_t silent : {1000U, half - 1, half, half + 1, u32_max}) {
        CAPTURE(silent);
        Connection c;
        c.answer();
        c.tcp.lrcvtime = 7;
        c.tcp.lsndtime = 7 + silent;
        CHECK(c.after(1000).phase == (silent > half ? JSG_WAITING : JSG_IDLE));
    }
}

namespace {

// The samples of a connection with random events, which the seed decides. The connection begins at
// born_ms of the clock in ms, and at born_jiffies of the kernel's jiffies.
std::vector<jsg_sample> samples_of_life(unsigned seed, std::uint32_t born_ms,
                                        std::uint32_t born_jiffies, std::uint32_t& lived_ms) {
    std::mt19937 random(seed);
    Connection c(born_ms);
    c.tcp.lrcvtime = c.tcp.lsndtime = born_jiffies;
    std::vector<jsg_sample> samples;
    for (int i = 0; i < 40; ++i) {
        const std::uint32_t jiffies = born_jiffies + (c.now - born_ms) / 4;
        const auto what = random() % 5;
        if (what == 0 || what == 1) c.receive(random() % 4000);
        if (what == 0 || what == 1) c.tcp.lrcvtime = jiffies;
        if (what == 2 || what == 3) c.send(random() % 4000);
        if (what == 2 || what == 3) c.tcp.lsndtime = jiffies + what % 2;
        if (what == 3 || what == 4) c.acknowledge(c.tcp.write_seq - c.tcp.snd_una);
        samples.push_back(c.after(random() % 10 ? 1000 : random() % 20'000));
    }
    lived_ms = c.now - born_ms;
    return samples;
}

}  // namespace

TEST_CASE("samples do not depend on when a connection begins, although clock and jiffies wrap",
          "[occupancy]") {
    for (unsigned seed = 0; seed < 500; ++seed) {
        std::uint32_t lived_ms = 0, again_ms = 0;
        const auto samples = samples_of_life(seed, born, born / 4, lived_ms);
        std::mt19937 random(seed);
        // The clock wraps after 49.7 days, and jiffies of 4 ms after 199 days. Here each wraps
        // while the connection is open.
        const std::uint32_t until_wrap = random() % lived_ms;
        for (const auto& [born_ms, born_jiffies] :
             {std::pair{0 - until_wrap, 7U}, std::pair{born, 0 - until_wrap / 4},
              std::pair{0 - until_wrap, 0x80000000U - until_wrap / 4},
              std::pair{0x80000000U - until_wrap, 0 - until_wrap / 4}}) {
            CAPTURE(seed, born_ms, born_jiffies);
            const auto again = samples_of_life(seed, born_ms, born_jiffies, again_ms);
            REQUIRE(again_ms == lived_ms);
            for (std::size_t i = 0; i < samples.size(); ++i) {
                CAPTURE(i);
                REQUIRE(again[i].phase == samples[i].phase);
                REQUIRE(again[i].cell == samples[i].cell);
                REQUIRE(again[i].answered == samples[i].answered);
            }
        }
    }
}
