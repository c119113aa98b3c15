// SPDX-License-Identifier: BSD-2-Clause
// Text on stdout and on stderr, there as soon as it is written; and what main() makes of an error.
#pragma once

#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "common/error.hpp"

namespace jsguard {

// Stdout is a pipe, and nobody reads from it any more.
class ReaderGone : public Error {
  public:
    explicit ReaderGone(const Error& error) : Error(error) {}
};

// Throws ReaderGone, or Error(runtime).
[[noreturn]] inline void fail_to_print() {
    const bool gone = errno == EPIPE;
    const Error error = errno_error(ExitCode::runtime, errno, "cannot write to stdout");
    if (gone) throw ReaderGone(error);
    throw error;
}

// A part of a long text; flush_parts() ends it. Both throw as fail_to_print() does.
inline void print_part(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_to_print();
}
inline void flush_parts() {
    if (std::fflush(stdout) != 0) fail_to_print();
}

inline void print_text(std::string_view text) {
    print_part(text);
    flush_parts();
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

// On stderr, lost where it cannot be written: a full disk or a closed pipe must end no detector.
inline void tell_text(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

// In one write: what others say on the same stderr does not come between.
inline void tell(std::string_view line) { tell_text(std::string(line) + '\n'); }

// The exit code of a program: what run() returns, or that of the error that it throws, which is
// told under the program's name.
template <typename Run>
int exit_code_of(std::string_view program, const Run& run) {
    try {
        return run();
    } catch (const Error& error) {
        tell(fmt::format("{}: {}", program, error.what()));
        return static_cast<int>(error.code());
    } catch (const std::exception& error) {
        tell(fmt::format("{}: {}", program, error.what()));
        return static_cast<int>(ExitCode::runtime);
    }
}

}  // namespace jsguard
