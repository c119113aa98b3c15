// SPDX-License-Identifier: BSD-2-Clause
// Adopts the sockets that were open before the detector was attached. No transition reports them.
#include "load/adoption.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "common/file_replacement.hpp"
#include "load/libbpf_log.hpp"
#include "load/network_namespace.hpp"
#include "load/skeleton.hpp"

namespace jsguard {
namespace {

void need(bool done) {
    if (!done) throw libbpf_error(errno, "cannot list the open sockets");
}

// Runs jsg_existing on each TCP socket of this thread's network namespace.
void iterate_sockets(jsguard_bpf& skeleton) {
    const std::unique_ptr<bpf_link, decltype(&bpf_link__destroy)> link(
        bpf_program__attach_iter(skeleton.progs.jsg_existing, nullptr), bpf_link__destroy);
    need(link != nullptr);
    const FileDescriptor iterator(bpf_iter_create(bpf_link__fd(link.get())));
    need(iterator.get() >= 0);
    char buffer[256];
    ssize_t got = 0;
    do {
        got = read(iterator.get(), buffer, sizeof(buffer));
        need(got >= 0 || errno == EAGAIN);
    } while (got != 0);
}

void iterate_sockets_and_listeners(jsguard_bpf& skeleton) {
    skeleton.bss->jsg_adopt_listeners = 1;
    iterate_sockets(skeleton);
    skeleton.bss->jsg_adopt_listeners = 0;
}

}  // namespace

std::size_t adopt_open_sockets(jsguard_bpf& skeleton, const NetworkNamespace* only) {
    std::size_t left_out = 0;
    if (only) {
        only->run_inside([&] { iterate_sockets_and_listeners(skeleton); });
    } else {
        iterate_sockets_and_listeners(skeleton);
        left_out = NetworkNamespace::run_inside_others([&] { iterate_sockets(skeleton); });
    }
    skeleton.bss->jsg_all_adopted = left_out == 0;
    return left_out;
}

}  // namespace jsguard
