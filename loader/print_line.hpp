// SPDX-License-Identifier: BSD-2-Clause
// Lines on stdout, each there as soon as it is written.
#pragma once

#include <cerrno>
#include <cstdio>
#include <string>

#include "error.hpp"

namespace jsguard {

inline void print_line(const std::string& line) {
    if (std::puts(line.c_str()) == EOF || std::fflush(stdout) != 0)
        throw errno_error(ExitCode::runtime, errno, "cannot write to stdout");
}

}  // namespace jsguard
