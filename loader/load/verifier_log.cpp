// SPDX-License-Identifier: BSD-2-Clause
// Extracts from libbpf's warning the end of the verifier's log, which shows why a program was
// refused.
#include "load/verifier_log.hpp"

#include "common/error.hpp"

namespace jsguard {
namespace {

constexpr std::size_t max_lines = 8;
constexpr std::string_view log_begins = "-- BEGIN PROG LOAD LOG --";
constexpr std::string_view log_ends = "-- END PROG LOAD LOG --";

}  // namespace

std::vector<std::string> verifier_log_end_of(std::string_view warning) {
    const auto begin = warning.find(log_begins);
    if (begin == std::string_view::npos) return {};
    std::string_view log = warning.substr(begin + log_begins.size());
    log = log.substr(0, log.find(log_ends));
    std::vector<std::string> lines;
    while (!log.empty() && lines.size() < max_lines) {
        const auto newline = log.rfind('\n');
        const auto line = newline == std::string_view::npos ? log : log.substr(newline + 1);
        if (!line.empty()) lines.insert(lines.begin(), printable(line));
        log = newline == std::string_view::npos ? std::string_view() : log.substr(0, newline);
    }
    return lines;
}

}  // namespace jsguard
