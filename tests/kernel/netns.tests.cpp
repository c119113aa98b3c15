// SPDX-License-Identifier: BSD-2-Clause
// The option --netns: only one network namespace is monitored.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "inconclusive.hpp"
#include "tests/catch_compat.hpp"
#include "usual.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t port = own_port(0), only_there = own_port(1);

// The port in one namespace: a listener, and sockets that exist before the detector.
struct Traffic {
    std::vector<Socket> listeners;
    std::vector<Ends> connections;

    void begin(int sockets) {
        listeners.push_back(listen_on(port));
        connections = connect_clients(listeners.front(), port, sockets);
    }
};

jsguard::Options options_in(const std::string& netns) {
    jsguard::Options options = quick_options({});
    options.learn_s = 1;
    options.netns = netns;
    return options;
}

// A process in another namespace, with a listener and both ends of answered, idle connections to
// it.
class ProcessInNamespace {
  public:
    ProcessInNamespace(const OtherNamespace& other, std::uint16_t its_port, int connections) {
        int ready[2];
        REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
        process_ = fork();
        REQUIRE(process_ >= 0);
        if (process_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            std::vector<Socket> listeners;
            std::vector<Ends> idle;
            other.run([&] {
                listeners.push_back(listen_on(its_port));
                idle = connect_clients(listeners.front(), its_port, connections);
                for (const Ends& ends : idle) {
                    ends.client.send("GET / HTTP/1.1\r\n\r\n");
                    ends.server.send("HTTP/1.1 204 No Content\r\n\r\n");
                }
            });
            if (write(ready[1], "", 1) == 1) pause();
            _exit(1);
        }
        close(ready[1]);
        char byte;
        const bool is_ready = read(ready[0], &byte, 1) == 1;
        close(ready[0]);
        REQUIRE(is_ready);
    }
    ~ProcessInNamespace() { end(); }
    ProcessInNamespace(const ProcessInNamespace&) = delete;
    ProcessInNamespace& operator=(const ProcessInNamespace&) = delete;
    void end() {
        if (!process_) return;
        kill(process_, SIGKILL);
        waitpid(process_, nullptr, 0);
        process_ = 0;
    }

  private:
    pid_t process_ = 0;
};

std::uint32_t own_inode() {
    struct stat info {};
    REQUIRE(stat("/proc/self/ns/net", &info) == 0);
    return static_cast<std::uint32_t>(info.st_ino);
}

}  // namespace

TEST_CASE("two detectors monitor one port in two network namespaces, each only its own sockets",
          "[netns]") {
    const TimeCritical time_critical;
    enter_namespace();
    const OtherNamespace other;
    REQUIRE(other.inode() != own_inode());
    Traffic here, there;
    Socket client_there;
    here.begin(3);
    other.run([&] {
        there.begin(7);
        there.listeners.push_back(listen_on(only_there));
        client_there = connect_to(only_there);
    });

    Watched own(options_in(std::to_string(getpid())));
    Watched others(options_in(other.path()));
    Watched of_all(quick_options({port}));
    for (Watched* w : {&own, &others, &of_all}) w->detector.adopt_sockets();
    CHECK(own.detector.reader().monitored_ports() == std::vector<std::uint16_t>{port});
    CHECK(others.detector.reader().monitored_ports() ==
          std::vector<std::uint16_t>{port, only_there});
    CHECK(remembered(own.detector) == 3 + 1);
    CHECK(remembered(others.detector) == 7 + 1 + 2);
    CHECK(remembered(of_all.detector) == 3 + 1 + 7 + 1);
    for (Watched* w : {&own, &others, &of_all}) w->detector.arm_clock();

    // A listener that begins later, and connections.
    const std::uint16_t later = only_there + 1;
    const Socket later_here = listen_on(later);
    const Socket later_client = connect_to(later);
    CHECK(service_id_of(own.detector, later) == 2);
    CHECK(service_id_of(others.detector, later) == 0);
    constexpr int resets_here = 5, resets_there = 9;
    reset_clients(here.listeners.front(), port, resets_here);
    other.run([&] { reset_clients(there.listeners.front(), port, resets_there); });
    const auto resets = [](int number) {
        Transitions wanted;
        wanted[{JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}] = static_cast<std::uint64_t>(number);
        wanted[{JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}] = static_cast<std::uint64_t>(number);
        wanted[{JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE}] = static_cast<std::uint64_t>(number);
        return wanted;
    };
    CHECK(counted(own.detector, service_id_of(own.detector, port)) == resets(resets_here));
    CHECK(counted(others.detector, service_id_of(others.detector, port)) == resets(resets_there));
    CHECK(counted(of_all.detector, 1) == resets(resets_here + resets_there));

    // An attack in the other namespace is no attack in this one.
    std::vector<Ends> attackers;
    other.run([&] { attackers = connect_clients(there.listeners.front(), port, 60); });
    REQUIRE(others.wait(15, [&] {
        own.take_alerts();
        of_all.take_alerts();
        return !others.alerts.empty();
    }));
    CHECK(others.alerts[0].signal == JSG_OCCUPANCY);
    CHECK(others.alerts[0].port == port);
    CHECK(others.alerts[0].netns == other.inode());
    CHECK(others.alerts[0].sockets == 67);
    REQUIRE(own.wait_for_steps(1, 2));
    CHECK(own.alerts.empty());
    CHECK(last_window(own.detector, service_id_of(own.detector, port))->sockets == 3);
    CHECK(own.detector.reader().config().netns == own_inode());
    CHECK(of_all.detector.reader().config().netns == 0);
}

TEST_CASE("a network namespace that ends with live sockets leaves no slots, and raises no alert",
          "[netns]") {
    enter_namespace();
    constexpr int there = 60, here = 7;
    auto other = std::make_unique<OtherNamespace>();
    const std::uint32_t inode = other->inode();
    Watched of_all(quick_options({port}), {{port, usual_baseline()}});
    Watched others(options_in(other->path()));
    Traffic own;
    own.begin(here);
    for (Watched* w : {&of_all, &others}) {
        w->detector.adopt_sockets();
        w->detector.arm_clock();
    }
    // One process owns all sockets of the namespace. It is killed.
    ProcessInNamespace process(*other, port, there);
    const auto steps = [&](std::uint64_t number) {
        REQUIRE(of_all.wait_for_steps(1, number));
        others.take_alerts();
    };
    steps(window_s + 1);  // the window in which the sockets were opened has passed
    CHECK(remembered(of_all.detector) == here + 1 + there + 1);
    CHECK(remembered(others.detector) == there + 1);
    process.end();
    other.reset();
    CHECK(wait_until(10, [&] { return remembered(others.detector) == 0; }));
    CHECK(remembered(of_all.detector) == here + 1);

    // The detectors continue, and raise no alert.
    steps(6);
    CHECK(of_all.alerts.empty());
    CHECK(others.alerts.empty());
    CHECK(last_window(of_all.detector, 1)->sockets == here);
    CHECK(others.service(1).sockets == 0);
    const Transitions all = counted(others.detector, 1);
    std::uint64_t closed = 0;
    for (const auto& [cell, count] : all)
        closed += cell.second == JSG_TCP_CLOSE && cell.first != JSG_TCP_LISTEN ? count : 0;
    CHECK(closed == there);
    for (Watched* w : {&of_all, &others}) {
        CHECK(w->detector.reader().stats().unknown_states == 0);
        CHECK(w->detector.reader().stats().sockets_untracked == 0);
    }
    // While a detector monitors a namespace, the kernel gives its inode number to no other one.
    const OtherNamespace next;
    CHECK(next.inode() != inode);
}

TEST_CASE("a --netns that is no network namespace is refused as a wrong option", "[netns]") {
    // A process that has ended and was waited for has no namespace.
    const pid_t gone = fork();
    REQUIRE(gone >= 0);
    if (gone == 0) _exit(0);
    REQUIRE(waitpid(gone, nullptr, 0) == gone);
    for (const std::string& wrong :
         {std::string("/run/netns/there-is-none"), std::string("/etc/passwd"),
          std::string("/proc/self/ns/uts"), std::string("/"), std::to_string(gone)}) {
        CAPTURE(wrong);
        jsguard::Detector detector;
        try {
            detector.load(options_in(wrong), {});
            FAIL("was accepted");
        } catch (const jsguard::Error& error) {
            CAPTURE(error.what());
            CHECK(error.code() == jsguard::ExitCode::usage);
            CHECK(std::string(error.what()).find(wrong) != std::string::npos);
        }
    }
}
