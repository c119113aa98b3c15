// SPDX-License-Identifier: BSD-2-Clause
// All that jsguard-load says while it runs, as functions from records to lines (without the
// newline).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "kernel/jsguard.h"
#include "load/options.hpp"

namespace jsguard {

// Where an alert comes from; instance makes its id unique over restarts and boots.
struct Origin {
    std::string hostname;
    std::string instance;
};

// Of a detector, as its alerts' ids begin; and a whole one.
std::string instance_text(std::uint64_t instance);
std::string alert_id(std::uint64_t instance, std::uint64_t number);

// "2026-01-02T03:04:05.678+00:00"; a time after the year 9999 is shown as its end.
std::string utc_timestamp(std::uint64_t unix_ms);

// "ALERT port 8080: ..." or "CLEAR port 8080: ..."
std::string alert_line(const jsg_alert& alert);

// One JSON object.
std::string alert_json(const jsg_alert& alert, const Origin& origin);

// The one of both that the options ask for, with the time in front if they ask for that.
std::string alert_text(const jsg_alert& alert, const Origin& origin, const Options& options);

// What is monitored and how. ports: those that have a service now; with_baseline: how many of them
// have one from a file and need not learn.
std::string start_line(const Options& options, std::span<const std::uint16_t> ports,
                       std::size_t with_baseline = 0);

// Windows, transitions, alerts, and what was lost or counted late.
std::string summary_line(const jsg_stats& stats);

// What a baseline that is being learned still lacks: "12 of 100 transitions, 3 of 30
// socket-seconds, 2 of 20 stays of a connection in a phase".
std::string lacking_text(const jsg_baseline& pending_baseline, std::uint32_t step_s);

// Why what was learned may be an attack; empty if it does not look like one.
std::string warnings_text(std::uint32_t warnings);

// "threshold 0.093 bits for occupancy, 0.061 bits for transitions"
std::string learned_thresholds_text(const jsg_service& service);

// "learning [#####.....] 30/60 s", of width characters or fewer; no bar where none fits.
std::string learning_bar(std::uint32_t done_s, std::uint32_t total_s, std::size_t width);

}  // namespace jsguard
