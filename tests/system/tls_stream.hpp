// SPDX-License-Identifier: BSD-2-Clause
// The client's end of a TLS connection on a non-blocking socket, over OpenSSL.
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

// For one protocol, "http/1.1" or "h2", and one version of TLS (TLS1_2_VERSION...) or any (0). The
// server's certificate is not verified. Throws std::runtime_error.
Context make_context(std::string_view protocol, int version = 0);

// The bytes that begin a handshake.
std::string client_hello(SSL_CTX* context);

class Stream {
  public:
    // Throws std::runtime_error. The socket stays the caller's.
    Stream(SSL_CTX* context, int fd);

    enum class Handshake { done, reads, writes, failed };
    // One step; `reads` and `writes` say what it waits for.
    Handshake handshake();
    // The protocol that both agreed on.
    std::string_view protocol() const;

    // As recv() and send() do: under 0 with errno, EAGAIN if there is nothing yet, 0 at the end.
    ssize_t receive(void* data, std::size_t size);
    ssize_t send(const void* data, std::size_t size);
    // Whether there is something to receive of which the socket shows nothing any more.
    bool pending() const { return SSL_has_pending(ssl_.get()) != 0; }
    // close_notify, if there is a session to close.
    void say_goodbye();

  private:
    ssize_t failed(int result);

    std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace tls
