// SPDX-License-Identifier: BSD-2-Clause
// Tests of what a service manager hears, with a socket that is one's own in its place.
#include "load/service_manager.hpp"

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

constexpr const char* hours_us = "36000000000";  // ten of them
constexpr const char* variables[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};

// What systemd is to a service: a datagram socket under a name, of which the variable tells.
class Manager {
  public:
    // A name that begins with @ is an abstract one.
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

std::string name_of_our_own(const std::string& before = std::filesystem::temp_directory_path()) {
    static int number = 0;
    return before + "/jsguard-notify-" + std::to_string(getpid()) + "-" + std::to_string(++number);
}

// What is told about variables that have such values, beside the socket of a manager.
std::string trouble_of(const char* variable, const std::string& value) {
    Manager manager(name_of_our_own());
    setenv("WATCHDOG_USEC", hours_us, 1);
    setenv(variable, value.c_str(), 1);
    ServiceManager service;
    service.ready("monitoring");
    return service.take_trouble();
}

}  // namespace

TEST_CASE("a service manager hears that the service is ready, how it stands, and that it stops",
          "[service_manager]") {
    const std::string before = GENERATE("", "@");
    Manager manager(before.empty() ? name_of_our_own() : name_of_our_own(before));
    ServiceManager service;
    CHECK(manager.heard() == "(nothing)");
    service.ready("monitoring 2 ports");
    CHECK(manager.heard() == "READY=1\nSTATUS=monitoring 2 ports\n");
    service.status("an alert is up");
    CHECK(manager.heard() == "STATUS=an alert is up\n");
    service.alive();
    CHECK(manager.heard() == "(nothing)");  // no watchdog
    service.stopping();
    CHECK(manager.heard() == "STOPPING=1\n");
    CHECK(service.take_trouble().empty());
}

TEST_CASE("a status is one line, whatever is in it", "[service_manager]") {
    Manager manager(name_of_our_own());
    ServiceManager service;
    service.status("one\nMAINPID=1");
    CHECK(manager.heard() == "STATUS=one?MAINPID=1\n");
}

TEST_CASE("a watchdog hears from the service at most each half of its time", "[service_manager]") {
    Manager manager(name_of_our_own());
    SECTION("at once, and not again before") {
        setenv("WATCHDOG_USEC", hours_us, 1);
        setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
        ServiceManager service;
        for (int i = 0; i < 1000; i++) service.alive();
        CHECK(manager.heard() == "WATCHDOG=1\n");
        CHECK(manager.heard() == "(nothing)");
    }
    SECTION("again after half of it") {
        setenv("WATCHDOG_USEC", "800000", 1);
        ServiceManager service;
        for (int i = 0; i < 3; i++) {
            service.alive();
            CHECK(manager.heard() == "WATCHDOG=1\n");
            std::this_thread::sleep_for(std::chrono::milliseconds(410));
        }
    }
    SECTION("however long it is") {
        setenv("WATCHDOG_USEC", "18446744073709551615", 1);
        ServiceManager service;
        for (int i = 0; i < 3; i++) service.alive();
        CHECK(manager.heard() == "WATCHDOG=1\n");
        CHECK(manager.heard() == "(nothing)");
        CHECK(service.take_trouble().empty());
    }
    SECTION("nothing, if it watches another process") {
        setenv("WATCHDOG_USEC", hours_us, 1);
        setenv("WATCHDOG_PID", std::to_string(getppid()).c_str(), 1);
        ServiceManager service;
        service.alive();
        CHECK(manager.heard() == "(nothing)");
        CHECK(service.take_trouble().empty());
    }
}

TEST_CASE("the variables are for this process alone", "[service_manager]") {
    Manager manager(name_of_our_own());
    setenv("WATCHDOG_USEC", hours_us, 1);
    setenv("WATCHDOG_PID", "1", 1);
    ServiceManager service;
    for (const char* variable : variables) {
        CAPTURE(variable);
        CHECK(getenv(variable) == nullptr);
    }
}

TEST_CASE("without a service manager nothing is told, and nothing is amiss", "[service_manager]") {
    for (const char* variable : variables) unsetenv(variable);
    setenv("WATCHDOG_USEC", "x", 1);
    ServiceManager service;
    service.ready("monitoring");
    service.alive();
    service.stopping();
    CHECK(service.take_trouble().empty());
    CHECK(getenv("WATCHDOG_USEC") == nullptr);
}

TEST_CASE("a variable that cannot be used is told once, and ends nothing", "[service_manager]") {
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
    SECTION("control characters do not get out") {
        CHECK(contains(trouble_of("NOTIFY_SOCKET", "no\npath"), "NOTIFY_SOCKET is \"no?path\""));
    }
}

TEST_CASE("the longest names of sockets are taken", "[service_manager]") {
    const std::string path = name_of_our_own();
    constexpr std::size_t most = sizeof(sockaddr_un::sun_path);
    const bool abstract = GENERATE(false, true);
    const std::string name = abstract ? "@" + path + std::string(most - path.size() - 1, 'x')
                                      : path + std::string(most - path.size() - 1, 'x');
    Manager manager(name);
    ServiceManager service;
    service.ready("monitoring");
    CHECK(manager.heard() == "READY=1\nSTATUS=monitoring\n");
}

TEST_CASE("a manager that is away hears all when it is back, and the user of it once",
          "[service_manager]") {
    Manager manager(name_of_our_own());
    setenv("WATCHDOG_USEC", hours_us, 1);
    ServiceManager service;
    manager.go();
    service.ready("monitoring 1 port");
    CHECK(contains(service.take_trouble(), "the service manager does not accept messages: "));
    service.status("monitoring 2 ports");
    for (int i = 0; i < 3; i++) service.alive();
    CHECK(service.take_trouble().empty());
    manager.listen();
    service.alive();
    CHECK(manager.heard() == "READY=1\nSTATUS=monitoring 2 ports\nWATCHDOG=1\n");
    service.alive();
    CHECK(manager.heard() == "(nothing)");
}

TEST_CASE("a manager that does not read is not waited for", "[service_manager]") {
    Manager manager(name_of_our_own());
    ServiceManager service;
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
    CHECK(service.take_trouble().empty());
}

TEST_CASE("stderr is known to be the journal by its own numbers", "[service_manager]") {
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
