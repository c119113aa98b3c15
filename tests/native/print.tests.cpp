// SPDX-License-Identifier: BSD-2-Clause
// Printing on a stdout or stderr that takes no more text for a while, or for ever.
#include "common/print.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "baseline_samples.hpp"
#include "common/file_replacement.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

enum Kind { pipe_end, socket_end, terminal, raw_terminal };
constexpr char ctrl_s = 0x13, ctrl_q = 0x11;

struct Ends {
    int reader = -1;
    int writer = -1;
};

Ends open_terminal(bool raw) {
    Ends ends;
    ends.reader = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(ends.reader >= 0);
    REQUIRE(grantpt(ends.reader) == 0);
    REQUIRE(unlockpt(ends.reader) == 0);
    ends.writer = open(ptsname(ends.reader), O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(ends.writer >= 0);
    if (raw) {
        termios mode{};
        REQUIRE(tcgetattr(ends.writer, &mode) == 0);
        cfmakeraw(&mode);
        REQUIRE(tcsetattr(ends.writer, TCSANOW, &mode) == 0);
    }
    return ends;
}

Ends open_ends(Kind kind) {
    std::array<int, 2> ends{};
    constexpr int small = 8192;
    switch (kind) {
        case pipe_end:
            REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
            return {ends[0], ends[1]};
        case socket_end:
            REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
            REQUIRE(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
            return {ends[0], ends[1]};
        case terminal:
        case raw_terminal:
            break;
    }
    return open_terminal(kind == raw_terminal);
}

// stdout, or another descriptor, is of this kind while this object exists.
class Redirected {
  public:
    explicit Redirected(Kind kind, int flags = 0, int fd = STDOUT_FILENO)
        : fd_(fd), ends_(open_ends(kind)) {
        std::fflush(stdout);
        before_ = dup(fd_);
        dup2(ends_.writer, fd_);
        if (flags) fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | flags);
    }
    ~Redirected() {
        dup2(before_, fd_);
        close(before_);
        close_reader();
        close(ends_.writer);
    }
    Redirected(const Redirected&) = delete;
    Redirected& operator=(const Redirected&) = delete;

    void close_reader() {
        if (ends_.reader >= 0) close(ends_.reader);
        ends_.reader = -1;
    }
    // Reads in parts, with a pause after each.
    std::string read_bytes(std::size_t bytes, milliseconds pause = {}) const {
        std::string text;
        std::array<char, 8192> part{};
        while (text.size() < bytes) {
            const auto got =
                read(ends_.reader, part.data(), std::min(part.size(), bytes - text.size()));
            if (got <= 0) break;
            text.append(part.data(), static_cast<std::size_t>(got));
            std::this_thread::sleep_for(pause);
        }
        return text;
    }
    void type(char key) const { static_cast<void>(!write(ends_.reader, &key, 1)); }

  private:
    int fd_;
    Ends ends_;
    int before_ = -1;
};

// More than each kind takes, with different bytes.
std::string long_text() {
    std::string text;
    for (int i = 0; text.size() < 150'000; ++i) text += std::to_string(i) + " ";
    return text;
}

// Reads all after 10 s, so that a test whose write blocks for ever fails and ends.
class Rescue {
  public:
    explicit Rescue(const Redirected& out)
        : thread_([this, &out] {
              const auto end = Clock::now() + seconds(10);
              while (!done_ && Clock::now() < end) std::this_thread::sleep_for(milliseconds(20));
              if (!done_) out.read_bytes(long_text().size());
          }) {}
    ~Rescue() {
        done_ = true;
        thread_.join();
    }
    Rescue(const Rescue&) = delete;
    Rescue& operator=(const Rescue&) = delete;

  private:
    std::atomic<bool> done_ = false;
    std::thread thread_;
};

}  // namespace

TEST_CASE("a slow reader gets the whole text, from each kind of stdout", "[print]") {
    const Kind kind = GENERATE(pipe_end, socket_end, terminal, raw_terminal);
    const int flags = GENERATE(0, O_NONBLOCK);
    const bool waits = GENERATE(false, true);
    CAPTURE(static_cast<int>(kind), flags, waits);
    const std::string text = long_text();
    std::string received;
    int calls = 0;
    {
        const Redirected out(kind, flags);
        std::optional<OutputWait> wait;
        if (waits)
            wait.emplace([&] {
                ++calls;
                return true;
            });
        std::thread reader([&] {
            std::this_thread::sleep_for(milliseconds(300));
            received = out.read_bytes(text.size(), milliseconds(5));
        });
        print_text(text);
        reader.join();
    }
    CHECK(received == text);
    CHECK((calls > 0) == waits);
}

TEST_CASE("while nobody reads, the wait is reported and can be ended, for each kind of stdout",
          "[print]") {
    const Kind kind = GENERATE(pipe_end, socket_end, terminal, raw_terminal);
    const int flags = GENERATE(0, O_NONBLOCK);
    CAPTURE(static_cast<int>(kind), flags);
    int calls = 0;
    std::string reason;
    {
        const Redirected out(kind, flags);
        const Rescue rescue(out);
        const OutputWait wait([&] { return ++calls < 3; });
        try {
            print_text(long_text());
        } catch (const Error& error) {
            reason = error.what();
        }
    }
    CHECK(calls == 3);
    CHECK(reason == "cannot write to stdout: Interrupted system call");
}

TEST_CASE("a terminal that is stopped in the middle of a line gets the rest when it goes on",
          "[print]") {
    const int flags = GENERATE(0, O_NONBLOCK);
    const std::string text = long_text();
    std::string received;
    std::atomic<int> calls = 0;
    int calls_when_stopped = 0;
    {
        const Redirected out(terminal, flags);
        const OutputWait wait([&] {
            ++calls;
            return true;
        });
        std::thread reader([&] {
            received = out.read_bytes(10'000);
            out.type(ctrl_s);
            const int before = calls;
            const auto end = Clock::now() + seconds(5);
            while (calls < before + 3 && Clock::now() < end)
                std::this_thread::sleep_for(milliseconds(20));
            calls_when_stopped = calls - before;
            out.type(ctrl_q);
            received += out.read_bytes(text.size() - received.size());
        });
        print_text(text);
        reader.join();
    }
    CHECK(calls_when_stopped >= 3);
    CHECK(received == text);
}

TEST_CASE("a reader that never stops does not hide that the text takes long", "[print]") {
    const Kind kind = GENERATE(pipe_end, raw_terminal);
    const int flags = GENERATE(0, O_NONBLOCK);
    CAPTURE(static_cast<int>(kind), flags);
    const std::string text = long_text();
    int calls = 0;
    std::string received;
    {
        const Redirected out(kind, flags);
        const OutputWait wait([&] {
            ++calls;
            return true;
        });
        std::thread reader([&] { received = out.read_bytes(text.size(), milliseconds(50)); });
        print_text(text);
        reader.join();
    }
    CHECK(received == text);
    CHECK(calls >= 2);
}

TEST_CASE("a file gets the whole text", "[print]") {
    const Directory directory;
    const std::string text = long_text();
    std::fflush(stdout);
    const FileDescriptor before(dup(STDOUT_FILENO));
    const FileDescriptor file(
        open((directory / "out").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    int calls = 0;
    dup2(file.get(), STDOUT_FILENO);
    {
        const OutputWait wait([&] { return ++calls < 0; });
        print_text(text);
    }
    dup2(before.get(), STDOUT_FILENO);
    CHECK(content(directory / "out") == text);
    CHECK(calls == 0);
}

TEST_CASE("a stderr that nobody reads is waited for too, and then loses the text", "[print]") {
    const Kind kind = GENERATE(pipe_end, raw_terminal);
    int calls = 0;
    {
        const Redirected out(kind, 0, STDERR_FILENO);
        const Rescue rescue(out);
        const OutputWait wait([&] { return ++calls < 3; });
        log_text(long_text());
    }
    CHECK(calls == 3);
}

TEST_CASE("after the wait its function is not called, and SIGALRM is as before", "[print]") {
    sigset_t alarm, before;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, &before);
    std::signal(SIGALRM, SIG_IGN);
    int calls = 0;
    const auto count = [&] { return ++calls < 2; };
    try {
        const Redirected out(pipe_end);
        const Rescue rescue(out);
        const OutputWait wait(count);
        print_text(long_text());
    } catch (const Error&) {
    }
    CHECK(calls == 2);
    const std::string text = long_text();
    std::string received;
    {
        const Redirected out(pipe_end);
        std::thread reader([&] {
            std::this_thread::sleep_for(milliseconds(500));
            received = out.read_bytes(text.size());
        });
        print_text(text);
        reader.join();
    }
    CHECK(calls == 2);
    CHECK(received == text);
    CHECK(std::signal(SIGALRM, SIG_DFL) == SIG_IGN);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, &before, &mask);
    CHECK(sigismember(&mask, SIGALRM) == 1);
}

TEST_CASE("a reader that has gone is reported as such", "[print]") {
    const Kind kind = GENERATE(pipe_end, socket_end);
    const bool waits = GENERATE(false, true);
    std::signal(SIGPIPE, SIG_IGN);
    bool gone = false;
    {
        Redirected out(kind);
        std::optional<OutputWait> wait;
        if (waits) wait.emplace([] { return true; });
        out.close_reader();
        try {
            print_line("text");
        } catch (const ReaderGone&) {
            gone = true;
        }
    }
    CHECK(gone);
}
