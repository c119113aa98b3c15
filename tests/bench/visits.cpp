// SPDX-License-Identifier: BSD-2-Clause
// Connections on loopback: closed by FIN one after the other, or as many live ones as possible.
#include "visits.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "bench.hpp"

namespace bench {
namespace {

// Visits from one client address. A connection in TIME_WAIT keeps its pair of addresses for a
// minute.
constexpr std::uint64_t visits_of_client = 10'000;
constexpr int queue_length = 1 << 20;
constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";

std::string client_address(std::uint64_t number) {
    return fmt::format("127.1.{}.{}", number / 250, 1 + number % 250);
}

void need(bool done, const char* what) {
    if (!done) fail(what);
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

void Visits::keep_open(int connections) {
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        for (int j = 0; j < connections; ++j) {
            open_.push_back(testbed::connect_to(static_cast<std::uint16_t>(first_port_ + i)));
            open_.push_back(testbed::accept_from(listeners_[i]));
        }
    }
}

void Visits::visit(std::size_t listener) {
    const auto port = static_cast<std::uint16_t>(first_port_ + listener);
    char text[256];
    testbed::Socket client = testbed::connect_from(client_address(made_ / visits_of_client), port);
    testbed::Socket server = testbed::accept_from(listeners_[listener]);
    client.send(request);
    need(recv(server.fd(), text, sizeof(text), 0) == ssize_t(request.size()), "request");
    server.send(answer);
    need(recv(client.fd(), text, sizeof(text), 0) == ssize_t(answer.size()), "answer");
    server.close();
    need(recv(client.fd(), text, sizeof(text), 0) == 0, "end");
    client.close();
}

Crowd::Crowd(std::uint16_t first_port, int ports) : first_port_(first_port) {
    for (int i = 0; i < ports; ++i)
        listeners_.push_back(testbed::listen_on(static_cast<std::uint16_t>(first_port + i),
                                                testbed::Family::v4, queue_length));
}

void Crowd::grow_to(std::uint32_t connections) {
    for (; size_ < connections; ++size_)
        testbed::connect_and_abandon(
            static_cast<std::uint16_t>(first_port_ + size_ % listeners_.size()), size_);
}

}  // namespace bench
