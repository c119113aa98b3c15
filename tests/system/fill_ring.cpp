// SPDX-License-Identifier: BSD-2-Clause
// fill-ring: fills the ring buffer of a running detector, and leaves room for a given number of
// alerts.
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdint>
#include <exception>

#include "program.hpp"
#include "tests/ring_filling.hpp"

int main(int argc, char** argv) {
    std::uint32_t map = 0;
    std::size_t alerts = 0;
    CLI::App app("Fills a detector's ring buffer with records that are not alerts.", "fill-ring");
    app.add_option("map", map, "ID of the ring buffer")->required();
    app.add_option("alerts", alerts, "Number of alerts that still fit afterwards")->required();
    if (const auto code = parse(app, argc, argv)) return *code;
    const int ring = bpf_map_get_fd_by_id(map);
    if (ring < 0) {
        fmt::print(stderr, "fill-ring: there is no map {}\n", map);
        return 1;
    }
    try {
        testbed::leave_room(ring, alerts);
        close(ring);
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "fill-ring: {}\n", error.what());
        return 1;
    }
}
