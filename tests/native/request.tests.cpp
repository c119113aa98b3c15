// SPDX-License-Identifier: BSD-2-Clause
// Tests of what identifies a detector: the hash of its options, and its instance.
#include "load/request.hpp"

#include <ctime>
#include <functional>
#include <set>
#include <vector>

#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

std::uint64_t hash_with(const std::function<void(Options&)>& change) {
    Options options;
    change(options);
    return options_hash(make_config(options), options);
}

}  // namespace

TEST_CASE("different requests to a detector have different hashes", "[request]") {
    const auto plain = hash_with([](Options&) {});
    std::set<std::uint64_t> different = {plain};
    const std::vector<std::function<void(Options&)>> requests = {
        [](Options& o) { o.ports = {80}; },
        [](Options& o) { o.ports = {81}; },
        [](Options& o) {
            o.ports = {80, 81};
        },
        [](Options& o) { o.excluded_ports = {80}; },
        [](Options& o) { o.ports = {80}, o.excluded_ports = {81}; },
        [](Options& o) { o.occupancy_threshold_nanobits = 200'000'000; },
        [](Options& o) { o.learn_s = 61; },
        [](Options& o) { o.window_s = 20; },
        [](Options& o) { o.confirm_windows = 4; }};
    for (const auto& request : requests) CHECK(different.insert(hash_with(request)).second);
    CHECK(different.size() == requests.size() + 1);
}

TEST_CASE("given baselines are part of the request, kept baselines are not", "[request]") {
    jsg_baseline baseline{};
    baseline.learned_s = 60;
    Options options;
    const auto hash = [&](const Baselines& given) {
        return options_hash(make_config(options), options, given);
    };
    const auto none = hash({}), one = hash({{80, baseline}});
    CHECK(one != none);
    CHECK(hash({{81, baseline}}) != one);
    baseline.learned_s = 61;
    CHECK(hash({{80, baseline}}) != one);
    options.kept_baseline_file = "kept.json";
    CHECK(hash({{80, baseline}}) == hash({}));
}

TEST_CASE("options for the output of alerts do not change the request", "[request]") {
    CHECK(hash_with([](Options& o) {
              o.json = o.syslog = o.verbose = o.timestamp = o.persist = true;
              o.pin_dir = "/x";
              o.save_baseline_file = "b.json";
              o.duration_s = 5;
          }) == hash_with([](Options&) {}));
    jsg_config config = make_config({});
    const auto plain = options_hash(config, {});
    config.instance = 1;
    config.program_hash = 2;
    config.options_hash = 3;
    CHECK(options_hash(config, {}) == plain);
}

// The values are the test vectors of its authors (draft-eastlake-fnv).
TEST_CASE("the hash is FNV-1a of 64 bits", "[request]") {
    CHECK(hash_of("") == 0xcbf29ce484222325);
    CHECK(hash_of("a") == 0xaf63dc4c8601ec8c);
    CHECK(hash_of("foobar") == 0x85944171f73967e8);
}

TEST_CASE("an instance contains its second, and hardly ever repeats", "[request]") {
    const auto before = static_cast<std::uint64_t>(std::time(nullptr));
    const std::uint64_t instance = new_instance();
    CHECK(instance >> 16 >= before);
    CHECK(instance >> 16 <= before + 2);
    std::set<std::uint64_t> some;
    for (int i = 0; i < 64; ++i) some.insert(new_instance());
    CHECK(some.size() > 48);
}
