// SPDX-License-Identifier: BSD-2-Clause
// The life of a service entry: who claims it, who keeps it, when it is released, and that no port
// loses its monitoring on the way.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <atomic>
#include <random>
#include <thread>

#include "inconclusive.hpp"
#include "usual.hpp"

using namespace testbed;

namespace {

// A service entry is released after this time, not after a minute.
constexpr std::uint32_t release_s = 2;

jsguard::Options short_lived_options() {
    jsguard::Options options = options_for_own_namespace();
    options.release_after_s = release_s;
    return options;
}

void start(jsguard::Detector& detector, const jsguard::Options& options,
           const jsguard::Baselines& baselines = {}) {
    enter_namespace();
    detector.load(options, baselines);
    detector.attach();
    detector.arm_clock();
}

bool is_monitored(const jsguard::Detector& detector, std::uint16_t port) {
    const std::uint32_t id = service_id_of(detector, port);
    return id != 0 && detector.reader().service(id).port == port;
}

jsg_service service_of(const jsguard::Detector& detector, std::uint16_t port) {
    const std::uint32_t id = service_id_of(detector, port);
    return id != 0 ? detector.reader().service(id) : jsg_service{};
}

// One connection that both ends close.
void visit(std::uint16_t port) { connect_to(port).close(); }

std::uint16_t port_of(const Socket& socket) {
    sockaddr_in address{};
    socklen_t size = sizeof(address);
    REQUIRE(getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
}

// Makes a socket that listened, or was connected, one that does neither.
void disconnect(const Socket& socket) {
    sockaddr nowhere{};
    nowhere.sa_family = AF_UNSPEC;
    REQUIRE(connect(socket.fd(), &nowhere, sizeof(nowhere)) == 0);
}

void bind_and_listen(const Socket& socket, std::uint16_t port) {
    const int on = 1;
    setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(listen(socket.fd(), 16) == 0);
}

}  // namespace

TEST_CASE("a listener takes no service entry, and its first accepted connection does",
          "[service life]") {
    const std::uint16_t port = own_port(0);
    jsguard::Detector detector;
    start(detector, options_for_own_namespace());
    const Socket listener = listen_on(port);
    CHECK_FALSE(is_monitored(detector, port));
    CHECK(remembered(detector) == 1);  // it has a slot, without a service
    const Socket client = connect_to(port);
    REQUIRE(wait_until(1, [&] { return is_monitored(detector, port); }));
    const std::uint32_t id = service_id_of(detector, port);
    Transitions first;
    first[{JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}] = 1;
    first[{JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}] = 1;
    CHECK(counted(detector, id) == first);
    CHECK(wait_until(4, [&] {
        const jsg_service service = detector.reader().service(id);
        return service.listeners == 1 && service.sockets == 1;
    }));
}

TEST_CASE("the time that a listener waits for its first connection counts as learned",
          "[service life]") {
    const std::uint16_t port = own_port(0);
    jsguard::Options options = options_for_own_namespace();
    options.learn_s = 4;
    jsguard::Detector detector;
    start(detector, options);
    const Socket listener = listen_on(port);
    pause_ms(5000);
    const Socket client = connect_to(port);
    REQUIRE(wait_until(1, [&] { return is_monitored(detector, port); }));
    const double connected = now_s();
    CHECK(wait_until(4, [&] { return service_of(detector, port).mode == JSG_STILL_LEARNING; }));
    CHECK(now_s() - connected < 3.5);
    const std::uint32_t id = service_id_of(detector, port);
    CHECK(detector.reader().pending_baseline(id).learned_s >= 4);
}

TEST_CASE("stalled connections that are the first ones of an idle listener raise an alert",
          "[service life][slow]") {
    const std::uint16_t port = own_port(0);
    jsguard::Options options = options_for_own_namespace();
    options.learn_s = 2;
    Watched w(options);
    const Socket listener = listen_on(port);
    w.detector.arm_clock();
    pause_ms(4000);  // longer than the first learning time
    const auto stalled = connect_clients(listener, port, 200);
    REQUIRE(w.wait(30, [&] { return !w.alerts.empty(); }));
    CHECK(w.alerts[0].event == JSG_RAISE);
    CHECK(w.alerts[0].signal == JSG_OCCUPANCY);
    CHECK(w.alerts[0].port == port);
    const jsg_service service = service_of(w.detector, port);
    CHECK(service.mode == JSG_STILL_LEARNING);
    CHECK(service.baselines_learned == 0);
}

// The release is decided by samples that are up to a step old. A listener that begins in between
// must not lose its monitoring.
TEST_CASE("200 restarts around the release time lose no listener", "[service life][many ports]") {
    constexpr int ports = 40, rounds = 5;
    jsguard::Detector detector;
    start(detector, short_lived_options());
    std::mt19937 random(15);
    std::uniform_int_distribution<int> late_ms(-300, 2700);
    for (int round = 0; round < rounds; ++round) {
        std::vector<Socket> listeners;
        for (int i = 0; i < ports; ++i) {
            listeners.push_back(listen_on(own_port(i)));
            visit(own_port(i));
        }
        for (int i = 0; i < ports; ++i)
            REQUIRE(wait_until(2, [&] { return is_monitored(detector, own_port(i)); }));
        listeners.clear();
        const double closed = now_s();
        std::vector<std::pair<double, int>> restarts;
        for (int i = 0; i < ports; ++i)
            restarts.emplace_back(closed + release_s + late_ms(random) / 1000.0, i);
        std::sort(restarts.begin(), restarts.end());
        for (const auto& [at, i] : restarts) {
            while (now_s() < at) pause_ms(1);
            listeners.push_back(listen_on(own_port(i)));
            visit(own_port(i));
        }
        pause_ms(3200);  // every entry that was leaving is empty or in use by now
        for (int i = 0; i < ports; ++i) {
            CAPTURE(round, i);
            visit(own_port(i));
            CHECK(wait_until(1, [&] { return is_monitored(detector, own_port(i)); }));
            CHECK(wait_until(3, [&] { return service_of(detector, own_port(i)).listeners == 1; }));
        }
        CHECK(detector.reader().monitored_ports().size() == ports);
    }
    CHECK(detector.reader().stats().services_refused == 0);
    CHECK(detector.reader().stats().sockets_untracked == 0);
}

TEST_CASE("a listener that returns while its entry leaves keeps the entry and its baseline",
          "[service life]") {
    const std::uint16_t port = own_port(0);
    jsguard::Detector detector;
    start(detector, short_lived_options(), {{port, usual_baseline()}});
    int kept = 0;
    for (int round = 0; round < 4; ++round) {
        {
            const Socket listener = listen_on(port);
            visit(port);
            REQUIRE(
                wait_until(4, [&] { return service_of(detector, port).mode == JSG_MONITORING; }));
        }
        const std::uint32_t id = service_id_of(detector, port);
        const std::uint64_t started = detector.reader().service(id).started_ns;
        REQUIRE(wait_until(10, [&] { return detector.reader().service(id).mode == JSG_LEAVING; }));
        const Socket listener = listen_on(port);
        if (!wait_until(3, [&] { return is_monitored(detector, port); })) continue;  // too late
        const jsg_service service = service_of(detector, port);
        if (service.started_ns != started) continue;
        ++kept;
        CHECK(wait_until(3, [&] { return service_of(detector, port).mode == JSG_MONITORING; }));
    }
    CHECK(kept > 0);
}

TEST_CASE("two CPUs that accept a port's first connections at once claim one entry",
          "[service life][many ports]") {
    constexpr int ports = 40;
    jsguard::Detector detector;
    enter_namespace();
    detector.load(options_for_own_namespace(), {});
    detector.attach();
    adopt_sockets(
        detector);  // so that transitions are counted for which the kernel runs no program
    detector.arm_clock();
    std::vector<Socket> listeners;
    for (int i = 0; i < ports; ++i) {
        for (int n = 0; n < 2; ++n) listeners.push_back(listen_on_shared(own_port(i)));
    }
    std::atomic<int> ready{0};
    const auto connect_all = [&](int cpu) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(static_cast<std::size_t>(cpu), &set);
        pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
        for (int i = 0; i < ports; ++i) {
            ++ready;
            while (ready < 2 * (i + 1)) {
            }
            visit(own_port(i));
        }
    };
    enter_namespace();
    std::thread one(connect_all, 0), other(connect_all, 1);
    one.join();
    other.join();
    for (int i = 0; i < ports; ++i) {
        CAPTURE(i);
        const std::uint16_t port = own_port(i);
        CHECK(is_monitored(detector, port));
        // A claim that gives up sets this bit. The kernel may skip the program for a transition, so
        // the counts alone would not show a lost claim.
        CHECK((detector.skeleton().bss->jsg_port_untracked[port / 64] >> port % 64 & 1) == 0);
        CHECK(counted(detector, service_id_of(detector, port))[{JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}] >
              0);
    }
    CHECK(detector.reader().monitored_ports().size() == ports);
    CHECK(detector.reader().stats().sockets_untracked == 0);
}

TEST_CASE("a listener whose port the kernel chose is monitored", "[service life]") {
    jsguard::Detector detector;
    start(detector, options_for_own_namespace());
    const Socket listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(listen(listener.fd(), 16) == 0);  // without bind()
    const std::uint16_t port = port_of(listener);
    const Socket client = connect_to(port);
    REQUIRE(wait_until(1, [&] { return is_monitored(detector, port); }));
    CHECK(wait_until(3, [&] {
        const jsg_service service = service_of(detector, port);
        return service.listeners == 1 && service.sockets == 1;
    }));
}

TEST_CASE("a socket that leaves its port gives its slot back, and the port its entry",
          "[service life]") {
    const std::uint16_t next = own_port(1);
    jsguard::Detector detector;
    start(detector, short_lived_options());
    // Without bind() the kernel chooses a port, and takes it back when the socket is disconnected.
    Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(listen(socket.fd(), 16) == 0);
    const std::uint16_t port = port_of(socket);
    visit(port);
    REQUIRE(wait_until(3, [&] { return service_of(detector, port).listeners == 1; }));
    disconnect(socket);
    SECTION("the process keeps it closed") {}
    SECTION("it listens on another port") {
        bind_and_listen(socket, next);
        visit(next);
        CHECK(wait_until(3, [&] { return service_of(detector, next).listeners == 1; }));
        socket.close();
    }
    SECTION("it is closed") { socket.close(); }
    CHECK(wait_until(10, [&] { return !is_monitored(detector, port); }));
    CHECK(wait_until(3, [&] { return remembered(detector) == 0; }));
}

TEST_CASE("a connection that is bound to another port before it ends gives its slot back",
          "[service life]") {
    const std::uint16_t port = own_port(0), next = own_port(1);
    jsguard::Detector detector;
    start(detector, short_lived_options());
    Socket listener = listen_on(port);
    std::vector<Socket> clients, servers;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(connect_to(port));
        servers.push_back(accept_from(listener));
    }
    REQUIRE(wait_until(3, [&] { return service_of(detector, port).sockets == 8; }));
    for (std::size_t i = 0; i < servers.size(); ++i) {
        disconnect(servers[i]);
        bind_and_listen(servers[i], static_cast<std::uint16_t>(next + i));
    }
    listener.close();
    servers.clear();
    clients.clear();
    CHECK(wait_until(10, [&] { return !is_monitored(detector, port); }));
    CHECK(wait_until(5, [&] { return remembered(detector) == 0; }));
}

TEST_CASE("a listener that connects later is not sampled as an accepted connection",
          "[service life]") {
    const std::uint16_t port = own_port(0), other = own_port(1);
    jsguard::Detector detector;
    start(detector, options_for({port}));
    const Socket target = listen_on(other);
    const Socket socket = listen_on(port);
    disconnect(socket);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(other);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(port_of(socket) == port);
    pause_ms(2500);
    CHECK(service_of(detector, port).sockets == 0);
    CHECK(remembered(detector) == 0);
}

// A client of an FTP server makes it listen on many ports.
TEST_CASE("many ports that are used once do not keep a new server from its entry",
          "[service life][many ports]") {
    constexpr int passive = 90;
    const std::uint16_t named_port = own_port(passive), web = own_port(passive + 1);
    jsguard::Detector detector;
    start(detector, options_for_own_namespace());
    const Socket named = listen_on(named_port);
    const Socket named_client = connect_to(named_port);
    bool connects = false;
    SECTION("listeners alone") {}
    SECTION("each with a connection") { connects = true; }
    {
        std::vector<Socket> listeners;
        for (int i = 0; i < passive; ++i) {
            listeners.push_back(listen_on(own_port(i)));
            if (connects) visit(own_port(i));
        }
    }
    const Socket server = listen_on(web);
    CHECK(wait_until(12, [&] {
        visit(web);
        pause_ms(100);
        return is_monitored(detector, web);
    }));
    CHECK(is_monitored(detector, named_port));
    CHECK((detector.reader().stats().services_refused > 0) == connects);
}

TEST_CASE("a full table of ports in use takes no entry from any, and says so",
          "[service life][many ports]") {
    jsguard::Detector detector;
    start(detector, short_lived_options());
    std::vector<Socket> listeners;
    for (int i = 0; i < JSG_SERVICES; ++i) {
        listeners.push_back(listen_on(own_port(i)));
        visit(own_port(i));
    }
    const std::uint16_t more = own_port(JSG_SERVICES);
    const Socket one_more = listen_on(more);
    visit(more);
    CHECK(detector.reader().stats().services_refused == 1);
    pause_ms(4500);
    visit(more);
    CHECK_FALSE(is_monitored(detector, more));
    CHECK(detector.reader().stats().services_refused == 1);  // counted once for each port
    for (int i = 0; i < JSG_SERVICES; ++i) CHECK(is_monitored(detector, own_port(i)));
    // When one of them ends, the port gets its entry.
    listeners[7].close();
    CHECK(wait_until(10, [&] {
        visit(more);
        pause_ms(50);
        return is_monitored(detector, more);
    }));
}

TEST_CASE("a named port keeps its entry while others need entries", "[service life][many ports]") {
    const std::uint16_t named_port = own_port(0);
    jsguard::Options options = options_for({named_port});
    options.release_after_s = 1;
    jsguard::Detector detector;
    start(detector, options);
    pause_ms(3500);
    CHECK(is_monitored(detector, named_port));
}

TEST_CASE("the next port in an entry does not inherit untracked sockets", "[service life]") {
    jsguard::Detector detector;
    start(detector, short_lived_options());
    const std::uint16_t port = own_port(0);
    {
        const Socket listener = listen_on(port);
        visit(port);
        REQUIRE(wait_until(1, [&] { return is_monitored(detector, port); }));
    }
    const std::uint32_t id = service_id_of(detector, port);
    auto& late = detector.skeleton().bss->jsg_late[id];
    late.untracked_opened = late.untracked_closed = 5;
    REQUIRE(wait_until(10, [&] { return detector.reader().service(id).port == 0; }));
    CHECK(late.untracked_opened == 0);
    CHECK(late.untracked_closed == 0);
    const Socket listener = listen_on(own_port(1));
    const Socket client = connect_to(own_port(1));
    REQUIRE(service_id_of(detector, own_port(1)) == id);
    CHECK(wait_until(4, [&] { return detector.reader().service(id).sockets == 1; }));
}

TEST_CASE("baselines of more ports than there are entries wait until their ports are used",
          "[service life][many ports]") {
    jsguard::Baselines baselines;
    for (int port = 1; port <= 300; ++port)
        baselines[static_cast<std::uint16_t>(port)] = usual_baseline();
    const std::uint16_t used = own_port(0);
    baselines[used] = usual_baseline();
    jsguard::Detector detector;
    start(detector, short_lived_options(), baselines);
    CHECK(detector.reader().monitored_ports().empty());
    CHECK(detector.reader().learned_baselines().size() == baselines.size());
    {
        const Socket listener = listen_on(used);
        visit(used);
        REQUIRE(wait_until(4, [&] { return service_of(detector, used).mode == JSG_MONITORING; }));
        CHECK(detector.reader().learned_baselines().size() == baselines.size());
        CHECK(service_of(detector, used).pinned == 0);
    }
    CHECK(wait_until(10, [&] { return !is_monitored(detector, used); }));
    CHECK(detector.reader().learned_baselines().size() == baselines.size());
    // The port gets its baseline again.
    const Socket listener = listen_on(used);
    visit(used);
    CHECK(wait_until(4, [&] { return service_of(detector, used).mode == JSG_MONITORING; }));
}

TEST_CASE("a request to relearn is for ports without an entry too", "[service life]") {
    const std::uint16_t idle = own_port(0), leaving = own_port(1);
    jsguard::Detector detector;
    start(detector, short_lived_options(), {{idle, usual_baseline()}, {leaving, usual_baseline()}});
    {
        const Socket listener = listen_on(leaving);
        visit(leaving);
        REQUIRE(
            wait_until(4, [&] { return service_of(detector, leaving).mode == JSG_MONITORING; }));
    }
    REQUIRE(wait_until(10, [&] {
        return detector.reader().service(1).mode == JSG_LEAVING || !is_monitored(detector, leaving);
    }));
    CHECK(detector.reader().request_relearning() >= 1);
    CHECK(wait_until(10, [&] { return detector.reader().service(1).port == 0; }));
    CHECK(detector.reader().learned_baselines().empty());
    for (const std::uint16_t port : {idle, leaving}) {
        const Socket listener = listen_on(port);
        visit(port);
        REQUIRE(wait_until(4, [&] { return service_of(detector, port).sequence > 0; }));
        CHECK(service_of(detector, port).mode == JSG_LEARNING);
    }
}
