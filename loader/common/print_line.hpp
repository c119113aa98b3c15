// SPDX-License-Identifier: BSD-2-Clause
// Text on stdout, there as soon as it is written.
#pragma once

#include <cerrno>
#include <cstdio>
#include <string>

#include "common/error.hpp"

namespace jsguard {

// Stdout is a pipe, and nobody reads from it any more.
class ReaderGone : public Error {
  public:
    explicit ReaderGone(const Error& error) : Error(error) {}
};

// Throws Error(runtime), or ReaderGone.
inline void print_text(const std::string& text) {
    if (std::fputs(text.c_str(), stdout) != EOF && std::fflush(stdout) == 0) return;
    const bool gone = errno == EPIPE;
    const Error error = errno_error(ExitCode::runtime, errno, "cannot write to stdout");
    if (gone) throw ReaderGone(error);
    throw error;
}

inline void print_line(const std::string& line) { print_text(line + "\n"); }

// For what a reader may have enough of before its end, as head has: that is no failure.
template <typename Print>
void print_while_read(const Print& print) {
    try {
        print();
    } catch (const ReaderGone&) {
    }
}

}  // namespace jsguard
