// SPDX-License-Identifier: BSD-2-Clause
// What the tests of the real BPF object share: their own network namespace, sockets, and readers of
// the detector's tables.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "kernel/layouts.h"
#include "load/detector.hpp"

namespace testbed {

// Moves this thread, and what it starts later, to a network namespace with only a loopback device.
// Only the first call does so. The tracepoint still sees all namespaces, so use own_port()s only.
void enter_namespace();

// The nth port of this process, with n from 0 to own_ports - 1. No other running test process has
// it.
constexpr int own_ports = 100;
std::uint16_t own_port(int n);

// A pin directory of this process. The name distinguishes several of them.
std::string own_pin_dir(const std::string& name);

// Another network namespace, and a process in it that does nothing.
class OtherNamespace {
  public:
    OtherNamespace();
    ~OtherNamespace();
    OtherNamespace(const OtherNamespace&) = delete;
    OtherNamespace& operator=(const OtherNamespace&) = delete;
    int process() const { return process_; }
    // A path that another process can open.
    std::string path() const;
    std::uint32_t inode() const;
    // Runs a function in the namespace, on a separate thread. Its sockets belong to the namespace.
    void run(const std::function<void()>& function) const;

  private:
    int process_;
};

// A socket that closes itself.
class Socket {
  public:
    explicit Socket(int fd = -1) : fd_(fd) {}
    ~Socket() { close(); }
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    int fd() const { return fd_; }
    void close();
    void reset();  // closes with RST
    void shut_down_sending();
    void send(std::string_view text) const;
    // Sends at most this many bytes, without waiting. Returns how many it sent.
    std::size_t send_bytes(std::size_t bytes) const;
    std::size_t receive_bytes(std::size_t bytes) const;
    // Waits (10 s at most) until the other end has closed or reset.
    void wait_for_end() const;

  private:
    int fd_;
};

enum class Family { v4, v6 };

Socket listen_on(std::uint16_t port, Family family = Family::v4, int backlog = 4096);
// Accepts IPv6 clients, and IPv4 clients with addresses mapped into IPv6.
Socket listen_on_both(std::uint16_t port);
// One of several listeners that share a port.
Socket listen_on_shared(std::uint16_t port);
// Connects from an address of the test's namespace, as text, to the loopback address of its family.
Socket connect_from(const std::string& address, std::uint16_t port);
// Gives the loopback device another IPv6 address.
void add_address(const std::string& address);
// local_port: 0, or the port to bind to first. receive_buffer: 0, or SO_RCVBUF.
Socket connect_to(std::uint16_t port, Family family = Family::v4, std::uint16_t local_port = 0,
                  int receive_buffer = 0);
// A client that disappears without FIN or RST, as if its line was cut. Only the server's side of
// the connection remains, and it takes no descriptor. Each number gives its own address and port.
void connect_and_abandon(std::uint16_t port, std::uint32_t number);
Socket accept_from(const Socket& listener);

// The options that the tests start from: a learning time that is longer than the test. Each call
// gives a pin directory that no other detector has.
jsguard::Options options_for(std::vector<std::uint16_t> ports);
// The same for every port with an accepted connection in this process's network namespace, after
// enter_namespace(). A detector of every namespace would monitor the ports of other tests too.
jsguard::Options options_for_own_namespace();

// Adopts all open sockets. If a process ends while this happens, its namespace may seem to be left
// out, and then the detector counts nothing late. So this is repeated until no namespace is left
// out.
void adopt_sockets(jsguard::Detector& detector);

// Counts of transitions, by (old state, new state). Counts of 0 are left out.
struct Transitions : std::map<std::pair<int, int>, std::uint64_t> {};
std::ostream& operator<<(std::ostream& out, const Transitions& transitions);

// The transitions of a service that were missed when they happened and counted later.
Transitions counted_late(const jsguard::Detector& detector, std::uint32_t service_id);

// All transitions of a service.
Transitions counted(const jsguard::Detector& detector, std::uint32_t service_id);

// The number of slots in use.
std::size_t remembered(const jsguard::Detector& detector);

// The last window record of a service.
std::optional<jsg_window> last_window(const jsguard::Detector& detector, std::uint32_t service_id);
std::optional<jsg_window> window(const jsguard::Detector& detector, std::uint32_t service_id,
                                 std::uint64_t sequence);
// The reading with that sequence number, if it is still kept.
jsg_reading reading(const jsguard::Detector& detector, std::uint32_t service_id,
                    std::uint64_t sequence);

// The service ID of a port, or 0.
std::uint32_t service_id_of(const jsguard::Detector& detector, std::uint16_t port);

// Waits until the condition is true, for at most this many seconds. Returns whether it became true.
template <typename Condition>
bool wait_until(double seconds, Condition condition);

double now_s();
void pause_ms(int ms);

template <typename Condition>
bool wait_until(double seconds, Condition condition) {
    for (const double end = now_s() + seconds; now_s() < end; pause_ms(5)) {
        if (condition()) return true;
    }
    return condition();
}

}  // namespace testbed
