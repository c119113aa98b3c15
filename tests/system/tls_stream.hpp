// SPDX-License-Identifier: BSD-2-Clause
// The client side of a TLS connection on a non-blocking socket, with OpenSSL.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace tls {

struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using Context = std::unique_ptr<SSL_CTX, Free>;

// The context offers one protocol, "http/1.1" or "h2", and one version of TLS (TLS1_2_VERSION...)
// or any (0). It does not verify the server's certificate. Throws std::runtime_error.
Context make_context(std::string_view protocol, int version = 0);

// The first message of a handshake.
std::string client_hello(SSL_CTX* context);

class Stream {
  public:
    // Throws std::runtime_error. The caller still owns the socket and closes it.
    Stream(SSL_CTX* context, int fd);

    enum class Handshake { done, reads, writes, failed };
    // Continues the handshake. `reads` and `writes` mean that it waits for the socket.
    Handshake handshake();
    // The protocol that client and server agreed on.
    std::string_view protocol() const;

    // Like recv() and send(): negative with errno (EAGAIN if there is nothing yet), 0 at the end.
    ssize_t receive(void* data, std::size_t size);
    ssize_t send(const void* data, std::size_t size);
    // Whether TLS has received data that poll() on the socket does not report.
    bool pending() const { return SSL_has_pending(ssl_.get()) != 0; }
    // Sends close_notify if the handshake is complete.
    void send_close_notify();

  private:
    ssize_t failed(int result);

    std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace tls
