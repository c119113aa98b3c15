// SPDX-License-Identifier: BSD-2-Clause
// What the tests of the real BPF object share: their own network namespace, sockets, and readers of
// the detector's tables.
#include "testbed.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <exception>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "common/cells.hpp"
#include "inconclusive.hpp"
#include "load/skeleton.hpp"

namespace testbed {
namespace {

constexpr int timeout_ms = 10'000;

int checked(int result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
    return result;
}

// The loopback address of a family, with a port.
struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    Address(Family family, std::uint16_t port, std::uint32_t v4_host = INADDR_LOOPBACK) {
        if (family == Family::v4) {
            auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
            *v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
            v4->sin_addr.s_addr = htonl(v4_host);
            size = sizeof(*v4);
        } else {
            auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
            v6->sin6_family = AF_INET6;
            v6->sin6_port = htons(port);
            v6->sin6_addr = in6addr_loopback;
            size = sizeof(*v6);
        }
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Moves the caller to a new network namespace with nothing but a loopback device.
void make_namespace() {
    checked(unshare(CLONE_NEWNET), "unshare");
    const Socket control(checked(::socket(AF_INET, SOCK_DGRAM, 0), "socket"));
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    checked(ioctl(control.fd(), SIOCSIFFLAGS, &request), "lo up");
}

Socket new_socket(Family family) {
    Socket socket(
        checked(::socket(family == Family::v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0),
                "socket"));
    const int on = 1;
    setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return socket;
}

// The first port of a range that this process locks until it ends. Without root, test cases can be
// listed but not run. Then the lock cannot be taken, and is not needed.
int first_own_port() {
    // These ports are below those of the system tests, of connect_and_abandon(), and of clients.
    constexpr int min_port = 10'000, ranges = 80;
    for (int range = 0; range < ranges; ++range) {
        const std::string name = "/run/lock/jsguard-kernel-test-ports-" + std::to_string(range);
        const int lock = open(name.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
        if (lock < 0 && geteuid() != 0) return min_port;
        checked(lock, name.c_str());
        if (flock(lock, LOCK_EX | LOCK_NB) == 0) return min_port + range * own_ports;
        ::close(lock);
    }
    throw std::runtime_error("all ports are taken by other runs of these tests");
}

}  // namespace

void enter_namespace() {
    static const bool entered = [] {
        make_namespace();
        return true;
    }();
    static_cast<void>(entered);
}

std::uint16_t own_port(int n) {
    static const int first = first_own_port();
    if (n < 0 || n >= own_ports) throw std::out_of_range("a test has own_ports ports");
    return static_cast<std::uint16_t>(first + n);
}

std::string own_pin_dir(const std::string& name) {
    return "/sys/fs/bpf/jsguard-test-" + std::to_string(getpid()) + "-" + name;
}

void Socket::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

void Socket::reset() {
    const linger at_once{1, 0};
    checked(setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), "SO_LINGER");
    close();
}

void Socket::shut_down_sending() { checked(shutdown(fd_, SHUT_WR), "shutdown"); }

void Socket::send(std::string_view text) const {
    checked(static_cast<int>(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL)), "send");
}

std::size_t Socket::send_bytes(std::size_t bytes) const {
    const std::string block(64 * 1024, 'x');
    std::size_t sent = 0;
    while (sent < bytes) {
        const auto now = ::send(fd_, block.data(), std::min(block.size(), bytes - sent),
                                MSG_NOSIGNAL | MSG_DONTWAIT);
        if (now <= 0) break;
        sent += static_cast<std::size_t>(now);
    }
    return sent;
}

std::size_t Socket::receive_bytes(std::size_t bytes) const {
    std::string block(bytes, ' ');
    const auto got = recv(fd_, block.data(), bytes, MSG_DONTWAIT);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

void Socket::wait_for_end() const {
    char byte;
    pollfd wanted{fd_, POLLIN, 0};
    while (poll(&wanted, 1, timeout_ms) == 1) {
        if (recv(fd_, &byte, 1, MSG_DONTWAIT) <= 0) return;
    }
    throw std::runtime_error("the other end did not close");
}

Socket listen_on(std::uint16_t port, Family family, int backlog) {
    Socket socket = new_socket(family);
    const Address address(family, port);
    if (family == Family::v6) {
        const int on = 1;
        setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    checked(bind(socket.fd(), address.get(), address.size), "bind");
    checked(listen(socket.fd(), backlog), "listen");
    return socket;
}

Socket listen_on_both(std::uint16_t port) {
    Socket socket = new_socket(Family::v6);
    const int off = 0;
    setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(port);
    checked(bind(socket.fd(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)), "bind");
    checked(listen(socket.fd(), 4096), "listen");
    return socket;
}

Socket listen_on_shared(std::uint16_t port) {
    Socket socket = new_socket(Family::v4);
    const int on = 1;
    checked(setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), "SO_REUSEPORT");
    const Address address(Family::v4, port);
    checked(bind(socket.fd(), address.get(), address.size), "bind");
    checked(listen(socket.fd(), 4096), "listen");
    return socket;
}

Socket connect_from(const std::string& address, std::uint16_t port) {
    const Family family = address.find(':') == std::string::npos ? Family::v4 : Family::v6;
    Socket socket = new_socket(family);
    // The kernel chooses the port at connect(), so that each address can use all ports.
    const int on = 1;
    setsockopt(socket.fd(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    Address from(family, 0);
    void* host_address =
        family == Family::v4
            ? static_cast<void*>(&reinterpret_cast<sockaddr_in&>(from.storage).sin_addr)
            : &reinterpret_cast<sockaddr_in6&>(from.storage).sin6_addr;
    if (inet_pton(family == Family::v4 ? AF_INET : AF_INET6, address.c_str(), host_address) != 1)
        throw std::runtime_error("no address: " + address);
    checked(bind(socket.fd(), from.get(), from.size), "bind");
    const Address to(family, port);
    checked(connect(socket.fd(), to.get(), to.size), "connect");
    return socket;
}

void add_address(const std::string& address) {
    const Socket control(checked(::socket(AF_INET6, SOCK_DGRAM, 0), "socket"));
    // The same as struct in6_ifreq of linux/ipv6.h, which conflicts with netinet/in.h.
    struct {
        in6_addr address;
        std::uint32_t prefix_bits;
        int interface;
    } request{};
    if (inet_pton(AF_INET6, address.c_str(), &request.address) != 1)
        throw std::runtime_error("no address: " + address);
    request.prefix_bits = 128;
    request.interface = static_cast<int>(if_nametoindex("lo"));
    checked(ioctl(control.fd(), SIOCSIFADDR, &request), "add an address");
}

OtherNamespace::OtherNamespace() {
    int ready[2];
    checked(pipe2(ready, O_CLOEXEC), "pipe");
    process_ = checked(fork(), "fork");
    if (process_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        try {
            make_namespace();
        } catch (...) {
            _exit(1);
        }
        if (write(ready[1], "", 1) == 1) pause();
        _exit(1);
    }
    ::close(ready[1]);
    char byte;
    const bool is_ready = read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
    if (!is_ready) throw std::runtime_error("no other network namespace");
}

OtherNamespace::~OtherNamespace() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
}

std::string OtherNamespace::path() const { return "/proc/" + std::to_string(process_) + "/ns/net"; }

std::uint32_t OtherNamespace::inode() const {
    struct stat info {};
    checked(stat(path().c_str(), &info), "stat");
    return static_cast<std::uint32_t>(info.st_ino);
}

void OtherNamespace::run(const std::function<void()>& function) const {
    std::exception_ptr failure;
    std::thread([&] {
        try {
            const Socket other(checked(open(path().c_str(), O_RDONLY | O_CLOEXEC), "open"));
            checked(setns(other.fd(), CLONE_NEWNET), "setns");
            function();
        } catch (...) {
            failure = std::current_exception();
        }
    }).join();
    if (failure) std::rethrow_exception(failure);
}

Socket connect_to(std::uint16_t port, Family family, std::uint16_t local_port, int receive_buffer) {
    Socket socket = new_socket(family);
    if (receive_buffer)
        setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    if (local_port) {
        // Not the listeners' address: a listener keeps its port on its address for itself.
        const Address local(family, local_port, INADDR_LOOPBACK + 1);
        checked(bind(socket.fd(), local.get(), local.size), "bind");
    }
    const Address address(family, port);
    checked(connect(socket.fd(), address.get(), address.size), "connect");
    return socket;
}

void connect_and_abandon(std::uint16_t port, std::uint32_t number) {
    constexpr std::uint32_t first_host = 0x7f010001;              // 127.1.0.1
    constexpr std::uint32_t first_port = 20'000, ports = 40'000;  // no own_port() is one of them
    const Address from(Family::v4, static_cast<std::uint16_t>(first_port + number % ports),
                       first_host + number / ports);
    const int on = 1;
    const Socket client = new_socket(Family::v4);
    checked(bind(client.fd(), from.get(), from.size), "bind");
    checked(connect(client.fd(), Address(Family::v4, port).get(), from.size), "connect");
    checked(setsockopt(client.fd(), IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), "TCP_REPAIR");
}

Socket accept_from(const Socket& listener) {
    return Socket(checked(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC), "accept"));
}

jsguard::Options options_for(std::vector<std::uint16_t> ports) {
    static int detectors = 0;
    jsguard::Options options;
    // A loaded detector locks its pin directory, so each detector needs its own.
    options.pin_dir = own_pin_dir(std::to_string(++detectors));
    options.ports = std::move(ports);
    options.learn_s = 3600;
    return options;
}

jsguard::Options options_for_own_namespace() {
    jsguard::Options options = options_for({});
    options.netns = std::to_string(getpid());
    return options;
}

void adopt_sockets(jsguard::Detector& detector) {
    constexpr int max_tries = 10;
    for (int tries = 0; tries < max_tries; ++tries) {
        detector.adopt_sockets();
        if (!detector.namespaces_left_out()) return;
    }
    throw std::runtime_error("the open sockets of some network namespaces cannot be read");
}

Transitions counted_late(const jsguard::Detector& detector, std::uint32_t service_id) {
    const auto& cells = detector.skeleton().bss->jsg_late[service_id].transitions;
    Transitions counted;
    for (int cell = 0; cell < JSG_TRANSITION_CELLS; ++cell) {
        if (cells[cell]) counted[{cell / JSG_STATES, cell % JSG_STATES}] = cells[cell];
    }
    return counted;
}

Transitions counted(const jsguard::Detector& detector, std::uint32_t service_id) {
    Transitions counted;
    for (const jsg_counters& row : detector.reader().counters(service_id)) {
        for (int cell = 0; cell < JSG_TRANSITION_CELLS; ++cell) {
            if (row.transitions[cell])
                counted[{cell / JSG_STATES, cell % JSG_STATES}] += row.transitions[cell];
        }
    }
    for (const auto& [cell, count] : counted_late(detector, service_id)) counted[cell] += count;
    return counted;
}

std::ostream& operator<<(std::ostream& out, const Transitions& transitions) {
    for (const auto& [cell, count] : transitions)
        out << jsguard::transition_name(jsg_transition_cell(static_cast<__u32>(cell.first),
                                                            static_cast<__u32>(cell.second)))
            << " " << count << "; ";
    return out;
}

std::size_t remembered(const jsguard::Detector& detector) {
    std::size_t used = 0;
    for (const jsg_slot& slot : detector.skeleton().bss->jsg_slots) used += slot.sk != 0;
    return used;
}

std::optional<jsg_window> window(const jsguard::Detector& detector, std::uint32_t service_id,
                                 std::uint64_t sequence) {
    const jsguard::MapReader& reader = detector.reader();
    return reader.window(service_id, reader.service(service_id), sequence);
}

std::optional<jsg_window> last_window(const jsguard::Detector& detector, std::uint32_t service_id) {
    return window(detector, service_id, detector.reader().service(service_id).sequence);
}

jsg_reading reading(const jsguard::Detector& detector, std::uint32_t service_id,
                    std::uint64_t sequence) {
    return detector.reader().reading(service_id, sequence);
}

std::uint32_t service_id_of(const jsguard::Detector& detector, std::uint16_t port) {
    const std::uint32_t id = detector.skeleton().bss->jsg_service_of_port[port];
    return id <= JSG_SERVICES ? id : 0;
}

double now_s() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void pause_ms(int ms) {
    const timespec time{ms / 1000, ms % 1000 * 1'000'000L};
    const double before = now_s();
    nanosleep(&time, nullptr);
    const double after = now_s();
    if (TimeCritical* critical = TimeCritical::current())
        critical->add_late_sleep(after, after - before - ms * 1e-3);
}

}  // namespace testbed
