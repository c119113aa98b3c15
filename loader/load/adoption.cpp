// SPDX-License-Identifier: BSD-2-Clause
// Sockets that were open before the detector was attached, which no transition shows.
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

// Of the network namespace that this thread is in.
void pass_over_sockets(jsguard_bpf& skeleton) {
    const std::unique_ptr<bpf_link, decltype(&bpf_link__destroy)> link(
        bpf_program__attach_iter(skeleton.progs.jsg_existing, nullptr), bpf_link__destroy);
    need(link != nullptr);
    const FileDescriptor pass(bpf_iter_create(bpf_link__fd(link.get())));
    need(pass.get() >= 0);
    char buffer[256];
    ssize_t got = 0;
    do {
        got = read(pass.get(), buffer, sizeof(buffer));
        need(got >= 0 || errno == EAGAIN);
    } while (got != 0);
}

void pass_over_listeners_too(jsguard_bpf& skeleton) {
    skeleton.bss->jsg_adopt_listeners = 1;
    pass_over_sockets(skeleton);
    skeleton.bss->jsg_adopt_listeners = 0;
}

}  // namespace

std::size_t adopt_open_sockets(jsguard_bpf& skeleton, const NetworkNamespace* only) {
    std::size_t left_out = 0;
    if (only) {
        only->run_inside([&] { pass_over_listeners_too(skeleton); });
    } else {
        pass_over_listeners_too(skeleton);
        left_out = NetworkNamespace::run_inside_others([&] { pass_over_sockets(skeleton); });
    }
    skeleton.bss->jsg_all_adopted = left_out == 0;
    return left_out;
}

}  // namespace jsguard
