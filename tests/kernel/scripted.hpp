// SPDX-License-Identifier: BSD-2-Clause
// Scripted connections. The transitions of the server's side are known exactly.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "testbed.hpp"

namespace testbed {

// How a connection ends. The client sends the letter, so that the server knows what to do.
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

// The transitions of the server's side, from listen() on. per_ending: connections of each ending.
inline Transitions expected(std::uint64_t per_ending) {
    Transitions t;
    const auto all = per_ending * endings.size();
    t[{JSG_TCP_CLOSE, JSG_TCP_LISTEN}] = 1;
    t[{JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}] = all;
    t[{JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}] = all;
    t[{JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT}] = per_ending;
    t[{JSG_TCP_CLOSE_WAIT, JSG_TCP_LAST_ACK}] = per_ending;
    t[{JSG_TCP_LAST_ACK, JSG_TCP_CLOSE}] = per_ending;
    t[{JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT1}] = per_ending;
    t[{JSG_TCP_FIN_WAIT1, JSG_TCP_FIN_WAIT2}] = per_ending;
    t[{JSG_TCP_FIN_WAIT2, JSG_TCP_CLOSE}] = per_ending;
    t[{JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE}] = 2 * per_ending;
    return t;
}

}  // namespace testbed
