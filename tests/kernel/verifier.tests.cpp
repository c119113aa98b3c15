// SPDX-License-Identifier: BSD-2-Clause
// The number of instructions that the verifier processes for each program has a limit in a table.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "load/skeleton.hpp"
#include "testbed.hpp"
#include "tests/catch_compat.hpp"

TEST_CASE("the verifier processes no more instructions for a program than the table says",
          "[verifier]") {
    // With named ports, the verifier sees that no port is claimed, and skips that code.
    const bool named = GENERATE(true, false);
    CAPTURE(named);
    jsguard::Detector detector;
    detector.load(testbed::options_for(named ? std::vector<std::uint16_t>{17501}
                                             : std::vector<std::uint16_t>{}),
                  {});
    const auto& programs = detector.skeleton().progs;
    // Linux 6.18; other kernels differ by a few percent. The limit of the kernel is 1,000,000.
    const struct {
        const bpf_program* program;
        std::uint32_t limit;
    } table[] = {
        {programs.jsg_transition, named ? 7'600U : 17'500U},
        {programs.jsg_preempted, named ? 6'300U : 16'300U},
        {programs.jsg_destroy, 1'800},
        {programs.jsg_existing, named ? 1'350U : 10'900U},
        {programs.jsg_start, 74'000},  // includes the tick and all that it calls
    };
    for (const auto& row : table) {
        bpf_prog_info info{};
        std::uint32_t size = sizeof(info);
        REQUIRE(bpf_obj_get_info_by_fd(bpf_program__fd(row.program), &info, &size) == 0);
        WARN(bpf_program__name(row.program) << ": " << info.verified_insns);
        CHECK(info.verified_insns > 0);
        CHECK(info.verified_insns <= row.limit);
    }
}
