// SPDX-License-Identifier: BSD-2-Clause
// Printing on stdout and stderr, and the exit code that main() returns for an exception.
#pragma once

#include <signal.h>

#include <exception>
#include <functional>
#include <string>
#include <string_view>

#include "common/error.hpp"

namespace jsguard {

// stdout is a pipe, and its reader has closed it (EPIPE).
class ReaderGone : public Error {
  public:
    explicit ReaderGone(const Error& error) : Error(error) {}
};

// While this object exists, keep_waiting is called about every 200 ms as long as a text for stdout
// or stderr is not written. If it returns false, the rest of the text is dropped: printing throws
// Error(runtime), logging does not. This holds for pipes, terminals and sockets, with O_NONBLOCK
// and without it. Needs a process of one thread that does not use SIGALRM or ITIMER_REAL otherwise.
// Without such an object, printing waits for the reader.
class OutputWait {
  public:
    explicit OutputWait(std::function<bool()> keep_waiting);
    ~OutputWait();
    OutputWait(const OutputWait&) = delete;
    OutputWait& operator=(const OutputWait&) = delete;

  private:
    struct sigaction action_before_ {};
    sigset_t mask_before_{};
};

// Prints a part of a long text. Call flush_parts() after the last part. Both throw ReaderGone or
// Error(runtime). A stdout that takes no more text is no failure, whether it blocks or not.
void print_part(std::string_view text);
void flush_parts();

inline void print_text(std::string_view text) {
    print_part(text);
    flush_parts();
}

inline void print_line(const std::string& line) { print_text(line + "\n"); }

// Calls print(). A reader that closes the pipe before the end, as head does, is no failure.
template <typename Print>
void print_while_read(const Print& print) {
    try {
        print();
    } catch (const ReaderGone&) {
    }
}

// Prints on stderr. Ignores a failed write: a full disk or a closed pipe must not end the detector.
void log_text(std::string_view text);

// Prints a line on stderr in one write, so that no output of another process splits it.
inline void log_line(std::string_view line) { log_text(std::string(line) + '\n'); }

// Calls run() and returns its result as the exit code of the program. If run() throws, prints the
// error with the program's name and returns the exit code of the error.
template <typename Run>
int exit_code_of(std::string_view program, const Run& run) {
    try {
        return run();
    } catch (const Error& error) {
        log_line(fmt::format("{}: {}", program, error.what()));
        return static_cast<int>(error.code());
    } catch (const std::exception& error) {
        log_line(fmt::format("{}: {}", program, error.what()));
        return static_cast<int>(ExitCode::runtime);
    }
}

}  // namespace jsguard
