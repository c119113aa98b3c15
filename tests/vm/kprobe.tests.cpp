// SPDX-License-Identifier: BSD-2-Clause
// The detector counts the same transitions as a kprobe on tcp_set_state, cell by cell. Exceptions
// are the two transitions that the kernel does not make by that function.
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

// A separate block, because it needs the types above.
#include "state_kprobe.h"
#include "state_kprobe_bpf.skel.h"

using namespace testbed;

namespace {

constexpr std::uint16_t port_v4 = 17191;
constexpr std::uint16_t port_v6 = 17192;
constexpr std::uint16_t unmonitored = 17193;
constexpr int per_ending = 50;  // connections of each ending

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

Transitions seen_by(const Kprobe& kprobe, int index) {
    Transitions seen;
    for (int cell = 0; cell < JSG_TRANSITION_CELLS; ++cell) {
        if (const auto count = kprobe->bss->seen[index][cell])
            seen[{cell / JSG_STATES, cell % JSG_STATES}] = count;
    }
    return seen;
}

// The number of runs that the kernel skipped because another kprobe's program ran on that CPU.
std::uint64_t missed_by(const Kprobe& kprobe) {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    REQUIRE(bpf_obj_get_info_by_fd(bpf_program__fd(kprobe->progs.see_state), &info, &size) == 0);
    return info.recursion_misses;
}

// The transitions that a kprobe on tcp_set_state sees too. Other functions set the first state of a
// listener and of an accepted socket.
Transitions by_tcp_set_state(Transitions counted) {
    std::erase_if(counted, [](const auto& entry) {
        const int new_state = entry.first.second;
        return new_state == JSG_TCP_SYN_RECV || new_state == JSG_TCP_LISTEN;
    });
    return counted;
}

void run_script(std::uint16_t port, Family family) {
    Socket listener = listen_on(port, family);
    const int connections = per_ending * static_cast<int>(endings.size());
    std::thread server([&] { run_server(listener, connections); });
    for (int i = 0; i < connections; ++i)
        run_client(port, family, endings[static_cast<std::size_t>(i) % endings.size()]);
    server.join();

    // The server shuts down its sending side first, and closes later.
    Socket client = connect_to(port, family);
    Socket accepted = accept_from(listener);
    accepted.shut_down_sending();
    client.wait_for_end();
    accepted.close();
    client.close();

    // A connection that is never accepted. The kernel resets it when the listener closes.
    const Socket waiting = connect_to(port, family);
    listener.close();

    // Connections from the monitored port, to a port that answers and to one that does not.
    const Socket elsewhere = listen_on(unmonitored, family);
    const Socket active = connect_to(unmonitored, family, port);
    CHECK_THROWS(connect_to(unmonitored + 1, family, port));
}

}  // namespace

TEST_CASE(
    "the detector counts what a kprobe on tcp_set_state sees, and also ->SYN_RECV and ->LISTEN",
    "[kprobe]") {
    enter_namespace();
    jsguard::Detector detector;
    detector.load(options_for({port_v4, port_v6}), {});
    detector.attach();
    const Kprobe kprobe = attach_kprobe();

    run_script(port_v4, Family::v4);
    run_script(port_v6, Family::v6);

    for (int index = 0; index < KPROBE_PORTS; ++index) {
        const auto service_id = static_cast<std::uint32_t>(index + 1);
        const auto alike = [&] {
            return by_tcp_set_state(counted(detector, service_id)) == seen_by(kprobe, index);
        };
        CHECK(wait_until(20, alike));
        const Transitions all = counted(detector, service_id);
        CHECK(missed_by(kprobe) == 0);
        CHECK(by_tcp_set_state(all) == seen_by(kprobe, index));
        // The script made these transitions, so the compared tables are not empty.
        CHECK(all.at({JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}) == endings.size() * per_ending + 2);
        CHECK(all.at({JSG_TCP_CLOSE, JSG_TCP_LISTEN}) == 1);
        CHECK(seen_by(kprobe, index).size() >= 12);
        std::cout << "service " << service_id << ": counted " << all << "\n  by the kprobe "
                  << seen_by(kprobe, index) << '\n';
    }
    CHECK(kprobe->bss->out_of_range == 0);
    CHECK(detector.reader().stats().unknown_states == 0);
}
