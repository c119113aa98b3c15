// SPDX-License-Identifier: BSD-2-Clause
// Resolves a HOST:PORT from a command line to an address.
#pragma once

#include <fmt/core.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cstring>
#include <stdexcept>
#include <string>

struct Address {
    sockaddr_storage storage = {};
    socklen_t size = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Throws std::runtime_error.
inline Address resolve_address(const std::string& name) {
    const std::size_t colon = name.rfind(':');
    if (colon == name.npos || colon + 1 == name.size())
        throw std::runtime_error(fmt::format("{}: expected HOST:PORT", name));
    std::string host = name.substr(0, colon);
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    addrinfo hints = {};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host.c_str(), name.c_str() + colon + 1, &hints, &found);
    if (error != 0) throw std::runtime_error(fmt::format("{}: {}", name, gai_strerror(error)));
    Address address;
    address.size = found->ai_addrlen;
    std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return address;
}
