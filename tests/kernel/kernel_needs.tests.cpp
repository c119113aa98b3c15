// SPDX-License-Identifier: BSD-2-Clause
// What the kernel lacks is named: asked of BTF that lacks one thing at a time, and of a machine
// without any.
#include "load/kernel_needs.hpp"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/wait.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "testbed.hpp"
#include "tests/catch_compat.hpp"

namespace {

using Btf = std::unique_ptr<btf, decltype(&btf__free)>;

// Something the detector needs: how it stands in BTF, and what the message must say of it.
struct Thing {
    const char* name;
    unsigned kind;  // 0: a value of an enum
    const char* said;
};
const std::vector<Thing> things = {
    {"btf_trace_inet_sock_set_state", BTF_KIND_TYPEDEF,
     "inet_sock_set_state with its types (since 5.5)"},
    {"btf_trace_tcp_destroy_sock", BTF_KIND_TYPEDEF, "tcp_destroy_sock with its types (since 5.5)"},
    {"BPF_MAP_TYPE_RINGBUF", 0, "ring buffers (since 5.8)"},
    {"bpf_iter__tcp", BTF_KIND_STRUCT, "iterator over TCP sockets (since 5.9)"},
    {"BPF_PROG_TYPE_SYSCALL", 0, "type syscall (since 5.14)"},
    {"bpf_timer", BTF_KIND_STRUCT, "timers (since 5.15)"},
    {"BPF_FUNC_loop", 0, "bpf_loop (since 5.17)"},
    {"BPF_FUNC_map_lookup_percpu_elem", 0, "bpf_map_lookup_percpu_elem (since 5.19)"},
};

void added(int id) { REQUIRE(id >= 0); }

// A kernel's BTF with all things but the one of that name. Each value has an enum of its own, with
// another value before it.
Btf kernel_without(const std::string& missing) {
    Btf kernel(btf__new_empty(), btf__free);
    REQUIRE(kernel);
    const int number = btf__add_int(kernel.get(), "int", 4, BTF_INT_SIGNED);
    added(number);
    for (const Thing& thing : things) {
        if (thing.name == missing) continue;
        if (thing.kind == BTF_KIND_TYPEDEF) {
            added(btf__add_typedef(kernel.get(), thing.name, number));
        } else if (thing.kind == BTF_KIND_STRUCT) {
            added(btf__add_struct(kernel.get(), thing.name, 0));
        } else {
            added(btf__add_enum(kernel.get(), "", 4));
            added(btf__add_enum_value(kernel.get(), "ANOTHER", 0));
            added(btf__add_enum_value(kernel.get(), thing.name, 1));
        }
    }
    return kernel;
}

struct Run {
    int exit_code = -1;
    std::string out;  // stdout and stderr
};

Run run(const std::string& command) {
    Run result;
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    REQUIRE(pipe);
    char part[4096];
    while (const std::size_t got = fread(part, 1, sizeof(part), pipe)) result.out.append(part, got);
    const int status = pclose(pipe);
    if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
    return result;
}

}  // namespace

TEST_CASE("a kernel that has everything lacks nothing", "[kernel_needs]") {
    const Btf kernel = kernel_without("");
    CHECK(jsguard::missing_in_kernel(kernel.get()) == std::nullopt);
}

TEST_CASE("each thing that a kernel lacks is named", "[kernel_needs]") {
    for (const Thing& thing : things) {
        CAPTURE(thing.name);
        const auto missing = jsguard::missing_in_kernel(kernel_without(thing.name).get());
        REQUIRE(missing);
        CAPTURE(*missing);
        CHECK(missing->find(thing.said) != std::string::npos);
    }
}

TEST_CASE("a thing of the right name and the wrong kind is missing", "[kernel_needs]") {
    const Btf kernel = kernel_without("bpf_timer");
    added(btf__add_typedef(kernel.get(), "bpf_timer", 1));
    const auto missing = jsguard::missing_in_kernel(kernel.get());
    REQUIRE(missing);
    CHECK(missing->find("timers") != std::string::npos);
}

TEST_CASE("of several things the one that came first is named", "[kernel_needs]") {
    const Btf kernel(btf__new_empty(), btf__free);
    const auto missing = jsguard::missing_in_kernel(kernel.get());
    REQUIRE(missing);
    CHECK(missing->find(things.front().said) != std::string::npos);
}

TEST_CASE("a kernel without BTF is told so, with what to do", "[kernel_needs]") {
    const auto missing = jsguard::missing_in_kernel(nullptr);
    REQUIRE(missing);
    CHECK(missing->find("/sys/kernel/btf/vmlinux") != std::string::npos);
    CHECK(missing->find("CONFIG_DEBUG_INFO_BTF=y") != std::string::npos);
}

TEST_CASE("all that is needed is told, each for itself", "[kernel_needs]") {
    for (const Thing& thing : things) {
        CAPTURE(thing.name);
        const auto needs = jsguard::kernel_needs(kernel_without(thing.name).get());
        REQUIRE(needs.size() == things.size());
        for (std::size_t i = 0; i < needs.size(); ++i) {
            CHECK(needs[i].name == things[i].name);
            CHECK(jsguard::text_of(needs[i]).find(things[i].said) != std::string::npos);
            CHECK(needs[i].there == (needs[i].name != thing.name));
        }
    }
}

TEST_CASE("without BTF it is known of nothing whether it is there", "[kernel_needs]") {
    const auto needs = jsguard::kernel_needs(nullptr);
    REQUIRE(needs.size() == things.size());
    for (const auto& need : needs) CHECK(need.there == std::nullopt);
}

TEST_CASE("from 7.0 on tracepoints are preempted", "[kernel_needs]") {
    for (const char* release : {"5.19", "6.1.0-50-cloud-amd64", "6.18.44", "6.99", ""})
        CHECK_FALSE(jsguard::tracepoints_are_preempted(release));
    for (const char* release : {"7.0", "7.3.4+deb13-cloud-amd64", "10.1"})
        CHECK(jsguard::tracepoints_are_preempted(release));
}

TEST_CASE("bpf_rdonly_cast is found where it is a function", "[kernel_needs]") {
    const Btf kernel = kernel_without("");
    CHECK_FALSE(jsguard::has_rdonly_cast(kernel.get()));
    const int prototype = btf__add_func_proto(kernel.get(), 1);
    added(prototype);
    added(btf__add_func(kernel.get(), "bpf_rdonly_cast", BTF_FUNC_STATIC, prototype));
    CHECK(jsguard::has_rdonly_cast(kernel.get()));
}

TEST_CASE("the kernel that this runs on lacks nothing", "[kernel_needs]") {
    const Btf kernel(btf__load_vmlinux_btf(), btf__free);
    REQUIRE(libbpf_get_error(kernel.get()) == 0);
    CHECK(jsguard::missing_in_kernel(kernel.get()) == std::nullopt);
}

TEST_CASE("jsguard-load without BTF says so in one line and exits with 3", "[kernel_needs]") {
    // libbpf looks for a kernel image too where there is no BTF in sysfs.
    const Run result =
        run("unshare --mount sh -ec '"
            "for place in /sys/kernel/btf /boot /lib/modules /usr/lib/debug; do"
            "  if test -d $place; then mount -t tmpfs none $place; fi;"
            "done;"
            "exec " JSGUARD_LOAD " --localport " +
            std::to_string(testbed::own_port(0)) + " --duration 1 --pin-dir " +
            testbed::own_pin_dir("needs") + "'");
    CAPTURE(result.out);
    CHECK(result.exit_code == static_cast<int>(jsguard::ExitCode::unsupported));
    CHECK(result.out.find("jsguard-load: this kernel lacks BTF (/sys/kernel/btf/vmlinux): ") == 0);
    CHECK(result.out.find('\n') == result.out.size() - 1);
}
