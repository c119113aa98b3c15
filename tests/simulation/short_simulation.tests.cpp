// SPDX-License-Identifier: BSD-2-Clause
// A short simulation of each mix: some quiet minutes, and then an attack.
#include <cstdint>
#include <vector>

#include "load/options.hpp"
#include "tests/catch_compat.hpp"
#include "tests/simulation/judges.hpp"
#include "tests/simulation/trial.hpp"
#include "tests/simulation/world.hpp"

using namespace simulation;

namespace {

constexpr std::uint32_t noon_s = day_s / 2, warm_s = 300, attack_at_s = warm_s + 300;

struct Raise {
    std::uint32_t at_s;
    __u32 signal;
};

// A service fills from noon on. Then a detector learns it for a minute and monitors it.
// connections: an attack that opens 10 connections a second.
std::vector<Raise> raises(const NamedMix& named, std::uint32_t connections) {
    const jsg_config config = jsguard::make_config(jsguard::Options{});
    std::vector<Raise> found;
    std::uint32_t second = 0;
    Judges judges(config, [&](const jsg_alert& alert) {
        if (alert.event == JSG_RAISE) found.push_back({second, alert.signal});
    });
    World world(config, [&](const jsg_window& record, const jsg_reading& counted) {
        if (second >= warm_s) judges.judge(1, {record, counted, {}, {}});
    });
    const Curve flat(300, std::vector<double>(288, 1));
    const Mix mix = named.make(flat);
    Arrivals arrivals(mix, 1);
    Random random(1, 1);
    judges.begin(1, World::port);
    for (std::uint32_t i = 0; i < connections; ++i)
        plan_slow_header(random, attack_s, world.open_at(attack_at_s * 1000 + i * 100, 2));
    for (; second < attack_at_s + attack_s; ++second) {
        arrivals.in_second(noon_s + second, [&](double s, auto fill) {
            fill(world.open_at(static_cast<std::uint64_t>((s - noon_s) * 1000), 1));
        });
        world.run_until((second + 1ULL) * 1000);
    }
    return found;
}

}  // namespace

TEST_CASE("A simulated service with steady visitors raises no alert, and an attack raises one",
          "[simulation]") {
    for (const NamedMix& named : all_mixes()) {
        CAPTURE(named.name);
        CHECK(raises(named, 0).empty());
        const std::vector<Raise> found = raises(named, 500);
        REQUIRE(found.size() == 1);
        CHECK(found[0].signal == JSG_OCCUPANCY);
        CHECK(found[0].at_s > attack_at_s);
        CHECK(found[0].at_s < attack_at_s + 60);
    }
}
