// SPDX-License-Identifier: BSD-2-Clause
// A detector is loaded, attached, armed and removed repeatedly. Nothing of it remains in the
// process or the kernel.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "load/skeleton.hpp"
#include "testbed.hpp"
#include "tests/catch_compat.hpp"

using namespace testbed;

namespace {

const std::uint16_t port = own_port(0);
constexpr long few_cycles = 15;
constexpr long many_cycles = 40;
constexpr const char* cycles_variable =
    "JSGUARD_CYCLES";         // environment variable that replaces many_cycles
constexpr long warm_up = 10;  // cycles after which the allocator's memory no longer grows
constexpr long max_growth_kib = 1024;

long resident_kib() {
    std::ifstream statm("/proc/self/statm");
    long size = 0, resident = 0;
    statm >> size >> resident;
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        ++count;
    return count;
}

// The IDs of a detector's objects in the kernel. The kernel gives no ID twice.
struct InKernel {
    std::vector<std::uint32_t> programs, maps, links;

    void take(const jsguard::Detector& detector) {
        const bpf_object* object = detector.skeleton().obj;
        bpf_program* program;
        bpf_object__for_each_program(program, object) {
            programs.push_back(id_of<bpf_prog_info>(bpf_program__fd(program)));
        }
        bpf_map* map;
        bpf_object__for_each_map(map, object) {
            maps.push_back(id_of<bpf_map_info>(bpf_map__fd(map)));
        }
        for (const bpf_link* link :
             {detector.skeleton().links.jsg_transition, detector.skeleton().links.jsg_destroy})
            links.push_back(id_of<bpf_link_info>(bpf_link__fd(link)));
    }
    // How many of them still exist.
    std::size_t remaining() const {
        return remaining_of(programs, bpf_prog_get_fd_by_id) +
               remaining_of(maps, bpf_map_get_fd_by_id) +
               remaining_of(links, bpf_link_get_fd_by_id);
    }
    std::size_t all() const { return programs.size() + maps.size() + links.size(); }

  private:
    template <typename Info>
    static std::uint32_t id_of(int fd) {
        Info info{};
        __u32 size = sizeof(info);
        REQUIRE(bpf_obj_get_info_by_fd(fd, &info, &size) == 0);
        return info.id;
    }
    template <typename Open>
    static std::size_t remaining_of(const std::vector<std::uint32_t>& ids, Open open) {
        std::size_t remaining = 0;
        for (const std::uint32_t id : ids) {
            const Socket there(open(id));
            remaining += there.fd() >= 0;
        }
        return remaining;
    }
};

void load_and_remove(long all) {
    enter_namespace();
    const Socket listener = listen_on(port);
    InKernel in_kernel;
    long resident_before = 0;
    std::size_t descriptors_before = 0;
    const double start = now_s();
    for (long i = 0; i < all; ++i) {
        if (i == warm_up) {
            resident_before = resident_kib();
            descriptors_before = open_descriptors();
        }
        jsguard::Detector detector;
        detector.load(options_for({port}), {});
        detector.attach();
        detector.adopt_sockets();
        detector.arm_clock();
        REQUIRE(service_id_of(detector, port) == 1);
        REQUIRE(remembered(detector) == 1);
        in_kernel.take(detector);
    }
    const double took_s = now_s() - start;
    const long grown_kib = resident_kib() - resident_before;
    fmt::print(
        "{} cycles in {:.1f} s; from the {}th on resident memory grew by {} KiB, and "
        "descriptors from {} to {}\n",
        all, took_s, warm_up, grown_kib, descriptors_before, open_descriptors());
    CHECK(grown_kib < max_growth_kib);
    CHECK(open_descriptors() == descriptors_before);
    // The kernel frees unused objects a moment later.
    CHECK(wait_until(20, [&] { return in_kernel.remaining() == 0; }));
    CAPTURE(in_kernel.remaining(), in_kernel.all());
    CHECK(in_kernel.all() >= 10 * static_cast<std::size_t>(all));
}

}  // namespace

TEST_CASE("a detector that is loaded and removed repeatedly leaves nothing behind", "[cycles]") {
    load_and_remove(few_cycles);
}

TEST_CASE("a detector that is loaded and removed 40 times leaves nothing behind",
          "[cycles][long]") {
    const char* asked = std::getenv(cycles_variable);
    load_and_remove(asked ? std::max(std::strtol(asked, nullptr, 10), warm_up + 1) : many_cycles);
}
