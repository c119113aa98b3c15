// SPDX-License-Identifier: BSD-2-Clause
// Adds baselines up in integers, and refuses sums that do not fit.
#include "offline/baseline/merge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <vector>

#include "common/error.hpp"
#include "kernel/spread.h"

namespace jsguard {
namespace {

// Bit budget: a square of nanobits is under 2^60, and a number of windows is under 2^32. The
// largest product is windows * (sum of two squares for each window), which is under 2^125.
__extension__ typedef unsigned __int128 Wide;

constexpr std::uint32_t max_total = std::numeric_limits<std::uint32_t>::max();

std::uint32_t added(std::uint64_t a, std::uint64_t b, std::string_view what) {
    if (a + b > max_total)
        throw Error(
            ExitCode::usage,
            fmt::format("together they have more than {} {}; leave a file out", max_total, what));
    return static_cast<std::uint32_t>(a + b);
}

// The sum of the squares of the divergences in the spread.
Wide squares(const jsg_spread& spread) {
    const auto square = [](std::uint64_t number) { return Wide{number * number}; };
    return spread.windows * (square(spread.deviation_nanobits) + square(spread.mean_nanobits));
}

// The totals are checked. Each cell is at most its total, so the cells fit too.
void add(jsg_baseline& sum, const jsg_baseline& more) {
    added(socket_seconds(sum), socket_seconds(more), "socket-seconds");
    sum.learned_s = added(sum.learned_s, more.learned_s, "seconds of learning");
    sum.queue_full_s += more.queue_full_s;  // at most learned_s
    sum.transitions = added(sum.transitions, more.transitions, "transitions");
    sum.exchanges = added(sum.exchanges, more.exchanges, "exchanges");
    sum.judged_socket_seconds += more.judged_socket_seconds;
    sum.waiting_socket_seconds += more.waiting_socket_seconds;
    for (std::size_t cell = 0; cell < std::size(sum.transition_counts); ++cell)
        sum.transition_counts[cell] += more.transition_counts[cell];
    for (std::size_t cell = 0; cell < std::size(sum.occupancy_socket_seconds); ++cell)
        sum.occupancy_socket_seconds[cell] += more.occupancy_socket_seconds[cell];
    for (std::size_t signal = 0; signal < std::size(sum.spread); ++signal)
        sum.spread[signal] = pooled(sum.spread[signal], more.spread[signal]);
}

constexpr std::string_view separator = ", ";

// "web1" and "web1, web2" give "web1, web2".
std::string joined(const std::string& names, std::string_view more) {
    std::vector<std::string> all;
    for (std::string_view list : {std::string_view(names), more}) {
        while (!list.empty()) {
            const std::size_t end = list.find(separator);
            const std::string name(list.substr(0, end));
            if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
            list.remove_prefix(end == list.npos ? list.size() : end + separator.size());
        }
    }
    return fmt::format("{}", fmt::join(all, separator));
}

void add(BaselineOrigin& sum, const BaselineOrigin& more) {
    if (sum.step_s != more.step_s)
        throw Error(ExitCode::usage,
                    fmt::format("they were learned with steps of {} s and of {} s, and cannot be "
                                "merged; learn with the same --step",
                                sum.step_s, more.step_s));
    sum.host = joined(sum.host, more.host);
    sum.kernel = joined(sum.kernel, more.kernel);
    sum.unix_ms = std::max(sum.unix_ms, more.unix_ms);
}

}  // namespace

jsg_spread pooled(const jsg_spread& a, const jsg_spread& b) {
    jsg_spread both{};
    both.windows = added(a.windows, b.windows, "windows of a spread");
    if (both.windows == 0) return both;
    const Wide sum = Wide{a.windows} * a.mean_nanobits + Wide{b.windows} * b.mean_nanobits;
    const Wide variance =
        (both.windows * (squares(a) + squares(b)) - sum * sum) / both.windows / both.windows;
    both.mean_nanobits = static_cast<std::uint32_t>(sum / both.windows);
    both.deviation_nanobits = jsg_square_root(static_cast<std::uint64_t>(variance));
    both.maximum_nanobits = std::max(a.maximum_nanobits, b.maximum_nanobits);
    return both;
}

BaselineFile merged(std::span<const BaselineFile> files) {
    if (files.empty()) throw Error(ExitCode::usage, "nothing to merge; name baseline files");
    BaselineFile all = files.front();
    for (const BaselineFile& file : files.subspan(1)) {
        add(all.origin, file.origin);
        for (const auto& [port, baseline] : file.baselines) {
            try {
                add(all.baselines[port], baseline);
            } catch (const Error& error) {
                throw Error(error.code(), fmt::format("cannot merge the baselines of port {}: {}",
                                                      port, error.what()));
            }
        }
    }
    return all;
}

}  // namespace jsguard
