// SPDX-License-Identifier: BSD-2-Clause
// What --probe found, and how it is told: the verdict, for people and for programs.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/bpf_file_system.hpp"
#include "common/error.hpp"
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
    std::optional<std::int64_t> value;  // none: not there, or not for this process to read
};

struct TrialProgram {
    std::string name;
    std::uint32_t verified_instructions = 0;  // 0: the kernel does not tell (before 5.16)
    std::uint32_t jited_bytes = 0;            // 0: not compiled, interpreted
};

struct TrialRefusal {
    int error_number = 0;
    std::vector<std::string> warnings;  // libbpf's last
    std::vector<std::string> log;       // the end of the verifier's
};

// The BPF object, loaded and let go.
struct TrialLoad {
    std::vector<TrialProgram> programs;
    std::optional<TrialRefusal> refusal;
};

struct ProbeFacts {
    std::string kernel_release;
    bool has_btf = false;
    std::vector<KernelNeed> needs;
    bool has_rdonly_cast = false;
    bool filters_system_calls = false;  // seccomp, with which the loader gives up what it may do
    std::vector<ProbedCapability> capabilities;
    bool may_load = false;           // by capabilities
    bool in_user_namespace = false;  // where capabilities count for less
    std::string pin_dir;
    PinPlace pin_place = PinPlace::ready;
    std::optional<bool> pinned;  // something is in pin_dir; none: not for this process to see
    int possible_cpus = 0;
    int online_cpus = 0;
    std::vector<ProbedSetting> settings;
    std::uint64_t fixed_map_bytes = 0;
    std::uint64_t growing_map_bytes = 0;  // more, when as many windows are kept as fit
    std::optional<TrialLoad> trial;       // none: not tried, because the verdict is clear before
};

struct Verdict {
    ExitCode code = ExitCode::clean;
    std::string reason;  // the first one; empty if it runs
    std::string next_step;
};

// Whether nothing is known yet that a load would fail for.
bool may_be_tried(const ProbeFacts& facts);

Verdict verdict_of(const ProbeFacts& facts);

// Lines for people; the last one is the verdict.
std::string probe_text(const ProbeFacts& facts);
nlohmann::ordered_json probe_json(const ProbeFacts& facts);

}  // namespace jsguard
