// SPDX-License-Identifier: BSD-2-Clause
// Tests of the report of --probe for invented machines: the verdict, its order, the text, the JSON.
#include "load/probe_report.hpp"

#include <cerrno>
#include <string>

#include "common/json_fields.hpp"
#include "load/verifier_log.hpp"
#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;

namespace {

// A machine that can run jsguard.
ProbeFacts sound() {
    ProbeFacts facts;
    facts.kernel_release = "6.1.0-made-up";
    facts.has_btf = true;
    facts.needs = {{"bpf_timer", "BPF timers", "5.15", true},
                   {"BPF_FUNC_loop", "the BPF helper bpf_loop", "5.17", true}};
    facts.filters_system_calls = true;
    facts.file_limits = {3, 0};
    facts.capabilities = {{"CAP_BPF", "makes maps", true, true},
                          {"CAP_PERFMON", "loads programs", true, true},
                          {"CAP_SYS_ADMIN", "replaces both", false, false}};
    facts.may_load = true;
    facts.pin_dir = "/sys/fs/bpf/jsguard";
    facts.pinned = false;
    facts.possible_cpus = 128;
    facts.online_cpus = 4;
    facts.settings = {{"net.core.bpf_jit_enable", 1}, {"kernel.bpf_stats_enabled", 0}};
    facts.fixed_map_bytes = 10'485'760;
    facts.growing_map_bytes = 31'457'280;
    facts.trial = TrialLoad{{{"jsg_transition", 110'938, 3'623}}, {}};
    return facts;
}

// Checks the verdict itself, the last line of the text, and the JSON.
void check_verdict(const ProbeFacts& facts, ExitCode code, const std::string& reason,
                   const std::string& next_step) {
    const Verdict verdict = verdict_of(facts);
    CHECK(verdict.code == code);
    CHECK(verdict.reason == reason);
    CHECK(verdict.next_step == next_step);
    const std::string text = probe_text(facts);
    const std::string last = "\njsguard cannot run here: " + reason + "; " + next_step + "\n";
    CAPTURE(text);
    CHECK(text.rfind(last) == text.size() - last.size());
    const auto json = probe_json(facts);
    CHECK(json["runs"] == false);
    CHECK(json["exit_code"] == static_cast<int>(code));
    CHECK(json["reason"] == reason);
    CHECK(json["next_step"] == next_step);
}

}  // namespace

TEST_CASE("the last line of the text states that a sound machine can run jsguard", "[probe]") {
    CHECK(probe_text(sound()) ==
          R"(kernel 6.1.0-made-up
  BTF                                                             there
  BPF timers (since 5.15)                                         there
  the BPF helper bpf_loop (since 5.17)                            there
  sockets are read by                                             bpf_probe_read_kernel
  BPF programs may read its memory                                yes
  filters of system calls (seccomp)                               there
  file access of the loader                                       limited by Landlock, version 3
  net.core.bpf_jit_enable                                         1 (programs are compiled)
  kernel.bpf_stats_enabled                                        0 (the kernel measures no run times)
  CPUs                                                            128 possible, 4 online
  memory of the maps                                              10.0 MiB, and up to 30.0 MiB more for windows that are kept
this process
  CAP_BPF (needed)                                                held: makes maps
  CAP_PERFMON (needed)                                            held: loads programs
  CAP_SYS_ADMIN (optional)                                        not held: replaces both
pin directory /sys/fs/bpf/jsguard
  in a BPF file system
  no detector is pinned there
trial load
  jsg_transition                                                  110,938 instructions verified, 3,623 bytes of machine code
jsguard runs here
)");
}

TEST_CASE("the JSON has every fact under a stable name", "[probe]") {
    CHECK(
        json_text(probe_json(sound())) ==
        R"({"schema":1,"kernel":{"release":"6.1.0-made-up","btf":true,"needs":[)"
        R"({"name":"bpf_timer","what":"BPF timers","since":"5.15","there":true},)"
        R"({"name":"BPF_FUNC_loop","what":"the BPF helper bpf_loop","since":"5.17","there":true}],)"
        R"("socket_reader":"bpf_probe_read_kernel","may_read_memory":true,"filters_system_calls":true,)"
        R"("landlock_version":3,"file_access":"limited by Landlock, version 3",)"
        R"("settings":{"net.core.bpf_jit_enable":1,"kernel.bpf_stats_enabled":0},)"
        R"("possible_cpus":128,"online_cpus":4,"fixed_map_bytes":10485760,)"
        R"("growing_map_bytes":31457280},)"
        R"("process":{"capabilities":[{"name":"CAP_BPF","needed":true,"held":true},)"
        R"({"name":"CAP_PERFMON","needed":true,"held":true},)"
        R"({"name":"CAP_SYS_ADMIN","needed":false,"held":false}],)"
        R"("may_load":true,"in_user_namespace":false},)"
        R"("pin_dir":{"path":"/sys/fs/bpf/jsguard","state":"ready","pinned":false},)"
        R"("trial":{"loaded":true,"programs":[{"name":"jsg_transition",)"
        R"("verified_instructions":110938,"jited_bytes":3623}],"refusal":null,)"
        R"("libbpf_warnings":[],"verifier_log":[]},)"
        R"("runs":true,"exit_code":0,"reason":null,"next_step":null})");
}

TEST_CASE("without BTF the features that need it are unknown", "[probe]") {
    ProbeFacts facts = sound();
    facts.has_btf = false;
    for (KernelNeed& need : facts.needs) need.there.reset();
    facts.trial.reset();
    check_verdict(facts, ExitCode::unsupported, "this kernel lacks BTF (/sys/kernel/btf/vmlinux)",
                  "boot a kernel that is built with CONFIG_DEBUG_INFO_BTF=y");
    CHECK_FALSE(allows_trial_load(facts));
    CHECK(contains(probe_text(facts), "unknown without BTF\n"));
    CHECK_FALSE(contains(probe_text(facts), "sockets are read by"));
    const auto json = probe_json(facts);
    CHECK(json["kernel"]["needs"][0]["there"].is_null());
    CHECK(json["kernel"]["socket_reader"].is_null());
    CHECK(json["trial"].is_null());
}

TEST_CASE("the first missing feature is the reason, the newest one decides the version to boot",
          "[probe]") {
    ProbeFacts facts = sound();
    facts.needs[0].there = false;
    check_verdict(facts, ExitCode::unsupported, "this kernel lacks BPF timers (since 5.15)",
                  "boot Linux 5.15 or later");
    facts.needs[1].there = false;
    check_verdict(facts, ExitCode::unsupported, "this kernel lacks BPF timers (since 5.15)",
                  "boot Linux 5.17 or later");
    CHECK(contains(probe_text(facts), "missing\n"));
}

TEST_CASE("a kernel that is locked down for confidentiality is not supported", "[probe]") {
    ProbeFacts facts = sound();
    facts.may_read_kernel = false;
    check_verdict(facts, ExitCode::unsupported,
                  "this kernel lacks BPF programs that read the kernel's memory: it is locked down",
                  "boot it without lockdown=confidentiality (lockdown=integrity is enough for "
                  "jsguard)");
    CHECK(probe_json(facts)["kernel"]["may_read_memory"] == false);
    CHECK(contains(probe_text(facts), "no, it is locked down (lockdown=confidentiality)\n"));
}

TEST_CASE("a kernel without filters of system calls is not supported", "[probe]") {
    ProbeFacts facts = sound();
    facts.filters_system_calls = false;
    check_verdict(facts, ExitCode::unsupported, "this kernel lacks filters of system calls",
                  "boot a kernel that is built with CONFIG_SECCOMP_FILTER=y");
}

TEST_CASE("a kernel that cannot limit file access is supported, and the reason is shown",
          "[probe]") {
    ProbeFacts facts = sound();
    facts.file_limits = file_limits_of(-1, EOPNOTSUPP);
    CHECK(verdict_of(facts).code == ExitCode::clean);
    const std::string reason =
        "not limited: Landlock is switched off; boot with landlock in the list lsm=";
    CHECK(contains(probe_text(facts), " " + reason + "\n"));
    CHECK(probe_json(facts)["kernel"]["landlock_version"].is_null());
    CHECK(probe_json(facts)["kernel"]["file_access"] == reason);
}

TEST_CASE("the missing capabilities are named, and no trial load is made", "[probe]") {
    ProbeFacts facts = sound();
    facts.may_load = false;
    facts.capabilities[1].held = false;
    CHECK_FALSE(allows_trial_load(facts));
    check_verdict(facts, ExitCode::not_permitted, "this process lacks CAP_PERFMON",
                  "run it as root: sudo jsguard-load --probe");
    facts.capabilities[0].held = false;
    check_verdict(facts, ExitCode::not_permitted, "this process lacks CAP_BPF and CAP_PERFMON",
                  "run it as root: sudo jsguard-load --probe");
    facts.needs[1].there = false;
    check_verdict(facts, ExitCode::unsupported,
                  "this kernel lacks the BPF helper bpf_loop (since 5.17)",
                  "boot Linux 5.17 or later");
}

TEST_CASE("CAP_SYS_ADMIN alone is enough", "[probe]") {
    ProbeFacts facts = sound();
    for (ProbedCapability& one : facts.capabilities) one.held = one.name == "CAP_SYS_ADMIN";
    CHECK(verdict_of(facts).code == ExitCode::clean);
    CHECK(allows_trial_load(facts));
}

TEST_CASE("a refusal by the verifier is reported with its text, whatever the error's name",
          "[probe]") {
    for (const int error : {EINVAL, EACCES}) {
        ProbeFacts facts = sound();
        facts.trial = TrialLoad{
            {}, TrialRefusal{error, {"libbpf: a warning"}, {"R3 is odd", "processed 14 insns"}}};
        check_verdict(facts, ExitCode::runtime,
                      "the kernel's verifier refuses a BPF program: R3 is odd",
                      "report it with the whole output of --probe");
        const std::string name = std::generic_category().message(error);
        CHECK(contains(probe_text(facts),
                       "trial load\n  refused: " + name +
                           "\n  libbpf: a warning\n"
                           "  verifier: R3 is odd\n  verifier: processed 14 insns\n"));
        const auto json = probe_json(facts)["trial"];
        CHECK(json["loaded"] == false);
        CHECK(json["refusal"] == name);
        CHECK(json["libbpf_warnings"] == nlohmann::ordered_json{"libbpf: a warning"});
        CHECK(json["verifier_log"] == nlohmann::ordered_json{"R3 is odd", "processed 14 insns"});
    }
}

TEST_CASE("a verifier's log that has only figures is reported too", "[probe]") {
    ProbeFacts facts = sound();
    facts.trial = TrialLoad{{}, TrialRefusal{E2BIG, {}, {"processed 1000001 insns"}}};
    CHECK(verdict_of(facts).reason ==
          "the kernel's verifier refuses a BPF program: processed 1000001 insns");
}

TEST_CASE("a refusal without a verifier's log has the error's name", "[probe]") {
    ProbeFacts facts = sound();
    facts.trial = TrialLoad{{}, TrialRefusal{ENOMEM, {}, {}}};
    check_verdict(facts, ExitCode::runtime,
                  "the kernel refuses the BPF programs: Cannot allocate memory",
                  "report it with the whole output of --probe");
}

TEST_CASE("a load that is not permitted is distinguished from one that fails", "[probe]") {
    ProbeFacts facts = sound();
    facts.trial = TrialLoad{{}, TrialRefusal{EPERM, {}, {}}};
    const std::string reason = "the kernel refuses the BPF programs: Operation not permitted";
    check_verdict(facts, ExitCode::not_permitted, reason,
                  "run it as root, outside a container that forbids BPF");
    facts.in_user_namespace = true;
    check_verdict(facts, ExitCode::not_permitted, reason,
                  "run it as root, outside this user namespace");
}

TEST_CASE("each fault of the pin directory has its exit code", "[probe]") {
    const struct {
        PinDirectory state;
        const char* name;
        ExitCode code;
    } table[] = {{PinDirectory::ready, "ready", ExitCode::clean},
                 {PinDirectory::to_be_mounted, "to be mounted", ExitCode::clean},
                 {PinDirectory::not_bpffs, "not bpffs", ExitCode::runtime},
                 {PinDirectory::read_only, "read-only", ExitCode::runtime},
                 {PinDirectory::not_writable, "not writable", ExitCode::not_permitted},
                 {PinDirectory::file_system_root, "whole file system", ExitCode::runtime},
                 {PinDirectory::other_owner, "another user's", ExitCode::runtime},
                 {PinDirectory::changeable, "changeable by others", ExitCode::runtime},
                 {PinDirectory::foreign_pins, "not jsguard's", ExitCode::runtime}};
    for (const auto& row : table) {
        ProbeFacts facts = sound();
        facts.pin_directory_state = row.state;
        CAPTURE(row.name);
        CHECK(verdict_of(facts).code == row.code);
        CHECK(probe_json(facts)["pin_dir"]["state"] == row.name);
        CHECK(verdict_of(facts).reason.empty() == (row.code == ExitCode::clean));
        CHECK(verdict_of(facts).next_step.empty() == (row.code == ExitCode::clean));
    }
}

TEST_CASE("a pin directory of another user is reported as such", "[probe]") {
    ProbeFacts facts = sound();
    facts.pin_directory_state = PinDirectory::other_owner;
    check_verdict(facts, ExitCode::runtime,
                  "/sys/fs/bpf/jsguard is in a BPF file system and belongs to another user, who "
                  "could remove the pins",
                  "choose another one with --pin-dir");
}

TEST_CASE("without a BPF file system the advice is to mount one that only root can write",
          "[probe]") {
    ProbeFacts facts = sound();
    facts.pin_directory_state = PinDirectory::not_bpffs;
    check_verdict(
        facts, ExitCode::runtime, "/sys/fs/bpf/jsguard is not in a BPF file system",
        "mount one (mount -t bpf -o mode=0711 bpf /sys/fs/bpf) or choose another directory "
        "with --pin-dir");
}

TEST_CASE("the report states whether a detector is pinned, or that this is unknown", "[probe]") {
    ProbeFacts facts = sound();
    facts.pinned = true;
    CHECK(contains(probe_text(facts), "  a detector is pinned there\n"));
    CHECK(probe_json(facts)["pin_dir"]["pinned"] == true);
    facts.pinned.reset();
    CHECK(contains(probe_text(facts), "may not see whether a detector is pinned there"));
    CHECK(probe_json(facts)["pin_dir"]["pinned"].is_null());
}

TEST_CASE("what the kernel does not report is shown as unknown", "[probe]") {
    ProbeFacts facts = sound();
    facts.settings[0].value.reset();
    facts.trial->programs[0] = {"jsg_transition", 0, 0};
    CHECK(contains(probe_text(facts), "unknown instructions verified, not compiled\n"));
    CHECK(contains(probe_text(facts), "missing, or not readable for this user"));
    const auto json = probe_json(facts);
    CHECK(json["kernel"]["settings"]["net.core.bpf_jit_enable"].is_null());
    CHECK(json["trial"]["programs"][0]["verified_instructions"].is_null());
    CHECK(json["trial"]["programs"][0]["jited_bytes"] == 0);
}

TEST_CASE("control characters in a pin directory do not break its line", "[probe]") {
    ProbeFacts facts = sound();
    facts.pin_dir = "/sys/fs/bpf/a\nb";
    CHECK(contains(probe_text(facts), "pin directory /sys/fs/bpf/a?b\n"));
}

TEST_CASE("the verifier's log ends with its last lines", "[probe]") {
    std::string log = "prog 'p': -- BEGIN PROG LOAD LOG --\n";
    for (int i = 1; i <= 20; ++i) log += "line " + std::to_string(i) + "\n";
    const auto end = verifier_log_end_of(log + "-- END PROG LOAD LOG --\n");
    REQUIRE(end.size() == 8);
    CHECK(end.front() == "line 13");
    CHECK(end.back() == "line 20");
}

TEST_CASE("a verifier's log of no lines, of one, or cut off is read too", "[probe]") {
    const std::string begin = "-- BEGIN PROG LOAD LOG --";
    CHECK(verifier_log_end_of("libbpf: failed to load object").empty());
    CHECK(verifier_log_end_of(begin).empty());
    CHECK(verifier_log_end_of(begin + "\n\n-- END PROG LOAD LOG --").empty());
    CHECK(verifier_log_end_of(begin + "\none\t\n-- END PROG LOAD LOG --") ==
          std::vector<std::string>{"one?"});
    CHECK(verifier_log_end_of(begin + "\none\ntwo") == std::vector<std::string>{"one", "two"});
}
