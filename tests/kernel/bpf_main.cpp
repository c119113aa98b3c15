// SPDX-License-Identifier: BSD-2-Clause
// The main function of the kernel tests. It reports the tests as skipped if BPF programs cannot be
// loaded, or if a test case is inconclusive.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "inconclusive.hpp"

#define CATCH_CONFIG_RUNNER
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>
using ListenerBase = Catch::EventListenerBase;
#else
#include <catch2/catch.hpp>
using ListenerBase = Catch::TestEventListenerBase;
#endif

using testbed::TimeCritical;

namespace {

constexpr int exit_skipped = 77;  // ctest's SKIP_RETURN_CODE

/// Whether the program only lists tests or prints help. ctest lists the tests after the build,
/// without root.
bool only_lists_or_explains(int argc, char** argv) {
    for (int i = 1; i < argc; i++) {
        const std::string_view argument = argv[i];
        if (argument.starts_with("--list") || argument == "-l" || argument == "-t" ||
            argument == "--help" || argument == "-h" || argument == "-?")
            return true;
    }
    return false;
}

/// The reason why no BPF program of type syscall can be loaded, or an empty string.
std::string why_no_bpf() {
    const bpf_insn return_0[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K,
         .dst_reg = BPF_REG_0,
         .src_reg = 0,
         .off = 0,
         .imm = 0},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_SLEEPABLE);
    const int program = bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "probe", "GPL", return_0, 2, &options);
    if (program >= 0) {
        close(program);
        return {};
    }
    const int error = -program;
    if (error == EPERM || error == EACCES)
        return "loading a BPF program is not permitted: run the test as root";
    if (error == ENOSYS) return "this kernel has no bpf(): it needs CONFIG_BPF_SYSCALL";
    if (error == EINVAL)
        return "this kernel has no BPF programs of type syscall: it needs to be 5.14 or later";
    return std::string("a BPF program cannot be loaded: ") + std::strerror(error);
}

bool any_time_critical_failed = false;
bool any_other_failed = false;

/// Distinguishes the failures of time-critical test cases from others.
class Failures : public ListenerBase {
  public:
    using ListenerBase::ListenerBase;
    void testCaseStarting(const Catch::TestCaseInfo&) override { TimeCritical::was_made = false; }
    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        if (stats.totals.assertions.failed > 0)
            (TimeCritical::was_made ? any_time_critical_failed : any_other_failed) = true;
    }
};
CATCH_REGISTER_LISTENER(Failures)

/// The exit code, after the tests have run once, or twice.
int verdict(int result, char** argv) {
    using testbed::inconclusive_reasons;
    constexpr const char* is_second_run = "JSGUARD_TEST_IS_SECOND_RUN";
    if (TimeCritical::longest_delay_s > 0)
        std::cout << "longest delay in a second: " << TimeCritical::longest_delay_s << " s\n";
    if (any_time_critical_failed && !any_other_failed &&
        TimeCritical::longest_delay_s > TimeCritical::max_delay_s) {
        std::ostringstream why;
        why << "the machine delayed the test for " << TimeCritical::longest_delay_s
            << " s of a second; the limit is " << TimeCritical::max_delay_s << " s";
        if (!std::getenv(is_second_run)) {
            std::cout << "SECOND RUN: " << why.str() << std::endl;
            setenv(is_second_run, "1", 1);
            execv("/proc/self/exe", argv);
            return result;
        }
        inconclusive_reasons.push_back("failed twice, and " + why.str());
        result = 0;
    }
    for (const std::string& reason : inconclusive_reasons)
        std::cout << "INCONCLUSIVE: " << reason << '\n';
    return result == 0 && !inconclusive_reasons.empty() ? exit_skipped : result;
}

}  // namespace

int main(int argc, char** argv) {
    if (!only_lists_or_explains(argc, argv)) {
        if (const std::string why = why_no_bpf(); !why.empty()) {
            if (testbed::must_lack_nothing()) {
                std::cerr << "FAIL: JSGUARD_REQUIRE_BPF=1, but " << why << '\n';
                return EXIT_FAILURE;
            }
            std::cout << "SKIP: " << why << '\n';
            return exit_skipped;
        }
    }
    return verdict(Catch::Session().run(argc, argv), argv);
}
