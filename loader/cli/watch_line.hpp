// SPDX-License-Identifier: BSD-2-Clause
// One window of one service as a line of text, for output without a screen.
#pragma once

#include <string>

#include "kernel/jsguard.h"

namespace jsguard {

// "2026-01-02T03:04:05.678+00:00 port 8080 monitoring: occupancy 0.681/0.12 above, transitions
// 0.002/0.12 normal, 1703 sockets, 511 requests, ALERT occupancy". The thresholds are those of
// service, not those that judged the window.
std::string watch_line(const jsg_window& window, const jsg_service& service);

// "0.681/0.12": a signal's divergence and its threshold in bits. "-" stands for a missing one.
std::string divergence_text(const jsg_window& window, const jsg_service& service,
                            jsg_signal signal);

}  // namespace jsguard
