// SPDX-License-Identifier: BSD-2-Clause
// jsguard-load --probe: checks what this kernel and this process offer, and leaves nothing behind.
#include "load/probe.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>

#include "common/capabilities.hpp"
#include "common/json_fields.hpp"
#include "common/print.hpp"
#include "load/bpf_object.hpp"
#include "load/libbpf_log.hpp"
#include "load/privilege.hpp"
#include "load/skeleton.hpp"
#include "observe/bpf_info.hpp"

namespace jsguard {
namespace fs = std::filesystem;
namespace {

constexpr ino_t first_user_namespace = 0xEFFFFFFD;  // PROC_USER_INIT_INO of the kernel

void check_btf(ProbeFacts& facts) {
    const auto kernel = kernel_btf();
    facts.has_btf = kernel != nullptr;
    facts.needs = kernel_needs(kernel.get());
    facts.has_rdonly_cast = kernel && has_rdonly_cast(kernel.get());
}

std::vector<ProbedCapability> check_capabilities(bool has_rdonly_cast) {
    const auto needed = needed_to_load(has_rdonly_cast);
    const struct {
        unsigned number;
        ProbedCapability capability;
    } all[] = {
        {CAP_BPF, {"CAP_BPF", "makes maps and loads programs"}},
        {CAP_PERFMON, {"CAP_PERFMON", "loads programs of tracing"}},
        {CAP_SYS_ADMIN,
         {"CAP_SYS_ADMIN",
          "replaces both; shows the open sockets of all namespaces, and the cost"}},
        {CAP_SYS_PTRACE, {"CAP_SYS_PTRACE", "finds other users' network namespaces"}},
    };
    std::vector<ProbedCapability> checked;
    for (const auto& [number, capability] : all) {
        checked.push_back(capability);
        checked.back().needed = std::any_of(needed.begin(), needed.end(),
                                            [&](const auto& one) { return one.number == number; });
        checked.back().held = has_capability(number);
    }
    return checked;
}

bool in_user_namespace() {
    struct stat own {};
    return stat("/proc/self/ns/user", &own) == 0 && own.st_ino != first_user_namespace;
}

ProbedSetting read_setting(const std::string& name) {
    std::string path = name;
    std::replace(path.begin(), path.end(), '.', '/');
    std::ifstream file("/proc/sys/" + path);
    std::int64_t value = 0;
    if (file >> value) return {name, value};
    return {name, std::nullopt};
}

std::optional<bool> has_pins(const std::string& pin_dir) {
    std::error_code error;
    const bool empty = fs::is_empty(pin_dir, error);
    if (!error) return !empty;
    if (error.value() == ENOENT) return false;
    return std::nullopt;
}

TrialProgram trial_program(const bpf_program* program) {
    const bpf_prog_info info = info_of_program(bpf_program__fd(program));
    return {bpf_program__name(program), info.verified_insns, info.jited_prog_len};
}

// Sized by the given options. Opening needs no privilege.
Skeleton open_sized(const Options& options, ProbeFacts& facts) {
    jsg_config config = make_config(options);
    config.cpus = static_cast<std::uint32_t>(facts.possible_cpus);
    config.has_rdonly_cast = facts.has_rdonly_cast;
    Skeleton skeleton = open_object(config);
    facts.fixed_map_bytes = fixed_map_bytes(*skeleton);
    facts.growing_map_bytes = growing_map_bytes(*skeleton);
    return skeleton;
}

// Loads only the object. The other steps of the loader do not matter to the verifier.
TrialLoad try_load(bpf_object* object) {
    TrialLoad trial;
    if (const int error = bpf_object__load(object); error) {
        trial.refusal = {-error, libbpf_warnings(), verifier_log_end()};
        return trial;
    }
    bpf_program* program;
    bpf_object__for_each_program(program, object) trial.programs.push_back(trial_program(program));
    return trial;
}

bool filters_system_calls() {
    const std::uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

}  // namespace

ProbeFacts probe_facts(const Options& options) {
    keep_libbpf_log();
    ProbeFacts facts;
    struct utsname name {};
    if (uname(&name) == 0) facts.kernel_release = printable(name.release);
    check_btf(facts);
    facts.capabilities = check_capabilities(facts.has_rdonly_cast);
    facts.may_load = missing_to_load(facts.has_rdonly_cast).empty();
    facts.may_read_kernel = !facts.may_load || may_read_kernel();
    facts.in_user_namespace = in_user_namespace();
    facts.pin_dir = options.pin_dir;
    facts.pin_directory_state = pin_directory_state(options.pin_dir);
    facts.pinned = has_pins(options.pin_dir);
    facts.possible_cpus = std::max(1, libbpf_num_possible_cpus());
    facts.online_cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
    for (const char* setting : {"net.core.bpf_jit_enable", "kernel.unprivileged_bpf_disabled",
                                "kernel.bpf_stats_enabled"})
        facts.settings.push_back(read_setting(setting));
    facts.filters_system_calls = filters_system_calls();
    facts.file_limits = file_limits_here();
    const Skeleton skeleton = open_sized(options, facts);
    if (allows_trial_load(facts)) facts.trial = try_load(skeleton->obj);
    return facts;
}

int probe(const Options& options) {
    const ProbeFacts facts = probe_facts(options);
    print_text(options.json ? json_text(probe_json(facts)) + "\n" : probe_text(facts));
    return static_cast<int>(verdict_of(facts).code);
}

}  // namespace jsguard
