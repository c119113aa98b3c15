// SPDX-License-Identifier: BSD-2-Clause
// Scripted connections, of which it is known exactly what the server's side goes through.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "testbed.hpp"

namespace testbed {

// How a connection ends; the letter is what the client sends to make the server do its part.
enum class Ending : char {
    client_closes = 'c',
    server_closes = 's',
    client_resets = 'R',
    server_resets = 'r',
};
constexpr std::array endings = {Ending::client_closes, Ending::server_closes, Ending::client_resets,
                                Ending::server_resets};

inline void run_client(std::uint16_t port, Family family, Ending ending) {
    Socket client = connect_to(port, family);
    const char letter = static_cast<char>(ending);
    client.send({&letter, 1});
    if (ending == Ending::client_resets) return client.reset();
    if (ending == Ending::client_closes) return client.close();
    client.wait_for_end();
}

inline void run_server(const Socket& listener, int connections) {
    for (int i = 0; i < connections; ++i) {
        Socket server = accept_from(listener);
        char letter = static_cast<char>(Ending::client_resets);
        recv(server.fd(), &letter, 1, 0);  // fails if the client has reset already
        switch (static_cast<Ending>(letter)) {
            case Ending::client_closes:
            case Ending::client_resets:
                server.wait_for_end();
                break;
            case Ending::server_resets:
                server.reset();
                break;
            case Ending::server_closes:
                break;
        }
    }
}

// What the server's side of so many connections of each ending goes through, from listen() on.
inline Transitions expected(std::uint64_t each) {
    Transitions t;
    const auto all = each * endings.size();
    t[{JSG_TCP_CLOSE, JSG_TCP_LISTEN}] = 1;
    t[{JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}] = all;
    t[{JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}] = all;
    t[{JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT}] = each;
    t[{JSG_TCP_CLOSE_WAIT, JSG_TCP_LAST_ACK}] = each;
    t[{JSG_TCP_LAST_ACK, JSG_TCP_CLOSE}] = each;
    t[{JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT1}] = each;
    t[{JSG_TCP_FIN_WAIT1, JSG_TCP_FIN_WAIT2}] = each;
    t[{JSG_TCP_FIN_WAIT2, JSG_TCP_CLOSE}] = each;
    t[{JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE}] = 2 * each;
    return t;
}

}  // namespace testbed
