// SPDX-License-Identifier: BSD-2-Clause
// Tests of the messages to a service manager. A socket of the test stands in for it.
#include "load/systemd.hpp"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <thread>

#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;

namespace {

constexpr const char* hours_us = "36000000000";  // ten hours
constexpr const char* variables[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};

// Stands in for systemd: a datagram socket, with its name in the variable NOTIFY_SOCKET.
class Manager {
  public:
    // A name that begins with @ is an abstract socket.
    explicit Manager(std::string name) : name_(std::move(name)) {
        for (const char* variable : variables) unsetenv(variable);
        setenv("NOTIFY_SOCKET", name_.c_str(), 1);
        listen();
    }
    ~Manager() {
        go();
        for (const char* variable : variables) unsetenv(variable);
    }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;

    void listen() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        name_.copy(address.sun_path, sizeof(address.sun_path));
        if (name_.front() == '@') address.sun_path[0] = '\0';
        socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
        REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    }
    void go() {
        if (socket_ >= 0) close(std::exchange(socket_, -1));
        std::filesystem::remove(name_);
    }
    // The next datagram; "(nothing)" if none has come.
    std::string heard() {
        std::array<char, 1024> text{};
        const ssize_t length = recv(socket_, text.data(), text.size(), 0);
        return length < 0 ? "(nothing)" : std::string(text.data(), static_cast<size_t>(length));
    }

  private:
    std::string name_;
    int socket_ = -1;
};

std::string unique_name(const std::string& before = std::filesystem::temp_directory_path()) {
    static int number = 0;
    return before + "/jsguard-notify-" + std::to_string(getpid()) + "-" + std::to_string(++number);
}

// The message about a variable with this value, while a manager listens.
std::string trouble_of(const char* variable, const std::string& value) {
    Manager manager(unique_name());
    setenv("WATCHDOG_USEC", hours_us, 1);
    setenv(variable, value.c_str(), 1);
    SystemdNotifier service;
    service.ready("monitoring");
    return service.take_problem();
}

}  // namespace

TEST_CASE("a service manager gets the messages ready, status and stopping", "[systemd]") {
    const std::string before = GENERATE("", "@");
    Manager manager(before.empty() ? unique_name() : unique_name(before));
    SystemdNotifier service;
    CHECK(manager.heard() == "(nothing)");
    service.ready("monitoring 2 ports");
    CHECK(manager.heard() == "READY=1\nSTATUS=monitoring 2 ports\n");
    service.status("an alert is up");
    CHECK(manager.heard() == "STATUS=an alert is up\n");
    service.alive();
    CHECK(manager.heard() == "(nothing)");  // no watchdog
    service.stopping();
    CHECK(manager.heard() == "STOPPING=1\n");
    CHECK(service.take_problem().empty());
}

TEST_CASE("a status is one line, whatever it contains", "[systemd]") {
    Manager manager(unique_name());
    SystemdNotifier service;
    service.status("one\nMAINPID=1");
    CHECK(manager.heard() == "STATUS=one?MAINPID=1\n");
}

TEST_CASE("a watchdog gets a message at max_length once in half of its time", "[systemd]") {
    Manager manager(unique_name());
    SECTION("at once, and not again before that") {
        setenv("WATCHDOG_USEC", hours_us, 1);
        setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
        SystemdNotifier service;
        for (int i = 0; i < 1000; i++) service.alive();
        CHECK(manager.heard() == "WATCHDOG=1\n");
        CHECK(manager.heard() == "(nothing)");
    }
    SECTION("again after half of its time") {
        setenv("WATCHDOG_USEC", "800000", 1);
        SystemdNotifier service;
        for (int i = 0; i < 3; i++) {
            service.alive();
            CHECK(manager.heard() == "WATCHDOG=1\n");
            std::this_thread::sleep_for(std::chrono::milliseconds(410));
        }
    }
    SECTION("however long its time is") {
        setenv("WATCHDOG_USEC", "18446744073709551615", 1);
        SystemdNotifier service;
        for (int i = 0; i < 3; i++) service.alive();
        CHECK(manager.heard() == "WATCHDOG=1\n");
        CHECK(manager.heard() == "(nothing)");
        CHECK(service.take_problem().empty());
    }
    SECTION("nothing, if it watches another process") {
        setenv("WATCHDOG_USEC", hours_us, 1);
        setenv("WATCHDOG_PID", std::to_string(getppid()).c_str(), 1);
        SystemdNotifier service;
        service.alive();
        CHECK(manager.heard() == "(nothing)");
        CHECK(service.take_problem().empty());
    }
}

TEST_CASE("the variables are not passed on to other processes", "[systemd]") {
    Manager manager(unique_name());
    setenv("WATCHDOG_USEC", hours_us, 1);
    setenv("WATCHDOG_PID", "1", 1);
    SystemdNotifier service;
    for (const char* variable : variables) {
        CAPTURE(variable);
        CHECK(getenv(variable) == nullptr);
    }
}

TEST_CASE("without a service manager nothing is sent, and there is no trouble", "[systemd]") {
    for (const char* variable : variables) unsetenv(variable);
    setenv("WATCHDOG_USEC", "x", 1);
    SystemdNotifier service;
    service.ready("monitoring");
    service.alive();
    service.stopping();
    CHECK(service.take_problem().empty());
    CHECK(getenv("WATCHDOG_USEC") == nullptr);
}

TEST_CASE("a variable that cannot be used is reported once, and the service goes on", "[systemd]") {
    SECTION("the name of a socket") {
        const std::string too_long = "/" + std::string(sizeof(sockaddr_un::sun_path) - 1, 'x');
        const std::string name = GENERATE_COPY(as<std::string>(), "", "/", "@", "notify",
                                               "vsock:2:1234", too_long, "@x" + too_long);
        CAPTURE(name);
        const std::string trouble = trouble_of("NOTIFY_SOCKET", name);
        CHECK(contains(trouble, "NOTIFY_SOCKET is \""));
        CHECK(contains(trouble, "gets no messages; start jsguard-load without the variable"));
    }
    SECTION("the time of the watchdog") {
        const std::string time = GENERATE("", "0", "-1", "1.5", "10s", "18446744073709551616");
        CAPTURE(time);
        CHECK(contains(trouble_of("WATCHDOG_USEC", time), "WATCHDOG_USEC is \"" + time + "\""));
    }
    SECTION("the process that is watched") {
        const std::string pid = GENERATE("", "0", "-1", "1x");
        CAPTURE(pid);
        CHECK(contains(trouble_of("WATCHDOG_PID", pid), "WATCHDOG_PID is \"" + pid + "\""));
    }
    SECTION("control characters are not printed") {
        CHECK(contains(trouble_of("NOTIFY_SOCKET", "no\npath"), "NOTIFY_SOCKET is \"no?path\""));
    }
}

TEST_CASE("the longest names of sockets are accepted", "[systemd]") {
    const std::string path = unique_name();
    constexpr std::size_t max_length = sizeof(sockaddr_un::sun_path);
    const bool abstract = GENERATE(false, true);
    const std::string name = abstract ? "@" + path + std::string(max_length - path.size() - 1, 'x')
                                      : path + std::string(max_length - path.size() - 1, 'x');
    Manager manager(name);
    SystemdNotifier service;
    service.ready("monitoring");
    CHECK(manager.heard() == "READY=1\nSTATUS=monitoring\n");
}

TEST_CASE("a manager that is away gets everything when it is back, and the user one message",
          "[systemd]") {
    Manager manager(unique_name());
    setenv("WATCHDOG_USEC", hours_us, 1);
    SystemdNotifier service;
    manager.go();
    service.ready("monitoring 1 port");
    CHECK(contains(service.take_problem(), "the service manager does not accept messages: "));
    service.status("monitoring 2 ports");
    for (int i = 0; i < 3; i++) service.alive();
    CHECK(service.take_problem().empty());
    manager.listen();
    service.alive();
    CHECK(manager.heard() == "READY=1\nSTATUS=monitoring 2 ports\nWATCHDOG=1\n");
    service.alive();
    CHECK(manager.heard() == "(nothing)");
}

TEST_CASE("a manager that does not read is not waited for", "[systemd]") {
    Manager manager(unique_name());
    SystemdNotifier service;
    service.ready("0");
    constexpr int more_than_a_queue_holds = 20'000;
    for (int i = 1; i <= more_than_a_queue_holds; i++) service.status(std::to_string(i));
    service.stopping();
    std::string last;
    for (std::string next; (next = manager.heard()) != "(nothing)";) last = next;
    CHECK(last != "STOPPING=1\n");  // else the queue was not full
    service.alive();
    CHECK(manager.heard() ==
          "STOPPING=1\nSTATUS=" + std::to_string(more_than_a_queue_holds) + "\n");
    CHECK(service.take_problem().empty());
}

TEST_CASE("stderr is recognized as the journal by its device and inode", "[systemd]") {
    struct stat info {};
    REQUIRE(fstat(STDERR_FILENO, &info) == 0);
    unsetenv("JOURNAL_STREAM");
    CHECK_FALSE(stderr_is_the_journal());
    setenv("JOURNAL_STREAM", fmt::format("{}:{}", info.st_dev, info.st_ino).c_str(), 1);
    CHECK(stderr_is_the_journal());
    setenv("JOURNAL_STREAM", fmt::format("{}:{}", info.st_dev, info.st_ino + 1).c_str(), 1);
    CHECK_FALSE(stderr_is_the_journal());
    unsetenv("JOURNAL_STREAM");
}
