// SPDX-License-Identifier: BSD-2-Clause
// segment-reader: asks a server for a large answer, and takes one small segment of it each second.
//
// The kernel's TCP opens a small window in jumps of more than 1,000 bytes, so this program has its
// own TCP, over a raw socket: a SYN with a small MSS, a request, and then each second a window of
// one segment. The kernel knows nothing of these connections and would reset them, so a firewall
// rule must drop its resets. Packets of this program have the mark 1.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "address.hpp"
#include "own_load.hpp"
#include "program.hpp"

namespace {

struct Options {
    std::string target;
    std::string path = "/huge.bin";
    int count = 100;
    double rate = 50;
    double every_s = 1;
    std::uint16_t segment = 88;
    double duration_s = 60;
};

constexpr std::uint16_t first_port = 20'000;  // of this program; below the kernel's own range
constexpr double syn_again_s = 1;

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// The address from which the kernel reaches the target.
Address source_of(const Address& target) {
    const int fd = socket(target.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    Address source;
    source.size = sizeof(source.storage);
    const bool found =
        connect(fd, target.get(), target.size) == 0 &&
        getsockname(fd, reinterpret_cast<sockaddr*>(&source.storage), &source.size) == 0;
    close(fd);
    if (!found) fail("no route");
    return source;
}

// The bytes of an IPv4 or IPv6 address.
std::string_view bytes_of(const sockaddr_storage& address) {
    const char* begin = reinterpret_cast<const char*>(&address);
    if (address.ss_family == AF_INET)
        return {begin + offsetof(sockaddr_in, sin_addr), sizeof(in_addr)};
    return {begin + offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr)};
}

// The sum of 16-bit words, as the Internet checksum adds them.
std::uint32_t sum_of(std::string_view data) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < data.size(); i++) {
        const auto byte = static_cast<unsigned char>(data[i]);
        sum += i % 2 == 0 ? std::uint32_t{byte} << 8 : byte;
    }
    return sum;
}

struct Connection {
    enum class State { closed, syn_sent, established, over };
    State state = State::closed;
    std::uint32_t next_sent = 0;      // sequence number of the next byte from this side
    std::uint32_t next_received = 0;  // and from the server
    double due_s = INFINITY;
    std::uint64_t received = 0;
    std::uint64_t segments = 0;
};

class Reader {
  public:
    explicit Reader(const Options& options)
        : options_(options), target_(resolve_address(options.target)), source_(source_of(target_)) {
        // The port is at the same offset in both kinds of addresses. A raw socket of IPv6 takes
        // none.
        char* port = reinterpret_cast<char*>(&target_.storage) + offsetof(sockaddr_in, sin_port);
        std::memcpy(&port_, port, sizeof(port_));
        const int family = target_.storage.ss_family;
        if (family == AF_INET6) std::memset(port, 0, sizeof(port_));
        fd_ = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
        if (fd_ < 0) fail("raw socket");
        const int mark = 1, buffer = 8 << 20;
        if (setsockopt(fd_, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0) fail("SO_MARK");
        setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
        request_ = fmt::format("GET {} HTTP/1.1\r\nHost: field\r\n\r\n", options.path);
        connections_.resize(static_cast<std::size_t>(options.count));
    }
    ~Reader() {
        for (std::size_t i = 0; i < connections_.size(); i++)
            if (connections_[i].state == Connection::State::established) send(i, TH_RST, 0, {});
        close(fd_);
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    void run() {
        while (!stop_asked && now_s() < start_ + options_.duration_s) {
            open_due();
            wake_due();
            wait();
            own_load_.check(now_s());
        }
    }

    bool print_summary() const {
        std::uint64_t established = 0, over = 0, received = 0, segments = 0;
        for (const Connection& connection : connections_) {
            established += connection.received > 0 ? 1 : 0;
            over += connection.state == Connection::State::over ? 1 : 0;
            received += connection.received;
            segments += connection.segments;
        }
        fmt::print(
            "segment-reader {}: {} established, {} ended by the server, {} segments, {} bytes\n",
            options_.target, established, over, segments, received);
        fmt::print("{}\n", own_load_.text(now_s()));
        return established == connections_.size();
    }

  private:
    std::uint16_t port_of(std::size_t i) const {
        return static_cast<std::uint16_t>(first_port + i);
    }

    void send(std::size_t i, std::uint8_t flags, std::uint16_t window, std::string_view data) {
        Connection& connection = connections_[i];
        tcphdr head = {};
        head.th_sport = htons(port_of(i));
        head.th_dport = port_;
        head.th_seq = htonl(connection.next_sent);
        head.th_ack = htonl(flags == TH_SYN ? 0 : connection.next_received);
        head.th_flags = flags;
        head.th_win = htons(window);
        std::string packet;
        if (flags == TH_SYN) {
            head.th_off = (sizeof(head) + 4) / 4;
            packet.assign(reinterpret_cast<const char*>(&head), sizeof(head));
            packet += {'\2', '\4', static_cast<char>(options_.segment >> 8),
                       static_cast<char>(options_.segment & 0xff)};
        } else {
            head.th_off = sizeof(head) / 4;
            packet.assign(reinterpret_cast<const char*>(&head), sizeof(head));
            packet += data;
        }
        // The addresses count too, then the protocol and the size, for IPv4 and IPv6 alike.
        std::uint32_t sum = sum_of(bytes_of(source_.storage)) + sum_of(bytes_of(target_.storage)) +
                            IPPROTO_TCP + static_cast<std::uint32_t>(packet.size()) +
                            sum_of(packet);
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        const std::uint16_t check = htons(static_cast<std::uint16_t>(~sum));
        std::memcpy(packet.data() + offsetof(tcphdr, th_sum), &check, sizeof(check));
        // A full queue loses the packet, and TCP repeats it.
        if (sendto(fd_, packet.data(), packet.size(), 0, target_.get(), target_.size) < 0 &&
            errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
            fail("sendto");
    }

    void open_due() {
        while (opened_ < connections_.size() &&
               start_ + static_cast<double>(opened_) / options_.rate <= now_s()) {
            Connection& connection = connections_[opened_];
            connection.state = Connection::State::syn_sent;
            connection.next_sent = 1000;
            connection.due_s = now_s();
            opened_++;
        }
    }

    void wake_due() {
        for (std::size_t i = 0; i < opened_; i++) {
            Connection& connection = connections_[i];
            const double now = now_s();
            if (connection.due_s > now) continue;
            own_load_.acted(now - connection.due_s);
            if (connection.state == Connection::State::syn_sent) {
                send(i, TH_SYN, options_.segment, {});
                connection.due_s = now + syn_again_s;
            } else {
                send(i, TH_ACK, options_.segment, {});  // room for one segment
                connection.due_s += options_.every_s;
            }
        }
    }

    void wait() {
        double next = now_s() + 0.5;
        if (opened_ < connections_.size())
            next = std::min(next, start_ + static_cast<double>(opened_) / options_.rate);
        for (const Connection& connection : connections_) next = std::min(next, connection.due_s);
        pollfd wanted = {fd_, POLLIN, 0};
        const int ms = static_cast<int>(std::ceil(std::max(next - now_s(), 0.0) * 1000));
        if (poll(&wanted, 1, ms) < 0 && errno != EINTR) fail("poll");
        std::array<unsigned char, 65536> packet;
        sockaddr_storage from = {};
        socklen_t from_size = sizeof(from);
        ssize_t got;
        while ((got = recvfrom(fd_, packet.data(), packet.size(), 0,
                               reinterpret_cast<sockaddr*>(&from), &from_size)) > 0) {
            if (bytes_of(from) == bytes_of(target_.storage))
                take(packet.data(), static_cast<std::size_t>(got));
            from_size = sizeof(from);
        }
    }

    // A packet of the target. The kernel has checked it. Over IPv4 it begins with its IP head.
    void take(const unsigned char* packet, std::size_t size) {
        tcphdr tcp;
        const std::size_t tcp_at =
            target_.storage.ss_family == AF_INET && size > 0 ? (packet[0] & 0xfu) * 4u : 0;
        if (size < tcp_at + sizeof(tcp)) return;
        std::memcpy(&tcp, packet + tcp_at, sizeof(tcp));
        const std::size_t i = static_cast<std::size_t>(ntohs(tcp.th_dport)) - first_port;
        if (tcp.th_sport != port_ || i >= opened_) return;
        const std::size_t data_at = tcp_at + tcp.th_off * 4u;
        on_segment(i, tcp, size < data_at ? 0 : static_cast<std::uint32_t>(size - data_at));
    }

    void on_segment(std::size_t i, const tcphdr& tcp, std::uint32_t size) {
        Connection& connection = connections_[i];
        if (connection.state == Connection::State::over) return;
        if ((tcp.th_flags & (TH_RST | TH_FIN)) != 0) {
            connection.state = Connection::State::over;
            connection.due_s = INFINITY;
            return;
        }
        if (connection.state == Connection::State::syn_sent) {
            if ((tcp.th_flags & TH_SYN) == 0) return;
            connection.state = Connection::State::established;
            connection.next_sent++;
            connection.next_received = ntohl(tcp.th_seq) + 1;
            connection.due_s = now_s() + options_.every_s;
            send(i, TH_ACK | TH_PUSH, options_.segment, request_);
            connection.next_sent += static_cast<std::uint32_t>(request_.size());
            return;
        }
        if (ntohl(tcp.th_seq) == connection.next_received && size > 0) {
            connection.next_received += size;
            connection.received += size;
            connection.segments++;
        }
        if (size > 0 || ntohl(tcp.th_seq) != connection.next_received)
            send(i, TH_ACK, 0, {});  // the next segment has to wait; this also answers probes
    }

    const Options& options_;
    Address target_;
    Address source_;
    std::uint16_t port_ = 0;  // of the target, in network order
    int fd_ = -1;
    std::string request_;
    std::vector<Connection> connections_;
    std::size_t opened_ = 0;
    double start_ = now_s();
    OwnLoad own_load_{"segment-reader", start_};
};

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Takes one small segment of a large answer each second, on many connections.",
                 "segment-reader");
    app.footer(
        "The firewall must drop the kernel's own resets: nft add rule ... tcp flags rst meta "
        "mark != 1 drop");
    app.add_option("target", options.target, "ADDRESS:PORT or [IPV6]:PORT")->required();
    app.add_option("--count", options.count, "Connections")
        ->check(CLI::Range(1, 5000))
        ->capture_default_str();
    app.add_option("--rate", options.rate, "New connections a second")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--every", options.every_s, "Seconds between two segments")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--bytes", options.segment, "Bytes of a segment")
        ->check(CLI::Range(88, 1400))
        ->capture_default_str();
    app.add_option("--path", options.path, "Path to request")->capture_default_str();
    app.add_option("--duration", options.duration_s, "Seconds")
        ->check(CLI::Range(0.1, 86'400.0))
        ->capture_default_str();
    if (const auto code = parse(app, argc, argv)) return *code;

    stop_at_signals();
    try {
        Reader reader(options);
        reader.run();
        return reader.print_summary() ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "segment-reader: {}\n", error.what());
        return 1;
    }
}
