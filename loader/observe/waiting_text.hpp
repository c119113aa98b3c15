// SPDX-License-Identifier: BSD-2-Clause
// What is said where the services that were asked for are not there.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace jsguard {

// port: 0 for any.
inline std::string not_there_text(std::uint16_t port) {
    return port ? fmt::format("port {} is not monitored", port) : "no port is monitored";
}

inline std::string waiting_text(std::uint16_t port) {
    return fmt::format("{} yet; waits until {} is", not_there_text(port), port ? "it" : "one");
}

}  // namespace jsguard
