// SPDX-License-Identifier: BSD-2-Clause
// The transitions that the detector counts are those that a kprobe on tcp_set_state sees, cell by
// cell, but for the two that the kernel does not make by that function.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <thread>

#include "load/skeleton.hpp"
#include "tests/catch_compat.hpp"
#include "tests/kernel/scripted.hpp"
#include "tests/kernel/testbed.hpp"

// In a block of its own: it needs the types above.
#include "state_kprobe.h"
#include "state_kprobe_bpf.skel.h"

using namespace testbed;

namespace {

constexpr std::uint16_t port_v4 = 17191;
constexpr std::uint16_t port_v6 = 17192;
constexpr std::uint16_t nobody = 17193;
constexpr int each = 50;  // connections of each ending

struct Destroy {
    void operator()(state_kprobe_bpf* skeleton) const { state_kprobe_bpf::destroy(skeleton); }
};
using Kprobe = std::unique_ptr<state_kprobe_bpf, Destroy>;

Kprobe attach_kprobe() {
    Kprobe kprobe{state_kprobe_bpf::open()};
    REQUIRE(kprobe);
    kprobe->rodata->ports[0] = port_v4;
    kprobe->rodata->ports[1] = port_v6;
    REQUIRE(state_kprobe_bpf::load(kprobe.get()) == 0);
    REQUIRE(state_kprobe_bpf::attach(kprobe.get()) == 0);
    return kprobe;
}

Transitions seen_by(const Kprobe& kprobe, int service_id) {
    Transitions seen;
    for (int cell = 0; cell < JSG_TRANSITION_CELLS; ++cell) {
        if (const auto count = kprobe->bss->seen[service_id][cell])
            seen[{cell / JSG_STATES, cell % JSG_STATES}] = count;
    }
    return seen;
}

// Runs that the kernel skipped because another kprobe's program ran on that CPU.
std::uint64_t missed_by(const Kprobe& kprobe) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    REQUIRE(bpf_obj_get_info_by_fd(bpf_program__fd(kprobe->progs.see_state), &info, &size) == 0);
    return info.recursion_misses;
}

// Those that a kprobe on tcp_set_state sees too: a child and a listener get their first state by
// other functions.
Transitions by_tcp_set_state(Transitions counted) {
    std::erase_if(counted, [](const auto& entry) {
        const int new_state = entry.first.second;
        return new_state == JSG_TCP_SYN_RECV || new_state == JSG_TCP_LISTEN;
    });
    return counted;
}

void run_script(std::uint16_t port, Family family) {
    Socket listener = listen_on(port, family);
    const int connections = each * static_cast<int>(endings.size());
    std::thread server([&] { run_server(listener, connections); });
    for (int i = 0; i < connections; ++i)
        run_client(port, family, endings[static_cast<std::size_t>(i) % endings.size()]);
    server.join();

    // A server that only shuts down first, and closes later.
    Socket client = connect_to(port, family);
    Socket accepted = accept_from(listener);
    accepted.shut_down_sending();
    client.wait_for_end();
    accepted.close();
    client.close();

    // Never accepted, and reset when the listener goes.
    const Socket waiting = connect_to(port, family);
    listener.close();

    // Opened from the monitored port, to one that answers and to one that does not.
    const Socket elsewhere = listen_on(nobody, family);
    const Socket active = connect_to(nobody, family, port);
    CHECK_THROWS(connect_to(nobody + 1, family, port));
}

}  // namespace

TEST_CASE(
    "what the detector counts is what a kprobe on tcp_set_state sees, but ->SYN_RECV and ->LISTEN",
    "[kprobe]") {
    enter_namespace();
    jsguard::Detector detector;
    detector.load(options_for({port_v4, port_v6}), {});
    detector.attach();
    const Kprobe kprobe = attach_kprobe();

    run_script(port_v4, Family::v4);
    run_script(port_v6, Family::v6);

    for (int service_id = 0; service_id < KPROBE_PORTS; ++service_id) {
        const auto number = static_cast<std::uint32_t>(service_id + 1);
        const auto alike = [&] {
            return by_tcp_set_state(counted(detector, number)) == seen_by(kprobe, service_id);
        };
        CHECK(wait_until(20, alike));
        const Transitions all = counted(detector, number);
        CHECK(missed_by(kprobe) == 0);
        CHECK(by_tcp_set_state(all) == seen_by(kprobe, service_id));
        // The script made them: no two empty tables are compared.
        CHECK(all.at({JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}) == endings.size() * each + 2);
        CHECK(all.at({JSG_TCP_CLOSE, JSG_TCP_LISTEN}) == 1);
        CHECK(seen_by(kprobe, service_id).size() >= 12);
        std::cout << "service_id " << number << ": counted " << all << "\n  by the kprobe "
                  << seen_by(kprobe, service_id) << '\n';
    }
    CHECK(kprobe->bss->out_of_range == 0);
    CHECK(detector.reader().stats().unknown_states == 0);
}
