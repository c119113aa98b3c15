// SPDX-License-Identifier: BSD-2-Clause
// Messages name the feature that a kernel lacks. The tests use BTF that lacks one feature at a
// time, and a machine without BTF.
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

// A kernel feature that the detector needs, its kind in BTF, and what a message must contain.
struct Feature {
    const char* name;
    unsigned kind;  // 0: a value of an enum
    const char* message_part;
};
const std::vector<Feature> features = {
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

// A kernel's BTF with all features except the missing one. Each enum value has its own enum, with
// another value before it.
Btf kernel_without(const std::string& missing) {
    Btf kernel(btf__new_empty(), btf__free);
    REQUIRE(kernel);
    const int number = btf__add_int(kernel.get(), "int", 4, BTF_INT_SIGNED);
    added(number);
    for (const Feature& feature : features) {
        if (feature.name == missing) continue;
        if (feature.kind == BTF_KIND_TYPEDEF) {
            added(btf__add_typedef(kernel.get(), feature.name, number));
        } else if (feature.kind == BTF_KIND_STRUCT) {
            added(btf__add_struct(kernel.get(), feature.name, 0));
        } else {
            added(btf__add_enum(kernel.get(), "", 4));
            added(btf__add_enum_value(kernel.get(), "ANOTHER", 0));
            added(btf__add_enum_value(kernel.get(), feature.name, 1));
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

TEST_CASE("each feature that a kernel lacks is named", "[kernel_needs]") {
    for (const Feature& feature : features) {
        CAPTURE(feature.name);
        const auto missing = jsguard::missing_in_kernel(kernel_without(feature.name).get());
        REQUIRE(missing);
        CAPTURE(*missing);
        CHECK(missing->find(feature.message_part) != std::string::npos);
    }
}

TEST_CASE("a feature with the right name and the wrong kind is missing", "[kernel_needs]") {
    const Btf kernel = kernel_without("bpf_timer");
    added(btf__add_typedef(kernel.get(), "bpf_timer", 1));
    const auto missing = jsguard::missing_in_kernel(kernel.get());
    REQUIRE(missing);
    CHECK(missing->find("timers") != std::string::npos);
}

TEST_CASE("of several missing features, the oldest one is named", "[kernel_needs]") {
    const Btf kernel(btf__new_empty(), btf__free);
    const auto missing = jsguard::missing_in_kernel(kernel.get());
    REQUIRE(missing);
    CHECK(missing->find(features.front().message_part) != std::string::npos);
}

TEST_CASE("the message for a kernel without BTF names it and what to do", "[kernel_needs]") {
    const auto missing = jsguard::missing_in_kernel(nullptr);
    REQUIRE(missing);
    CHECK(missing->find("/sys/kernel/btf/vmlinux") != std::string::npos);
    CHECK(missing->find("CONFIG_DEBUG_INFO_BTF=y") != std::string::npos);
}

TEST_CASE("each needed feature is listed with whether the kernel has it", "[kernel_needs]") {
    for (const Feature& feature : features) {
        CAPTURE(feature.name);
        const auto needs = jsguard::kernel_needs(kernel_without(feature.name).get());
        REQUIRE(needs.size() == features.size());
        for (std::size_t i = 0; i < needs.size(); ++i) {
            CHECK(needs[i].name == features[i].name);
            CHECK(jsguard::text_of(needs[i]).find(features[i].message_part) != std::string::npos);
            CHECK(needs[i].there == (needs[i].name != feature.name));
        }
    }
}

TEST_CASE("without BTF, it is unknown for each feature whether it is there", "[kernel_needs]") {
    const auto needs = jsguard::kernel_needs(nullptr);
    REQUIRE(needs.size() == features.size());
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

TEST_CASE("jsguard-load without BTF reports that in one line and exits with 3", "[kernel_needs]") {
    // Without BTF in sysfs, libbpf also searches for a kernel image. So hide those directories too.
    const Run result =
        run("unshare --mount sh -ec '"
            "for directory in /sys/kernel/btf /boot /lib/modules /usr/lib/debug; do"
            "  if test -d $directory; then mount -t tmpfs none $directory; fi;"
            "done;"
            "exec " JSGUARD_LOAD " --localport " +
            std::to_string(testbed::own_port(0)) + " --duration 1 --pin-dir " +
            testbed::own_pin_dir("needs") + "'");
    CAPTURE(result.out);
    CHECK(result.exit_code == static_cast<int>(jsguard::ExitCode::unsupported));
    CHECK(result.out.find("jsguard-load: this kernel lacks BTF (/sys/kernel/btf/vmlinux): ") == 0);
    CHECK(result.out.find('\n') == result.out.size() - 1);
}
