// SPDX-License-Identifier: BSD-2-Clause
// A connection as the kernel has it, with the record of its samples, for tests of phases and ages.
#pragma once

#include <cstdint>

#include "kernel/occupancy.h"

namespace sampled_connection {

constexpr std::uint32_t min_rate = 512;
constexpr std::uint32_t u32_max = 0xffffffff;
constexpr std::uint32_t born = 5'000'000;  // ms

// A connection as the kernel has it, and the detector's record of its last sample.
struct Connection {
    jsg_tcp tcp{};
    jsg_last_sample last{};
    std::uint32_t now = born;

    explicit Connection(std::uint32_t born_ms = born) : now(born_ms) {
        tcp.state = JSG_TCP_ESTABLISHED;
        tcp.port = 80;
        tcp.write_seq = tcp.snd_una = 0xfffffff0;  // sequence numbers wrap too
        jsg_begin_sampling(&last, &tcp, 0x1000, born_ms, 0);
    }
    void began_before_detector() { jsg_begin_sampling(&last, &tcp, 0x1000, now, 1); }
    void receive(std::uint64_t bytes) {
        tcp.bytes_received += bytes;
        tcp.lrcvtime = now / 4;
    }
    void send(std::uint32_t bytes) {
        tcp.bytes_sent += bytes;
        tcp.write_seq += bytes;
        tcp.lsndtime = now / 4;
    }
    void acknowledge(std::uint32_t bytes) {
        tcp.bytes_acked += bytes;
        tcp.snd_una += bytes;
    }
    void answer(std::uint32_t bytes = 100) {
        send(bytes);
        acknowledge(bytes);
    }
    jsg_sample after(std::uint32_t ms) {
        now += ms;
        return jsg_sample_socket(&last, &tcp, now, min_rate);
    }
};

inline std::uint32_t cell(std::uint32_t phase, std::uint32_t age) { return phase * JSG_AGES + age; }

}  // namespace sampled_connection
