// SPDX-License-Identifier: BSD-2-Clause
// The client side of a TLS connection; see tls_stream.hpp.
#include "tls_stream.hpp"

#include <openssl/err.h>
#include <signal.h>

#include <array>
#include <cerrno>
#include <stdexcept>

namespace tls {

namespace {

[[noreturn]] void fail(const char* what) {
    std::array<char, 256> reason = {};
    ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
    throw std::runtime_error(std::string(what) + ": " + reason.data());
}

}  // namespace

Context make_context(std::string_view protocol, int version) {
    // OpenSSL writes to sockets without MSG_NOSIGNAL.
    signal(SIGPIPE, SIG_IGN);
    Context context(SSL_CTX_new(TLS_client_method()));
    if (!context) fail("SSL_CTX_new");
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (version != 0 && (SSL_CTX_set_min_proto_version(context.get(), version) != 1 ||
                         SSL_CTX_set_max_proto_version(context.get(), version) != 1))
        fail("version of TLS");
    std::string wire(1, static_cast<char>(protocol.size()));
    wire += protocol;
    // Unlike the other functions, this one returns 0 for success.
    if (SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                                static_cast<unsigned>(wire.size())) != 0)
        fail("ALPN");
    return context;
}

std::string client_hello(SSL_CTX* context) {
    const std::unique_ptr<SSL, Free> ssl(SSL_new(context));
    BIO* in = BIO_new(BIO_s_mem());
    BIO* out = BIO_new(BIO_s_mem());
    if (!ssl || in == nullptr || out == nullptr) fail("SSL_new");
    SSL_set_bio(ssl.get(), in, out);  // SSL_free frees them
    SSL_connect(ssl.get());           // writes the ClientHello, then wants an answer
    char* data = nullptr;
    const long size = BIO_get_mem_data(out, &data);
    if (size <= 0) fail("ClientHello");
    return {data, static_cast<std::size_t>(size)};
}

Stream::Stream(SSL_CTX* context, int fd) : ssl_(SSL_new(context)) {
    if (!ssl_ || SSL_set_fd(ssl_.get(), fd) != 1) fail("SSL_new");
    SSL_set_connect_state(ssl_.get());
}

Stream::Handshake Stream::handshake() {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return Handshake::done;
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            return Handshake::reads;
        case SSL_ERROR_WANT_WRITE:
            return Handshake::writes;
        default:
            return Handshake::failed;
    }
}

std::string_view Stream::protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

ssize_t Stream::receive(void* data, std::size_t size) {
    std::size_t got = 0, all = 0;
    int result = 1;
    ERR_clear_error();
    // SSL_read returns one record at a time.
    while (all < size && (result = SSL_read_ex(ssl_.get(), static_cast<char*>(data) + all,
                                               size - all, &got)) == 1)
        all += got;
    return all > 0 ? static_cast<ssize_t>(all) : failed(result);
}

ssize_t Stream::send(const void* data, std::size_t size) {
    std::size_t sent = 0;
    ERR_clear_error();
    const int result = SSL_write_ex(ssl_.get(), data, size, &sent);
    return result == 1 ? static_cast<ssize_t>(sent) : failed(result);
}

ssize_t Stream::failed(int result) {
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_ZERO_RETURN:
            return 0;
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            errno = EAGAIN;
            return -1;
        default:
            errno = ECONNRESET;
            return -1;
    }
}

void Stream::send_close_notify() {
    ERR_clear_error();
    if (SSL_is_init_finished(ssl_.get()) != 0) SSL_shutdown(ssl_.get());
}

}  // namespace tls
