// SPDX-License-Identifier: BSD-2-Clause
// Connections that are accepted, answered and closed by FIN, one after the other, on loopback.
#include "visits.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string_view>
#include <system_error>

namespace bench {
namespace {

// What ends in TIME_WAIT keeps its pair of addresses for a minute: so many from one client address.
constexpr std::uint64_t visits_of_client = 10'000;
constexpr std::uint32_t first_client = 0x7f010001;  // 127.1.0.1

constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";

sockaddr_in address_of(std::uint32_t host, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(host);
    return address;
}

void need(bool done, const char* what) {
    if (!done) throw std::system_error(errno, std::generic_category(), what);
}

testbed::Socket connect_from(std::uint32_t host, std::uint16_t port) {
    const auto from = address_of(host, 0), to = address_of(INADDR_LOOPBACK, port);
    const int on = 1;
    testbed::Socket client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // So that bind() leaves the choice of a port to connect(), which knows the other end.
    setsockopt(client.fd(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    need(bind(client.fd(), reinterpret_cast<const sockaddr*>(&from), sizeof(from)) == 0, "bind");
    need(connect(client.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0, "connect");
    return client;
}

}  // namespace

Visits::Visits(std::uint16_t first_port, int ports) : first_port_(first_port) {
    for (int i = 0; i < ports; ++i)
        listeners_.push_back(testbed::listen_on(static_cast<std::uint16_t>(first_port + i)));
}

void Visits::make(int visits, int pause_ms) {
    for (int i = 0; i < visits; ++i) {
        if (pause_ms) testbed::pause_ms(pause_ms);
        visit(made_ % listeners_.size());
        ++made_;
    }
}

void Visits::hold(int connections) {
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        for (int j = 0; j < connections; ++j) {
            held_.push_back(testbed::connect_to(static_cast<std::uint16_t>(first_port_ + i)));
            held_.push_back(testbed::accept_from(listeners_[i]));
        }
    }
}

void Visits::visit(std::size_t listener) {
    const auto port = static_cast<std::uint16_t>(first_port_ + listener);
    const auto host = first_client + static_cast<std::uint32_t>(made_ / visits_of_client);
    char text[256];
    testbed::Socket client = connect_from(host, port);
    testbed::Socket server = testbed::accept_from(listeners_[listener]);
    client.send(request);
    need(recv(server.fd(), text, sizeof(text), 0) == ssize_t(request.size()), "request");
    server.send(answer);
    need(recv(client.fd(), text, sizeof(text), 0) == ssize_t(answer.size()), "answer");
    server.close();
    need(recv(client.fd(), text, sizeof(text), 0) == 0, "end");
    client.close();
}

}  // namespace bench
