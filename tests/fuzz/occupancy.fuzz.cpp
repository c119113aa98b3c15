// SPDX-License-Identifier: BSD-2-Clause
// Compares samples of a connection with a record in 64 bits, whose clock, counters and ages never
// wrap. The 32 bits that the kernel keeps must give the same results.
#include "kernel/occupancy.h"

#include "fuzz.hpp"

namespace {

// No counter grows by 2^32 or more in total, because 32 bits cannot distinguish 2^32 from 0.
constexpr int max_samples = 120;
constexpr std::uint64_t max_growth = 1ULL << 25;
static_assert(max_samples * max_growth < 1ULL << 32);
constexpr std::uint64_t max_elapsed = JSG_MAX_AGE_MS;

// The real connection, in numbers that do not wrap.
struct Connection {
    std::uint64_t now_ms, sent, received, acked, last_sent, last_received;  // jiffies
    std::uint32_t outstanding = 0;
    std::uint32_t state = JSG_TCP_ESTABLISHED;

    jsg_tcp tcp(std::uint32_t una) const {
        jsg_tcp tcp{};
        tcp.bytes_sent = sent;
        tcp.bytes_received = received;
        tcp.bytes_acked = acked;
        tcp.snd_una = una;
        tcp.write_seq = una + outstanding;
        tcp.lsndtime = static_cast<std::uint32_t>(last_sent);
        tcp.lrcvtime = static_cast<std::uint32_t>(last_received);
        tcp.state = state;
        return tcp;
    }
};

// The samples of the connection, as docs/algorithm.md describes them.
struct Samples {
    std::uint64_t sampled_ms, since_ms, sent = 0, received = 0, acked = 0, received_at_answer = 0;
    std::uint32_t phase = JSG_PHASES;
    bool age_unknown = false, filling = false;
    std::uint64_t paid_ms = 0;

    explicit Samples(const Connection& c, bool began_before_detector)
        : sampled_ms(c.now_ms), since_ms(c.now_ms), age_unknown(began_before_detector) {
        if (!began_before_detector) return;
        sent = c.sent;
        received = received_at_answer = c.received;
        acked = c.acked;
    }

    bool moves(std::uint64_t bytes, std::uint64_t elapsed_ms, std::uint64_t min_rate, bool fills) {
        const bool moved = bytes * 1000 >= min_rate * std::max<std::uint64_t>(elapsed_ms, 1000);
        const bool carried = !fills && paid_ms && paid_ms >= elapsed_ms;
        const std::uint64_t left_ms = carried ? paid_ms - elapsed_ms : 0;
        const std::uint64_t pays_ms = bytes * 1000 / (min_rate * JSG_BURST_RATES);
        paid_ms = fills ? 0 : std::min<std::uint64_t>(left_ms + pays_ms, JSG_BURST_MS);
        return moved || carried;
    }

    jsg_sample at(const Connection& c, std::uint32_t min_rate) {
        jsg_sample sample{JSG_NO_PHASE, JSG_NO_CELL, c.sent != sent};
        const std::uint64_t elapsed_ms = c.now_ms - sampled_ms;
        const std::uint64_t new_received = c.received - received, new_acked = c.acked - acked;
        if (sample.answered) received_at_answer = c.received;
        sent = c.sent;
        received = c.received;
        acked = c.acked;
        sampled_ms = c.now_ms;
        const std::uint32_t now = phase_of(c);
        const bool entered = now != phase, fills = entered || filling;
        filling = entered;
        if (entered && phase != JSG_PHASES) {
            since_ms = c.now_ms;
            age_unknown = false;
        }
        sample.phase = phase = now;
        if (now == JSG_REQUEST_SLOW && moves(new_received, elapsed_ms, min_rate, fills))
            sample.phase = JSG_REQUEST_MOVING;
        if (now == JSG_RESPONSE_SLOW && moves(new_acked, elapsed_ms, min_rate, fills))
            sample.phase = JSG_RESPONSE_MOVING;
        const std::uint64_t age_ms = c.now_ms - since_ms;
        if (sample.phase < JSG_CELL_PHASES && !(age_unknown && age_ms < JSG_UNKNOWN_AGE_MS))
            sample.cell = sample.phase * JSG_AGES + bucket(age_ms / 1000);
        return sample;
    }

  private:
    static std::uint32_t bucket(std::uint64_t age_s) {
        std::uint32_t bucket = 0;
        while (bucket < JSG_AGES - 1 && age_s >= 1ULL << bucket) bucket++;
        return bucket;
    }

    std::uint32_t phase_of(const Connection& c) const {
        const bool fin_sent = c.state == JSG_TCP_FIN_WAIT1 || c.state == JSG_TCP_CLOSING ||
                              c.state == JSG_TCP_LAST_ACK;
        const bool open = c.state == JSG_TCP_ESTABLISHED || c.state == JSG_TCP_CLOSE_WAIT;
        if ((open && c.outstanding > 0) || (fin_sent && c.outstanding > 1))
            return JSG_RESPONSE_SLOW;
        if (fin_sent || c.state == JSG_TCP_FIN_WAIT2) return JSG_CLOSING;
        if (c.state == JSG_TCP_CLOSE_WAIT) return JSG_HALF_CLOSED;
        if (c.state != JSG_TCP_ESTABLISHED) return JSG_NO_PHASE;
        if (c.sent == 0 || c.received != received_at_answer) return JSG_REQUEST_SLOW;
        return c.last_received > c.last_sent ? JSG_WAITING : JSG_IDLE;
    }
};

void change(Connection& c, fuzz::Numbers& numbers) {
    const std::uint64_t what = numbers();
    c.now_ms += numbers.up_to(max_elapsed);
    if (what & 1) c.received += numbers.up_to(max_growth);
    if (what & 2) c.sent += numbers.up_to(max_growth);
    if (what & 4) c.acked += numbers.up_to(max_growth);
    if (what & 8) c.outstanding = static_cast<std::uint32_t>(numbers.up_to(max_growth));
    if (what & 16) c.state = static_cast<std::uint32_t>(numbers.up_to(JSG_STATES + 1));
    // Times that are compared differ by at most half of the clock's range.
    if (what & 32) c.last_received = c.last_sent + numbers.up_to(max_growth - 1);
    if (what & 64) c.last_sent = c.last_received + numbers.up_to(max_growth - 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider input(data, size);
    fuzz::Numbers numbers(input);
    const std::uint32_t min_rate = std::max(numbers.word(), 1U);
    const bool began_before_detector = numbers.up_to(1);
    // The past of the socket. It is random, so that counters and clocks wrap soon.
    Connection c{numbers.word(),
                 began_before_detector ? numbers.word() : 0,
                 began_before_detector ? numbers.word() : 0,
                 began_before_detector ? numbers.word() : 0,
                 numbers.word(),
                 0};
    c.last_received = c.last_sent;
    Samples expected_samples(c, began_before_detector);
    jsg_last_sample last{};
    const std::uint32_t una = numbers.word();
    const jsg_tcp before = c.tcp(una);
    jsg_begin_sampling(&last, &before, 1, static_cast<std::uint32_t>(c.now_ms),
                       began_before_detector);
    for (int i = 0; numbers.more() && i < max_samples; ++i) {
        change(c, numbers);
        const jsg_tcp tcp = c.tcp(una);
        const jsg_sample found =
            jsg_sample_socket(&last, &tcp, static_cast<std::uint32_t>(c.now_ms), min_rate);
        const jsg_sample expected = expected_samples.at(c, min_rate);
        fuzz::require(found.phase == expected.phase,
                      "the phase equals that of the record in 64 bits");
        fuzz::require(found.cell == expected.cell, "the cell equals that of the record in 64 bits");
        fuzz::require(found.answered == expected.answered, "an answer is counted once");
        fuzz::require(found.cell == JSG_NO_CELL || found.cell < JSG_PHASE_CELLS,
                      "a cell is in range");
    }
    return 0;
}
