// SPDX-License-Identifier: BSD-2-Clause
// Counters and sequence numbers pass 2^32 in the kernel, and every window is still exact.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <numeric>
#include <vector>

#include "tests/catch_compat.hpp"
#include "usual.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t port = own_port(0);
constexpr std::uint32_t service_id = 1;
constexpr std::uint64_t two_to_32 = std::uint64_t{1} << 32;
constexpr std::uint32_t short_of = 50;  // the counters begin this far below 2^32

template <typename Value>
void set_value(const bpf_map* map, std::uint32_t key, const Value& value) {
    REQUIRE(bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY) == 0);
}

}  // namespace

TEST_CASE("counters and sequence numbers that pass 2^32 leave every window exact", "[wrap]") {
    constexpr std::uint64_t first_sequence = two_to_32 - 2;
    constexpr int connections = 200, stalled = 30;
    Watched w(quick_options({port}));
    const auto& skeleton = w.detector.skeleton();
    // The state after a long time: on each CPU every counter is a little below 2^32. So are the
    // counts of the samples. The last readings have the same counts.
    const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
    std::vector<jsg_counters> rows(cpus);
    jsg_reading before{};
    for (int cell = 0; cell < JSG_TRANSITION_CELLS; ++cell) {
        for (jsg_counters& row : rows) row.transitions[cell] = 0 - short_of;
        before.transitions[cell] = 0 - static_cast<std::uint32_t>(cpus) * short_of;
    }
    REQUIRE(bpf_map_update_elem(bpf_map__fd(skeleton.maps.counters), &service_id, rows.data(),
                                BPF_ANY) == 0);
    for (int cell = 0; cell < JSG_PHASE_CELLS; ++cell)
        skeleton.bss->jsg_step_samples[service_id].occupancy[cell] = before.occupancy[cell] =
            0 - short_of;
    skeleton.bss->jsg_step_samples[service_id].answers = before.answers = 0 - 1U;
    const std::uint32_t kept = skeleton.rodata->jsg_config.readings_per_service;
    for (std::uint32_t ago = 0; ago < kept; ++ago)
        set_value(skeleton.maps.readings, jsg_reading_index(service_id, first_sequence - ago, kept),
                  before);
    jsg_service service = w.service(service_id);
    service.sequence = first_sequence;
    set_value(skeleton.maps.services, service_id, service);

    const Socket listener = listen_on(port);
    w.detector.arm_clock();
    const auto stalled_ends = connect_clients(listener, port, stalled);
    reset_clients(listener, port, connections);
    const auto sequence = [&] { return w.service(service_id).sequence; };
    REQUIRE(w.wait(15, [&] { return sequence() >= first_sequence + 6; }));

    // CLOSE->LISTEN, two for each stalled connection, three for each reset one.
    constexpr std::uint64_t all = 1 + 2 * stalled + 3 * connections;
    CHECK(w.detector.reader().stats().transitions == all);
    std::uint64_t steps_total = 0;
    for (std::uint64_t s = first_sequence + 1; s <= first_sequence + 5; ++s) {
        CAPTURE(s);
        const auto record = window(w.detector, service_id, s);
        REQUIRE(record);
        CHECK(record->sequence == s);
        CHECK(record->transitions <= all);
        const jsg_reading newer = reading(w.detector, service_id, s);
        const jsg_reading older = reading(w.detector, service_id, s - 1);
        std::uint32_t in_step = 0, in_cells = 0;
        for (int cell = 0; cell < JSG_TRANSITION_CELLS; ++cell)
            in_step += newer.transitions[cell] - older.transitions[cell];
        for (int cell = 0; cell < JSG_PHASE_CELLS; ++cell)
            in_cells += newer.occupancy[cell] - older.occupancy[cell];
        steps_total += in_step;
        // The first samples may come while the clients connect.
        if (s > first_sequence + 3) CHECK(in_cells == stalled);
        CHECK(record->exchanges <= connections + stalled);
    }
    CHECK(steps_total == all);
    CHECK(sequence() > two_to_32);
    // The counter of the resets did pass 2^32.
    const auto after = counted(w.detector, service_id);
    const auto resets = after.at({JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE});
    CHECK(static_cast<std::uint32_t>(resets) == connections - cpus * short_of);
    CHECK(resets <= (cpus - 1) * two_to_32 + connections);
}
