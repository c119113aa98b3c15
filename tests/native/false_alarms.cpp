// SPDX-License-Identifier: BSD-2-Clause
// Simulates how often normal windows exceed the significance bound, jsg_significance_nanobits(): of
// independent counts, of occupancy and of transitions. ctest runs a short form.
// docs/false_alarms.md has the results of the long one.
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "kernel/comparison.h"
#include "kernel/occupancy.h"
#include "kernel/significance.h"

namespace {

constexpr unsigned exponents = 6;
constexpr std::uint32_t threshold_nanobits = 120'000'000;  // the default of --threshold
constexpr unsigned window_s = 10;

using Random = std::mt19937_64;
using Counts = std::vector<std::uint32_t>;

double uniform(Random& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }
std::size_t below(Random& random, std::size_t end) {
    return static_cast<std::size_t>(uniform(random) * static_cast<double>(end));
}

std::uint64_t total(const Counts& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

/// The results of one case.
struct Rates {
    std::uint64_t windows = 0;
    std::uint64_t baselines = 0;  // the windows of one baseline are not independent of each other
    std::array<std::uint64_t, exponents> above_bound{};
    std::array<std::uint64_t, exponents> above_both{};  // above the threshold too

    void add(const Counts& p, std::uint64_t window_milli, const Counts& q,
             std::uint64_t baseline_milli) {
        jsg_comparison sums;
        jsg_comparison_begin(&sums, total(p), total(q), JSG_ONE_Q32);
        std::uint32_t cells = 0;
        for (std::size_t i = 0; i < p.size(); i++) {
            cells += p[i] || q[i];
            jsg_comparison_add(&sums, p[i], q[i]);
        }
        const std::uint32_t js = jsg_js_nanobits(sums.js_q55);
        windows++;
        for (unsigned e = 1; e <= exponents; e++) {
            if (js <= jsg_significance_nanobits(cells, window_milli, baseline_milli, e)) break;
            above_bound[e - 1]++;
            above_both[e - 1] += js > threshold_nanobits;
        }
    }

    double rate(const std::array<std::uint64_t, exponents>& counted, unsigned e) const {
        return static_cast<double>(counted[e - 1]) /
               static_cast<double>(std::max<std::uint64_t>(windows, 1));
    }

    /// Whether the rate is certainly above its bound. Each baseline is one trial, and its result is
    /// a share of its windows. The test is Chernoff's bound for the mean of such numbers, at 10^-6.
    bool is_above(unsigned e) const {
        const double found = rate(above_bound, e), bound = std::pow(10, -static_cast<double>(e));
        if (found <= bound) return false;
        double divergence = found * std::log(found / bound);
        if (found < 1) divergence += (1 - found) * std::log((1 - found) / (1 - bound));
        return static_cast<double>(baselines) * divergence > 6 * std::log(10);
    }
};

/// One case. It is simulated until it has the given number of windows.
struct Case {
    std::string group;  // the same for all cases of one shape
    std::string name;
    bool is_bound;  // false: only shown, because its assumption is broken on purpose
    std::function<Rates(Random&, std::uint64_t windows)> simulate;
};

// Independent counts ----------------------------------------------------------------------------

struct Shape {
    std::string name;
    std::vector<double> probabilities;
};

Shape shape_of(std::string name, std::size_t cells, const std::function<double(double)>& weight) {
    std::vector<double> found(cells);
    for (std::size_t i = 0; i < cells; i++) found[i] = weight(static_cast<double>(i));
    const double sum = std::accumulate(found.begin(), found.end(), 0.0);
    for (double& each : found) each /= sum;
    return {std::move(name), std::move(found)};
}

std::vector<Shape> shapes() {
    const auto dominant = [](double share, double others) {
        return [=](double i) { return i == 0 ? share : (1 - share) / others; };
    };
    const auto flat = [](double) { return 1.0; };
    return {shape_of("uniform, 4 cells", 4, flat),
            shape_of("uniform, 10 cells", 10, flat),
            shape_of("uniform, 40 cells", 40, flat),
            shape_of("geometric, 20 cells", 20, [](double i) { return std::pow(0.5, i); }),
            shape_of("1/rank, 40 cells", 40, [](double i) { return 1 / (i + 1); }),
            shape_of("90 % and 39 rare cells", 40, dominant(0.9, 39)),
            shape_of("99.9 % and 39 rare cells", 40, dominant(0.999, 39)),
            shape_of("two cells, one of 5 %", 2, dominant(0.95, 1)),
            shape_of("two cells, one of 1 %", 2, dominant(0.99, 1)),
            shape_of("two cells, one of 0.1 %", 2, dominant(0.999, 1))};
}

/// Draws counts with a fixed total. Each cell is drawn from what the cells before it leave.
class Multinomial {
  public:
    Multinomial(const std::vector<double>& probabilities, unsigned samples) : samples_(samples) {
        double left = 1;
        for (const double each : probabilities) {
            of_the_rest_.push_back(left > 0 ? std::min(1.0, each / left) : 1.0);
            left -= each;
            up_to_.push_back(1 - left);
        }
        of_the_rest_.back() = 1;
        up_to_.back() = 1;
    }
    void draw(Random& random, Counts& counts) {
        counts.assign(of_the_rest_.size(), 0);
        if (samples_ <= 20 * counts.size()) {  // cheaper one by one
            for (unsigned i = 0; i < samples_; i++) {
                const auto found = std::upper_bound(up_to_.begin(), up_to_.end(), uniform(random));
                counts[static_cast<std::size_t>(std::min(found, up_to_.end() - 1) -
                                                up_to_.begin())]++;
            }
            return;
        }
        unsigned left = samples_;
        for (std::size_t i = 0; i < counts.size() && left; i++) {
            counts[i] = std::binomial_distribution<unsigned>(left, of_the_rest_[i])(random);
            left -= counts[i];
        }
    }

  private:
    unsigned samples_;
    std::vector<double> of_the_rest_, up_to_;
};

Case independent(const Shape& shape, unsigned window, unsigned baseline) {
    const std::string group = "independent: " + shape.name;
    return {group, group + ", N " + std::to_string(window) + ", B " + std::to_string(baseline),
            true, [=](Random& random, std::uint64_t windows) {
                Multinomial p_source(shape.probabilities, window);
                Multinomial q_source(shape.probabilities, baseline);
                Counts p, q;
                Rates rates;
                while (rates.windows < windows) {
                    q_source.draw(random, q);
                    rates.baselines++;
                    for (unsigned i = 0; i < 4; i++) {
                        p_source.draw(random, p);
                        rates.add(p, std::uint64_t{window} * JSG_MILLI, q,
                                  std::uint64_t{baseline} * JSG_MILLI);
                    }
                }
                return rates;
            }};
}

// A service, second by second -------------------------------------------------------------------

/// What one exchange or connection adds to the counts: cells, each with the seconds since the
/// first.
struct Trace {
    std::vector<std::pair<std::uint16_t, std::uint8_t>> marks;
};

constexpr unsigned longest_s = 1200;  // a trace is cut here

/// A service. Arrivals are a Poisson process, and each has one of the traces. The cells of `always`
/// count once in each second.
struct Service {
    std::vector<Trace> traces;
    std::vector<std::uint8_t> always;
    std::size_t cells;
    double per_arrival;  // mean number of marks of a trace

    /// The counts of consecutive spans of length_s each, in the steady state.
    std::vector<Counts> spans(Random& random, double arrivals_per_s, unsigned spans,
                              unsigned length_s) const {
        std::vector<Counts> counts(spans, Counts(cells));
        std::poisson_distribution<unsigned> arrivals(arrivals_per_s);
        const std::int64_t end = std::int64_t{spans} * length_s;
        for (std::int64_t now = -std::int64_t{longest_s}; now < end; now++) {
            for (unsigned left = arrivals(random); left; left--)
                for (const auto& [after_s, cell] : traces[below(random, traces.size())].marks) {
                    const std::int64_t at = now + after_s;
                    if (at >= end) break;
                    if (at >= 0) counts[static_cast<std::size_t>(at / length_s)][cell]++;
                }
            if (now < 0) continue;
            for (const std::uint8_t cell : always)
                counts[static_cast<std::size_t>(now / length_s)][cell]++;
        }
        return counts;
    }
};

Service service_of(Random& random, std::size_t traces, std::size_t cells,
                   const std::function<Trace(Random&)>& make) {
    Service service{{}, {}, cells, 0};
    for (std::size_t i = 0; i < traces; i++) {
        service.traces.push_back(make(random));
        service.per_arrival += static_cast<double>(service.traces.back().marks.size());
    }
    service.per_arrival /= static_cast<double>(traces);
    return service;
}

/// Which baselines and windows are judged, and how many independent samples they have.
struct Sampling {
    std::function<bool(const Counts&)> baseline_is_complete, window_is_judged;
    std::function<std::uint64_t(const Counts&)> window_milli;
    std::function<std::uint64_t(const Counts&, unsigned learned_s)> baseline_milli;
};

/// Baselines and windows come from independent runs. So a window is as far in time from its
/// baseline as in a detector that learned long ago.
Rates judge_service(Random& random, std::uint64_t windows, const Service& service,
                    const Sampling& sampling, double baseline_rate, double window_rate,
                    unsigned learned_s) {
    constexpr unsigned pairs = 4;  // number of baselines that each window is compared with
    Rates rates;
    for (unsigned rounds = 0; rates.windows < windows && rounds < 1000; rounds++) {
        const auto some = static_cast<unsigned>(std::clamp<std::uint64_t>(windows, 800, 40'000));
        std::vector<Counts> baselines = service.spans(
            random, baseline_rate, std::max(some * window_s / pairs / learned_s, 4U), learned_s);
        std::erase_if(baselines,
                      [&](const Counts& b) { return !sampling.baseline_is_complete(b); });
        if (baselines.empty()) continue;
        rates.baselines += baselines.size();
        for (const Counts& window : service.spans(random, window_rate, some / pairs, window_s)) {
            if (!sampling.window_is_judged(window)) continue;
            for (unsigned i = 0; i < pairs; i++) {
                const Counts& baseline = baselines[below(random, baselines.size())];
                rates.add(window, sampling.window_milli(window), baseline,
                          sampling.baseline_milli(baseline, learned_s));
            }
        }
    }
    return rates;
}

// Occupancy -------------------------------------------------------------------------------------

using Duration = std::function<double(Random&)>;

Duration exponential(double mean_s) {
    return [=](Random& random) { return -mean_s * std::log1p(-uniform(random)); };
}

/// An exchange as the samples find it: up to three phases, one after the other, moving or slow. An
/// exchange that no sample finds is left out. The arrivals that remain are a Poisson process too.
Trace exchange(Random& random, const Duration& duration, unsigned max_phases) {
    for (;;) {
        const double born = -uniform(random);  // the first sample is at 0
        std::array<double, 3> ends{};
        const std::size_t phases = 1 + below(random, max_phases);
        double end = born;
        for (std::size_t i = 0; i < phases; i++) ends[i] = end += duration(random);
        if (end <= 0) continue;
        Trace trace;
        double since = born;
        std::size_t phase = phases;
        bool slow = random() & 1;
        for (unsigned sample_s = 0; sample_s < longest_s && sample_s < end; sample_s++) {
            std::size_t now = 0;
            while (ends[now] <= sample_s) now++;
            if (phase != now && phase != phases) since = sample_s;
            phase = now;
            if (uniform(random) < 0.1) slow = !slow;
            const std::array<std::uint32_t, 3> split{slow ? JSG_REQUEST_SLOW : JSG_REQUEST_MOVING,
                                                     slow ? JSG_RESPONSE_SLOW : JSG_RESPONSE_MOVING,
                                                     JSG_CLOSING};
            const auto age_ms = static_cast<std::uint32_t>((sample_s - since) * 1000);
            trace.marks.emplace_back(sample_s, split[phase] * JSG_AGES + jsg_age_bucket(age_ms));
        }
        return trace;
    }
}

Sampling occupancy_sampling() {
    return {[](const Counts& b) { return total(b) >= JSG_BASELINE_SOCKET_SECONDS; },
            [](const Counts& w) { return total(w) > 0; },
            [](const Counts& w) { return total(w) * JSG_MILLI / window_s; },
            [](const Counts& b, unsigned learned_s) {
                return jsg_episodes_milli(b.data(), JSG_JUDGED_CELLS, learned_s, 1);
            }};
}

struct Lifetimes {
    std::string name;
    Duration duration;
    unsigned max_phases = 3;
    unsigned always = 0;  // sockets that are always open
};

std::vector<Lifetimes> lifetimes() {
    const Duration lognormal = [](Random& random) {
        return std::exp(std::normal_distribution<>(-1, 1.5)(random));
    };
    const Duration pareto = [](Random& random) {
        return 0.3 * std::pow(1 - uniform(random), -1 / 1.5);
    };
    const Duration mixture = [](Random& random) {
        return uniform(random) < 0.99 ? exponential(0.05)(random) : 60;
    };
    return {{"exponential 0.05 s", exponential(0.05)},
            {"exponential 0.3 s", exponential(0.3)},
            {"exponential 3 s", exponential(3)},
            {"exponential 30 s", exponential(30)},
            {"lognormal, median 0.4 s", lognormal},
            {"Pareto 1.5", pareto},
            {"Pareto 1.5, one phase", pareto, 1},
            {"1 % of 60 s", mixture},
            {"1 % of 60 s, one phase", mixture, 1},
            {"0.3 s, and 50 always open", exponential(0.3), 3, 50}};
}

Case occupancy(const Lifetimes& of, double open, double growth, unsigned learned_s) {
    const std::string factor = std::to_string(std::lround(growth));
    const std::string group =
        "occupancy: " + of.name + (growth == 1 ? "" : ", learned at 1/" + factor);
    std::string name = group + ", open " + std::to_string(std::lround(open * growth));
    name += ", learned " + std::to_string(learned_s) + " s";
    return {group, name, growth == 1, [=](Random& random, std::uint64_t windows) {
                Service service =
                    service_of(random, windows < 100'000 ? 1 << 12 : 1 << 16, JSG_PHASE_CELLS,
                               [&](Random& r) { return exchange(r, of.duration, of.max_phases); });
                for (unsigned i = 0; i < of.always; i++)
                    service.always.push_back(static_cast<std::uint8_t>(
                        (i % 2 ? JSG_REQUEST_SLOW : JSG_RESPONSE_SLOW) * JSG_AGES + JSG_AGES - 1));
                const double rate = open / service.per_arrival;
                return judge_service(random, windows, service, occupancy_sampling(), rate,
                                     rate * growth, learned_s);
            }};
}

// Transitions -----------------------------------------------------------------------------------

using States = std::vector<jsg_tcp_state>;

/// The paths of a connection. Its first two transitions are at its start, the others at its end.
const std::vector<States>& paths() {
    constexpr auto new_ = JSG_TCP_LISTEN, syn = JSG_TCP_SYN_RECV, up = JSG_TCP_ESTABLISHED,
                   wait1 = JSG_TCP_FIN_WAIT1, wait2 = JSG_TCP_FIN_WAIT2, gone = JSG_TCP_CLOSE;
    static const std::vector<States> all{
        {new_, syn, up, gone},                                        // reset
        {new_, syn, up, wait1, gone},                                 // reset while it closes
        {new_, syn, up, wait1, wait2, gone},                          // the server closes
        {new_, syn, up, JSG_TCP_CLOSE_WAIT, JSG_TCP_LAST_ACK, gone},  // the client closes
        {new_, syn, up, wait1, JSG_TCP_CLOSING, gone},                // both close
        {new_, syn, up, wait1, wait2, wait2, gone}};                  // the longest
    return all;
}

struct Mix {
    std::string name;
    std::vector<double> weights;  // of the paths
    Duration life;
};

std::vector<Mix> mixes() {
    return {{"clients close, 0.3 s", {0.02, 0.01, 0.1, 0.85, 0.01, 0.01}, exponential(0.3)},
            {"server closes, 30 s", {0.05, 0.05, 0.8, 0.05, 0, 0.05}, exponential(30)},
            {"resets and the longest, 3 s", {0.5, 0, 0, 0, 0, 0.5}, exponential(3)},
            {"resets, 10 % the longest, 0.3 s", {0.9, 0, 0, 0, 0, 0.1}, exponential(0.3)},
            {"the longest, 1 % resets, 0.3 s", {0.01, 0, 0, 0, 0, 0.99}, exponential(0.3)},
            {"all equally likely, 3 s", {1, 1, 1, 1, 1, 1}, exponential(3)}};
}

Case transitions(const Mix& mix, double per_s, unsigned learned_s) {
    const Sampling sampling{
        [](const Counts& b) { return total(b) >= JSG_BASELINE_TRANSITIONS; },
        [](const Counts& w) { return total(w) > 0; },
        [](const Counts& w) { return jsg_transition_samples_milli(total(w)); },
        [](const Counts& b, unsigned) { return jsg_transition_samples_milli(total(b)); }};
    const std::string group = "transitions: " + mix.name;
    return {group,
            group + ", " + std::to_string(std::lround(per_s)) + "/s, learned " +
                std::to_string(learned_s) + " s",
            true, [=](Random& random, std::uint64_t windows) {
                std::discrete_distribution<std::size_t> pick(mix.weights.begin(),
                                                             mix.weights.end());
                const Service service = service_of(
                    random, windows < 100'000 ? 1 << 12 : 1 << 16, JSG_TRANSITION_CELLS,
                    [&](Random& r) {
                        const States& path = paths()[pick(r)];
                        const double end = uniform(r) + mix.life(r);
                        const auto end_s = static_cast<std::uint16_t>(std::min(end, 1e4));
                        Trace trace;
                        for (std::size_t i = 1; i < path.size(); i++)
                            trace.marks.emplace_back(i < 3 ? 0 : end_s,
                                                     jsg_transition_cell(path[i - 1], path[i]));
                        return trace;
                    });
                return judge_service(random, windows, service, sampling, per_s, per_s, learned_s);
            }};
}

// The tool --------------------------------------------------------------------------------------

std::vector<Case> all_cases() {
    std::vector<Case> all;
    for (const Shape& shape : shapes())
        for (const unsigned window : {20, 100, 1000, 10'000})
            for (const unsigned baseline : {30, 300, 10'000, 1'000'000})
                all.push_back(independent(shape, window, baseline));
    for (const unsigned learned_s : {60, 600}) {
        for (const Lifetimes& each : lifetimes())
            for (const double open : {1, 30, 1000})
                all.push_back(occupancy(each, open, 1, learned_s));
        for (const Mix& mix : mixes())
            for (const double per_s : {2, 30, 300})
                all.push_back(transitions(mix, per_s, learned_s));
    }
    for (const Lifetimes& each : lifetimes())
        if (!each.always)
            for (const double open : {1, 30}) all.push_back(occupancy(each, open, 30, 60));
    return all;
}

void print_row(const std::string& name, const Rates& rates, bool is_bound) {
    std::printf("| %s | %.2g | %.2g |", name.c_str(), static_cast<double>(rates.windows),
                static_cast<double>(rates.baselines));
    for (unsigned e = 1; e <= exponents; e++) {
        std::printf(" %.2g%s", rates.rate(rates.above_bound, e), rates.is_above(e) ? " ABOVE" : "");
        if (!is_bound) std::printf(" (%.2g)", rates.rate(rates.above_both, e));
        std::printf(" |");
    }
    std::printf("\n");
    std::fflush(stdout);
}

/// Prints the largest rate of the cases of one shape for each exponent, and the windows of all
/// cases.
void print_group(const std::string& name, const std::vector<Rates>& of, bool is_bound) {
    double windows = 0;
    for (const Rates& each : of) windows += static_cast<double>(each.windows);
    std::printf("| %s | %zu | %.2g |", name.c_str(), of.size(), windows);
    for (unsigned e = 1; e <= exponents; e++) {
        double worst = 0, worst_both = 0;
        for (const Rates& each : of) {
            worst = std::max(worst, each.rate(each.above_bound, e));
            worst_both = std::max(worst_both, each.rate(each.above_both, e));
        }
        std::printf(" %.2g", worst);
        if (!is_bound) std::printf(" (%.2g)", worst_both);
        std::printf(" |");
    }
    std::printf("\n");
}

void print_head(const char* second, const char* third) {
    std::printf("| case | %s | %s |", second, third);
    for (unsigned e = 1; e <= exponents; e++) std::printf(" 1e-%u |", e);
    std::printf("\n|---|---|---|---|---|---|---|---|---|\n");
}

int usage() {
    std::fprintf(stderr,
                 "usage: false-alarms [--windows N] [--seed N] [--threads N] [NAME]\n"
                 "Simulates the cases whose name contains NAME. Windows of each: 100000.\n"
                 "Exit code 1 if a rate is above its bound.\n");
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t windows = 100'000, seed = 1, thread_count = 1;
    std::string_view wanted;
    for (int i = 1; i < argc; i++) {
        const std::string_view option = argv[i];
        std::uint64_t* const number = option == "--windows"   ? &windows
                                      : option == "--seed"    ? &seed
                                      : option == "--threads" ? &thread_count
                                                              : nullptr;
        if (number && i + 1 < argc)
            *number = std::max(1ULL, std::strtoull(argv[++i], nullptr, 10));
        else if (!number && !option.starts_with("--") && wanted.empty())
            wanted = option;
        else
            return usage();
    }

    std::vector<Case> cases = all_cases();
    std::erase_if(cases,
                  [&](const Case& each) { return each.name.find(wanted) == std::string::npos; });
    if (cases.empty()) return usage();
    print_head("windows", "baselines");

    std::atomic<std::size_t> next = 0;
    std::atomic<unsigned> failed = 0;
    std::mutex printing;
    std::vector<Rates> all(cases.size());
    const auto work = [&] {
        for (std::size_t i; (i = next++) < cases.size();) {
            Random random(seed * 1'000'003 + i);
            const Rates rates = cases[i].simulate(random, windows);
            bool above = false;
            for (unsigned e = 1; e <= exponents; e++) above |= rates.is_above(e);
            // A case without windows fails, because it shows nothing about its rate.
            failed += (cases[i].is_bound && above) || !rates.windows;
            const std::lock_guard lock(printing);
            print_row(cases[i].name, rates, cases[i].is_bound);
            all[i] = rates;
        }
    };
    std::vector<std::thread> threads;
    for (std::uint64_t i = 1; i < thread_count; i++) threads.emplace_back(work);
    work();
    for (std::thread& thread : threads) thread.join();

    std::printf("\nThe worst of each shape:\n\n");
    print_head("cases", "windows");
    for (std::size_t i = 0; i < cases.size(); i++) {
        const std::string& group = cases[i].group;
        const auto is_of_group = [&](const Case& each) { return each.group == group; };
        if (std::any_of(cases.begin(), cases.begin() + static_cast<std::ptrdiff_t>(i), is_of_group))
            continue;
        std::vector<Rates> of_group;
        for (std::size_t j = i; j < cases.size(); j++)
            if (is_of_group(cases[j])) of_group.push_back(all[j]);
        print_group(group, of_group, cases[i].is_bound);
    }
    std::printf("\n%zu cases, %u above their bound\n", cases.size(), failed.load());
    return failed ? 1 : 0;
}
