// SPDX-License-Identifier: BSD-2-Clause
// Printing on a stdout that takes no more text for a while, or for ever.
#include "common/print.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <thread>

#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

// stdout is a pipe while this object exists.
class StdoutPipe {
  public:
    explicit StdoutPipe(int flags) {
        REQUIRE(pipe2(ends_.data(), O_CLOEXEC) == 0);
        std::fflush(stdout);
        before_ = dup(STDOUT_FILENO);
        dup2(ends_[1], STDOUT_FILENO);
        if (flags) fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | flags);
    }
    ~StdoutPipe() {
        set_stdout_wait({});
        dup2(before_, STDOUT_FILENO);
        close(before_);
        close_reader();
        close(ends_[1]);
    }
    StdoutPipe(const StdoutPipe&) = delete;
    StdoutPipe& operator=(const StdoutPipe&) = delete;

    void close_reader() {
        if (ends_[0] >= 0) close(ends_[0]);
        ends_[0] = -1;
    }
    std::string read_bytes(std::size_t bytes) const {
        std::string text;
        std::array<char, 8192> part{};
        while (text.size() < bytes) {
            const auto got = read(ends_[0], part.data(), part.size());
            if (got <= 0) break;
            text.append(part.data(), static_cast<std::size_t>(got));
        }
        return text;
    }

  private:
    std::array<int, 2> ends_{-1, -1};
    int before_ = -1;
};

// More than a pipe takes, with different bytes.
std::string long_text() {
    std::string text;
    for (int i = 0; text.size() < 300'000; ++i) text += std::to_string(i) + " ";
    return text;
}

}  // namespace

TEST_CASE("a slow reader gets the whole text, also if stdout does not block", "[print]") {
    const int flags = GENERATE(0, O_NONBLOCK);
    const bool waits = GENERATE(false, true);
    CAPTURE(flags, waits);
    const std::string text = long_text();
    std::string received;
    {
        const StdoutPipe out(flags);
        if (waits) set_stdout_wait([] { return true; });
        std::thread reader([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(300));
            received = out.read_bytes(text.size());
        });
        print_text(text);
        reader.join();
    }
    CHECK(received == text);
}

TEST_CASE("while nobody reads, the wait is reported and can be ended", "[print]") {
    const int flags = GENERATE(0, O_NONBLOCK);
    int calls = 0;
    std::string reason;
    {
        const StdoutPipe out(flags);
        set_stdout_wait([&] { return ++calls < 3; });
        try {
            print_text(long_text());
        } catch (const Error& error) {
            reason = error.what();
        }
    }
    CHECK(calls == 3);
    CHECK(reason == "cannot write to stdout: Interrupted system call");
}

TEST_CASE("a reader that has gone is reported as such", "[print]") {
    const bool waits = GENERATE(false, true);
    std::signal(SIGPIPE, SIG_IGN);
    bool gone = false;
    {
        StdoutPipe out(0);
        if (waits) set_stdout_wait([] { return true; });
        out.close_reader();
        try {
            print_line("text");
        } catch (const ReaderGone&) {
            gone = true;
        }
    }
    CHECK(gone);
}
