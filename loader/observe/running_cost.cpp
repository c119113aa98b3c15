// SPDX-License-Identifier: BSD-2-Clause
// Finds the programs and maps of a running detector, and reads what they cost.
#include "observe/running_cost.hpp"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <functional>
#include <numeric>
#include <set>

#include "common/clocks.hpp"
#include "common/error.hpp"
#include "observe/bpf_info.hpp"

namespace jsguard {
namespace {

using Ids = std::set<std::uint32_t>;

constexpr std::uint32_t max_maps = 64;  // the kernel's limit for one program

Ids maps_of(int program) {
    std::array<std::uint32_t, max_maps> ids{};
    const std::size_t count = info_of_program(program, ids).nr_map_ids;
    return {ids.begin(), ids.begin() + static_cast<long>(std::min(count, ids.size()))};
}

// The kernel reports the memory of a map only in fdinfo.
std::uint64_t memory_of_open(int fd) {
    std::ifstream lines(fmt::format("/proc/self/fdinfo/{}", fd));
    std::string line;
    std::uint64_t bytes = 0;
    while (std::getline(lines, line)) {
        if (std::sscanf(line.c_str(), "memlock: %" SCNu64, &bytes) == 1) break;
    }
    return bytes;
}

// 0 if the map no longer exists, or may not be opened.
std::uint64_t memory_of(std::uint32_t map) {
    const int fd = bpf_map_get_fd_by_id(map);
    if (fd < 0) return 0;
    const FileDescriptor open(fd);
    return memory_of_open(fd);
}

template <typename All, typename Memory>
std::uint64_t sum(const All& all, Memory memory) {
    return std::transform_reduce(all.begin(), all.end(), std::uint64_t{0}, std::plus<>(), memory);
}

}  // namespace

RunningCost::RunningCost(const std::vector<int>& map_fds) {
    Ids known;
    for (const int fd : map_fds) known.insert(info_of_map(fd).id);
    std::uint32_t id = 0;
    while (bpf_prog_get_next_id(id, &id) == 0) {
        const int fd = bpf_prog_get_fd_by_id(id);
        if (fd < 0 && errno == ENOENT) continue;  // the program was removed since it was listed
        if (fd < 0) break;
        FileDescriptor program(fd);
        const Ids maps = maps_of(fd);
        if (std::none_of(maps.begin(), maps.end(), [&](auto map) { return known.contains(map); }))
            continue;
        own_.programs.push_back(program.get());
        found_.push_back(std::move(program));
        maps_.insert(maps.begin(), maps.end());
    }
    if (errno != ENOENT && errno != EPERM)
        throw errno_error(ExitCode::runtime, errno, "cannot list the BPF programs");
    find_start();
}

RunningCost::RunningCost(OwnDescriptors own) : own_(std::move(own)) { find_start(); }

void RunningCost::find_start() {
    if (own_.programs.empty()) return;
    load_ns_ = UINT64_MAX;
    for (const int program : own_.programs)
        load_ns_ = std::min<std::uint64_t>(load_ns_, info_of_program(program).load_time);
    // Computed only once: two clocks that are read one after the other never agree exactly, so the
    // start time would change from call to call.
    start_unix_ms_ = unix_now_ms() - (clock_ns(CLOCK_BOOTTIME) - load_ns_) / millisecond_ns;
}

Cost RunningCost::read() const {
    Cost cost;
    if (own_.programs.empty()) return cost;
    cost.start_unix_ms = start_unix_ms_;
    cost.uptime_ns = clock_ns(CLOCK_BOOTTIME) - load_ns_;
    for (const int program : own_.programs) {
        const bpf_prog_info info = info_of_program(program);
        cost.programs.push_back({info.name, info.run_cnt, info.run_time_ns});
        if (cost.programs.back().name == transition_program)
            cost.missed_runs = info.recursion_misses;
    }
    std::sort(cost.programs.begin(), cost.programs.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    cost.map_bytes = own_.maps.empty() ? sum(maps_, memory_of) : sum(own_.maps, memory_of_open);
    return cost;
}

}  // namespace jsguard
