// SPDX-License-Identifier: BSD-2-Clause
// Shared by the measuring programs: pinning to a CPU, limits, tables, files of figures, errors.
#include "bench.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <fstream>
#include <system_error>

namespace bench {

void fail(const std::string& tried) {
    throw std::system_error(errno, std::generic_category(), tried);
}

void stay_on_one_cpu() {
    cpu_set_t all, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof(all), &all) != 0) fail("cannot ask for the CPUs");
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
        if (!CPU_ISSET(cpu, &all)) continue;
        CPU_SET(cpu, &one);
        break;
    }
    if (sched_setaffinity(0, sizeof(one), &one) != 0) fail("cannot pin the program to one CPU");
}

void allow_long_queues() {
    std::ofstream limit("/proc/sys/net/core/somaxconn");
    limit << (1 << 20);
    if (!limit.flush()) fail("cannot raise net.core.somaxconn");
}

void allow_many_files() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("cannot ask for the limit of open files");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("cannot raise the limit of open files");
}

std::string Table::text() const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < widths.size(); ++i)
            widths[i] = std::max(widths[i], row.at(i).size());
    }
    std::string text;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < widths.size(); ++i)
            line += fmt::format("{:{}}  ", row[i], widths[i]);
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

void write_json(const std::string& file, const nlohmann::ordered_json& figures) {
    std::ofstream out(file);
    out << figures.dump(2) << "\n";
    if (!out.flush()) fail("cannot write " + file);
}

int report_errors(const std::function<void()>& run) {
    try {
        run();
        return 0;
    } catch (const std::exception& error) {
        std::fflush(stdout);
        fmt::print(stderr, "{}\n", error.what());
        return 1;
    }
}

}  // namespace bench
