// SPDX-License-Identifier: BSD-2-Clause
// The report of --probe: the facts, the verdict on them, and both as text and as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/bpf_file_system.hpp"
#include "common/error.hpp"
#include "load/file_access.hpp"
#include "load/kernel_needs.hpp"

namespace jsguard {

struct ProbedCapability {
    std::string name;
    std::string gives;
    bool needed = false;
    bool held = false;
};

struct ProbedSetting {
    std::string name;                   // as sysctl calls it
    std::optional<std::int64_t> value;  // none: missing, or not readable for this process
};

struct TrialProgram {
    std::string name;
    std::uint32_t verified_instructions = 0;  // 0: the kernel does not report it (before 5.16)
    std::uint32_t jited_bytes = 0;            // 0: not compiled, interpreted
};

struct TrialRefusal {
    int error_number = 0;
    std::vector<std::string> warnings;  // the last warnings of libbpf
    std::vector<std::string> log;       // the end of the verifier's log
};

// The result of loading the BPF object once for a trial.
struct TrialLoad {
    std::vector<TrialProgram> programs;
    std::optional<TrialRefusal> refusal;
};

struct ProbeFacts {
    std::string kernel_release;
    bool has_btf = false;
    std::vector<KernelNeed> needs;
    bool has_rdonly_cast = false;
    bool filters_system_calls = false;  // by seccomp, which the loader needs to drop privilege
    FileLimits file_limits;             // the loader sets them too, where the kernel can
    std::vector<ProbedCapability> capabilities;
    bool may_load = false;           // the capabilities are enough to load
    bool may_read_kernel = true;     // by BPF; not tried without may_load
    bool in_user_namespace = false;  // capabilities do not permit BPF there
    std::string pin_dir;
    PinDirectory pin_directory_state = PinDirectory::ready;
    std::optional<bool> pinned;  // pin_dir has files; none: this process may not see that
    int possible_cpus = 0;
    int online_cpus = 0;
    std::vector<ProbedSetting> settings;
    std::uint64_t fixed_map_bytes = 0;
    std::uint64_t growing_map_bytes = 0;  // additional, when the map of windows is full
    std::optional<TrialLoad> trial;       // none: not tried, because an earlier check failed
};

struct Verdict {
    ExitCode code = ExitCode::clean;
    std::string reason;  // the first reason why jsguard cannot run; empty if it can
    std::string next_step;
};

// Whether a trial load makes sense: no earlier check failed.
bool allows_trial_load(const ProbeFacts& facts);

Verdict verdict_of(const ProbeFacts& facts);

// Lines for people; the last one is the verdict.
std::string probe_text(const ProbeFacts& facts);
nlohmann::ordered_json probe_json(const ProbeFacts& facts);

}  // namespace jsguard
