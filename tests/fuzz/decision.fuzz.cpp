// SPDX-License-Identifier: BSD-2-Clause
// Checks expected numbers, significance bounds, and when an alert is raised and cleared, against
// long double, wider integers and plain counting.
#include <cmath>

#include "fuzz.hpp"
#include "kernel/significance.h"

namespace {

using Exact = long double;

constexpr Exact u32_max = JSG_U32_MAX;

// The expected number grows by the ratio of the exchanges. The ratio is at most 2^16.
void check_expected(std::uint32_t base, std::uint32_t base_rate, std::uint32_t rate) {
    const Exact found = jsg_expected_milli(base, base_rate, rate);
    const Exact times =
        base_rate ? std::min<Exact>(std::max<Exact>(Exact(rate) / base_rate, 1), 65536) : 1;
    const Exact exact = std::min(base_rate ? base * times : Exact(base) + rate, u32_max);
    const Exact rounding = base_rate ? base / 65536.0L + 1 : 0;
    fuzz::require(found <= exact && found >= std::min(exact, u32_max) - rounding,
                  "the expected number is the exact one, rounded down");
}

void check_excess(std::uint32_t open, std::uint32_t expected, std::uint32_t stalled,
                  std::uint32_t stalled_expected) {
    const jsg_expectation e = jsg_expect(open, expected, stalled, stalled_expected);
    const auto excess = [](std::int64_t number, std::int64_t usual) {
        return std::max<std::int64_t>(number - 2 * usual, 0);
    };
    const Exact share = open ? std::min<Exact>(2 * Exact(expected) / open, 1) : 1;
    fuzz::require(
        e.excess == excess(open, expected) && e.stalled_excess == excess(stalled, stalled_expected),
        "an excess is what is above twice the expected number");
    fuzz::require(std::abs(Exact(e.share_q32) - share * JSG_ONE_Q32) < 1,
                  "the baseline's share is twice the expected number divided by the open sockets");
}

Exact exact_bound(std::uint32_t cells, Exact window_milli, Exact baseline_milli,
                  std::uint32_t exponent) {
    const Exact quantile =
        std::ldexp(Exact(jsg_chi_square_table[exponent - 1][cells - 1]), -JSG_CHI_SQUARE_BITS);
    return quantile / 4 * JSG_MILLI * JSG_NANO *
           (1 / window_milli + (baseline_milli > 0 ? 1 / baseline_milli : 0));
}

void check_significance(std::uint32_t cells, std::uint64_t window_milli,
                        std::uint64_t baseline_milli, std::uint32_t exponent) {
    const Exact found = jsg_significance_nanobits(cells, window_milli, baseline_milli, exponent);
    const Exact exact = exact_bound(cells, window_milli, baseline_milli, exponent);
    // The quantile is inexact by a billionth, and each quotient is rounded up.
    const Exact rounding =
        250.0L / window_milli + 2 + (baseline_milli ? 250.0L / baseline_milli + 2 : 0);
    fuzz::require(found >= std::min(exact, u32_max) && found <= exact + rounding,
                  "the significance bound is the exact number, rounded up");
    fuzz::require(
        jsg_significance_nanobits(cells, window_milli + 1, baseline_milli, exponent) <= found,
        "the significance bound of a larger window is not larger");
}

jsg_config config_of(fuzz::Numbers& numbers) {
    jsg_config config{};
    config.min_sockets = numbers.word();
    config.min_transitions = numbers.word();
    config.confirm_steps = static_cast<std::uint32_t>(numbers.from_to(1, 5));
    config.clear_steps = static_cast<std::uint32_t>(numbers.from_to(1, 5));
    return config;
}

void check_balance(const jsg_config& config, std::uint32_t opened, std::uint32_t closed) {
    const Exact more = std::max(opened, closed), less = std::min(opened, closed);
    fuzz::require(
        !!jsg_balanced(&config, opened, closed) == (more <= 1.5L * less + config.min_sockets),
        "opening and closing are balanced up to half as many again and min_sockets");
}

void check_transition_verdict(const jsg_config& config, fuzz::Numbers& numbers) {
    const std::uint32_t transitions = numbers.word();
    const bool balanced = numbers.up_to(1);
    const jsg_bounds bounds{numbers.nanobits(), numbers.nanobits(), numbers.word()};
    const jsg_verdict verdict = jsg_judge_transitions(&config, transitions, balanced, bounds);
    const bool deviates = transitions && transitions >= config.min_transitions &&
                          bounds.js > bounds.threshold && bounds.js > bounds.significance;
    fuzz::require((verdict == JSG_ABOVE) == (deviates && balanced) &&
                      (verdict == JSG_UNBALANCED) == (deviates && !balanced),
                  "the verdict on transitions is above if there is evidence, and only then");
}

void check_occupancy_verdict(const jsg_config& config, fuzz::Numbers& numbers) {
    const jsg_expectation sockets =
        jsg_expect(numbers.word(), numbers.word(), numbers.word(), numbers.word());
    const jsg_bounds bounds{numbers.nanobits(), numbers.nanobits(), numbers.word()};
    const jsg_verdict verdict = jsg_judge_occupancy(&config, &sockets, bounds);
    const std::uint64_t needed = std::uint64_t{config.min_sockets} * JSG_MILLI;
    const bool exceeds =
        sockets.open && sockets.excess >= needed && sockets.stalled_excess >= needed;
    const bool deviates = bounds.js > bounds.threshold && bounds.js > bounds.significance;
    fuzz::require((verdict == JSG_ABOVE) == (exceeds && deviates),
                  "the verdict on occupancy is above if there is evidence, and only then");
    fuzz::require(!exceeds || !jsg_counts_towards_clear(verdict),
                  "a stalled excess does not clear an alert");
}

// An alert that is raised and cleared by plain counting.
struct Counted {
    std::uint32_t above = 0, clear = 0, peak = 0;
    bool up = false;

    jsg_change take(const jsg_config& config, jsg_verdict verdict, std::uint32_t js) {
        above = verdict == JSG_ABOVE ? above + 1 : 0;
        if (!up) {
            if (above < config.confirm_steps) return JSG_NO_CHANGE;
            up = true;
            clear = 0;
            peak = js;
            return JSG_RAISED;
        }
        if (verdict == JSG_ABOVE) peak = std::max(peak, js);
        clear = verdict <= JSG_MOVING ? clear + 1 : 0;
        if (clear < config.clear_steps) return JSG_NO_CHANGE;
        up = false;
        above = 0;
        return JSG_CLEARED;
    }
};

void check_track(const jsg_config& config, fuzz::Numbers& numbers) {
    jsg_alert_track track{};
    Counted counted;
    for (std::uint64_t step = 1; numbers.more() && step < 1000; ++step) {
        const jsg_verdict verdict = numbers.up_to(1)
                                        ? JSG_ABOVE
                                        : static_cast<jsg_verdict>(numbers.up_to(JSG_VERDICTS - 1));
        const std::uint32_t js = numbers.nanobits();
        const jsg_change change = jsg_track(&track, &config, verdict, js, step, step);
        fuzz::require(change == counted.take(config, verdict, js),
                      "an alert is raised and cleared after the configured number of steps");
        fuzz::require((track.state == JSG_ALERT) == counted.up &&
                          (!counted.up || track.peak_nanobits == counted.peak),
                      "an alert that is up has the peak of its steps above the threshold");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider input(data, size);
    fuzz::Numbers numbers(input);
    check_expected(numbers.word(), numbers.word(), numbers.word());
    check_excess(numbers.word(), numbers.word(), numbers.word(), numbers.word());
    check_significance(static_cast<std::uint32_t>(numbers.from_to(2, JSG_SIGNIFICANCE_DEGREES)),
                       numbers.from_to(1, 1ULL << 42), numbers.up_to(1ULL << 42),
                       static_cast<std::uint32_t>(numbers.from_to(1, JSG_SIGNIFICANCE_EXPONENTS)));
    const jsg_config config = config_of(numbers);
    check_balance(config, numbers.word(), numbers.word());
    check_transition_verdict(config, numbers);
    check_occupancy_verdict(config, numbers);
    check_track(config, numbers);
    return 0;
}
