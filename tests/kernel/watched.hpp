// SPDX-License-Identifier: BSD-2-Clause
// A detector with short times, all alerts from its ring buffer, and clients for it.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <vector>

#include "load/skeleton.hpp"
#include "testbed.hpp"
#include "tests/catch_compat.hpp"

namespace testbed {

// Options for short tests: windows of window_s, 3 s of learning, 2 windows to confirm, 3 to clear.
constexpr std::uint32_t window_s = 2;
inline jsguard::Options quick_options(std::vector<std::uint16_t> ports) {
    jsguard::Options options = options_for(std::move(ports));
    options.learn_s = 3;
    options.window_s = window_s;
    options.confirm_windows = 2;
    options.clear_windows = 3;
    return options;
}

// A detector, and all alerts that came through its ring buffer.
struct Watched {
    jsguard::Detector detector;
    std::vector<jsg_alert> alerts;

    explicit Watched(const jsguard::Options& options, const jsguard::Baselines& baselines = {}) {
        enter_namespace();
        detector.load(options, baselines);
        detector.attach();
    }
    void take_alerts() {
        detector.poll(0, [this](const jsg_alert& alert) { alerts.push_back(alert); });
    }
    template <typename Condition>
    bool wait(double seconds, Condition condition) {
        return wait_until(seconds, [&] {
            take_alerts();
            return condition();
        });
    }
    jsg_service service(std::uint32_t service_id) const {
        return detector.reader().service(service_id);
    }
    bool wait_for_mode(std::uint32_t service_id, jsg_mode mode) {
        return wait(15, [&] { return service(service_id).mode == mode; });
    }
    bool wait_for_steps(std::uint32_t service_id, std::uint64_t steps) {
        const auto until = service(service_id).sequence + steps;
        return wait(static_cast<double>(steps) + 5,
                    [&] { return service(service_id).sequence >= until; });
    }
    jsg_baseline baseline(std::uint32_t service_id) const {
        return detector.reader().baseline(service_id);
    }
    // All records of a service. There must be one for each step from the first on.
    std::vector<jsg_window> windows(std::uint32_t service_id) const {
        const auto last = service(service_id).sequence;
        // The detector increments the number a moment before it writes the record.
        REQUIRE(wait_until(1, [&] { return window(detector, service_id, last).has_value(); }));
        std::vector<jsg_window> all;
        for (std::uint64_t sequence = 1; sequence <= last; ++sequence) {
            const auto record = window(detector, service_id, sequence);
            CAPTURE(sequence);
            REQUIRE(record);
            all.push_back(*record);
        }
        return all;
    }
};

struct Ends {
    Socket client;
    Socket server;
};

// Connects clients that never send.
inline std::vector<Ends> connect_clients(const Socket& listener, std::uint16_t port,
                                         int connections) {
    std::vector<Ends> clients;
    for (int i = 0; i < connections; ++i) {
        Socket client = connect_to(port);
        clients.push_back({std::move(client), accept_from(listener)});
    }
    return clients;
}

// Connects clients, and resets them. Each connection makes three transitions.
inline void reset_clients(const Socket& listener, std::uint16_t port, int connections) {
    for (Ends& ends : connect_clients(listener, port, connections)) ends.client.reset();
}

}  // namespace testbed
