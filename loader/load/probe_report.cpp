// SPDX-License-Identifier: BSD-2-Clause
// The report of --probe: the verdict on the facts, and both as text and as JSON.
#include "load/probe_report.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string_view>
#include <utility>

#include "common/json_fields.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

constexpr int json_schema = 1;  // of the probe object

// The needs that the kernel lacks, the oldest first.
std::vector<KernelNeed> missing_needs(const ProbeFacts& facts) {
    std::vector<KernelNeed> missing;
    std::copy_if(facts.needs.begin(), facts.needs.end(), std::back_inserter(missing),
                 [](const KernelNeed& need) { return !need.there.value_or(true); });
    return missing;
}

Verdict verdict_of_kernel(const ProbeFacts& facts) {
    if (!facts.has_btf) {
        const std::string_view need = btf_need;
        const auto colon = need.find(": ");
        return {ExitCode::unsupported, fmt::format("this kernel lacks {}", need.substr(0, colon)),
                std::string(need.substr(colon + 2))};
    }
    if (const auto missing = missing_needs(facts); !missing.empty())
        return {ExitCode::unsupported, "this kernel lacks " + text_of(missing.front()),
                fmt::format("boot Linux {} or later", missing.back().since)};
    if (facts.filters_system_calls) return {};
    return {ExitCode::unsupported, "this kernel lacks filters of system calls",
            "boot a kernel that is built with CONFIG_SECCOMP_FILTER=y"};
}

Verdict verdict_of_capabilities(const ProbeFacts& facts) {
    if (facts.may_load) return {};
    std::vector<std::string> lacking;
    for (const ProbedCapability& one : facts.capabilities) {
        if (one.needed && !one.held) lacking.push_back(one.name);
    }
    return {ExitCode::not_permitted,
            fmt::format("this process lacks {}", fmt::join(lacking, " and ")),
            "run it as root: sudo jsguard-load --probe"};
}

Verdict verdict_of_lockdown(const ProbeFacts& facts) {
    if (facts.may_read_kernel) return {};
    const std::string_view need = read_need;
    const auto step = need.find("; ");
    return {ExitCode::unsupported, fmt::format("this kernel lacks {}", need.substr(0, step)),
            std::string(need.substr(step + 2))};
}

// The complaint of the verifier is the last line before its statistics.
std::string complaint_in(const std::vector<std::string>& log) {
    const auto found = std::find_if(log.rbegin(), log.rend(), [](const std::string& line) {
        return line.rfind("processed ", 0) != 0;
    });
    return found == log.rend() ? log.back() : *found;
}

// An EACCES with a verifier log is about the program. Without a log it is about this process.
Verdict verdict_of_trial(const ProbeFacts& facts) {
    if (!facts.trial || !facts.trial->refusal) return {};
    const TrialRefusal& refusal = *facts.trial->refusal;
    constexpr const char* report = "report it with the whole output of --probe";
    if (!refusal.log.empty())
        return {ExitCode::runtime,
                "the kernel's verifier refuses a BPF program: " + complaint_in(refusal.log),
                report};
    const int error = refusal.error_number;
    const std::string why =
        "the kernel refuses the BPF programs: " + std::generic_category().message(error);
    if (error != EPERM && error != EACCES) return {ExitCode::runtime, why, report};
    return {ExitCode::not_permitted, why,
            facts.in_user_namespace ? "run it as root, outside this user namespace"
                                    : "run it as root, outside a container that forbids BPF"};
}

Verdict verdict_of_pin_dir(const ProbeFacts& facts) {
    const std::string where =
        printable(facts.pin_dir) + " is " + texts_of(facts.pin_directory_state).text;
    switch (facts.pin_directory_state) {
        case PinDirectory::ready:
        case PinDirectory::to_be_mounted:
            return {};
        case PinDirectory::not_bpffs:
            return {ExitCode::runtime, where, mount_advice()};
        case PinDirectory::read_only:
            return {
                ExitCode::runtime, where,
                "mount it for writing too (mount -o remount,rw) or choose another directory with "
                "--pin-dir"};
        case PinDirectory::not_writable:
            return {ExitCode::not_permitted, where,
                    "run it as root, or choose a directory of this user's with --pin-dir"};
        case PinDirectory::file_system_root:
        case PinDirectory::other_owner:
        case PinDirectory::changeable:
        case PinDirectory::foreign_pins:
            return {ExitCode::runtime, where, "choose another one with --pin-dir"};
    }
    return {};
}

// In the order in which a user should solve these problems.
constexpr Verdict (*checks_before_trial[])(const ProbeFacts&) = {
    verdict_of_kernel, verdict_of_capabilities, verdict_of_lockdown};
constexpr Verdict (*checks_with_trial[])(const ProbeFacts&) = {verdict_of_trial,
                                                               verdict_of_pin_dir};

template <typename Checks>
Verdict first_reason(const Checks& checks, const ProbeFacts& facts) {
    for (const auto check : checks) {
        if (const Verdict found = check(facts); found.code != ExitCode::clean) return found;
    }
    return {};
}

// Lines of two columns under headings.
class Lines {
  public:
    void heading(std::string_view text) { text_ += fmt::format("{}\n", text); }
    void line(std::string_view what, std::string_view value) {
        text_ += fmt::format("  {:<{}} {}\n", what, width, value);
    }
    void plain(std::string_view text) { text_ += fmt::format("  {}\n", text); }
    std::string take() { return std::move(text_); }

  private:
    static constexpr int width = 63;
    std::string text_;
};

const char* there_text(std::optional<bool> there) {
    if (!there) return "unknown without BTF";
    return *there ? "there" : "missing";
}

const char* socket_reader(const ProbeFacts& facts) {
    return facts.has_rdonly_cast ? "bpf_rdonly_cast" : "bpf_probe_read_kernel";
}

const char* setting_text(const ProbedSetting& setting) {
    if (setting.name == "net.core.bpf_jit_enable")
        return *setting.value ? "programs are compiled" : "programs are interpreted, and slower";
    if (setting.name == "kernel.bpf_stats_enabled")
        return *setting.value ? "the kernel measures every BPF program"
                              : "the kernel measures no run times";
    return *setting.value ? "BPF needs capabilities" : "every user may use some BPF";
}

void add_kernel(Lines& lines, const ProbeFacts& facts) {
    lines.heading("kernel " + facts.kernel_release);
    lines.line("BTF", facts.has_btf ? "there" : "missing");
    for (const KernelNeed& need : facts.needs) lines.line(text_of(need), there_text(need.there));
    if (facts.has_btf) lines.line("sockets are read by", socket_reader(facts));
    lines.line("BPF programs may read its memory",
               !facts.may_load         ? "unknown without privilege"
               : facts.may_read_kernel ? "yes"
                                       : "no, it is locked down (lockdown=confidentiality)");
    lines.line("filters of system calls (seccomp)",
               facts.filters_system_calls ? "there" : "missing");
    lines.line("file access of the loader", text_of(facts.file_limits));
    for (const ProbedSetting& setting : facts.settings) {
        lines.line(setting.name, setting.value
                                     ? fmt::format("{} ({})", *setting.value, setting_text(setting))
                                     : "missing, or not readable for this user");
    }
    lines.line("CPUs",
               fmt::format("{} possible, {} online", facts.possible_cpus, facts.online_cpus));
    lines.line("memory of the maps",
               fmt::format("{}, and up to {} more for windows that are kept",
                           bytes_text(facts.fixed_map_bytes), bytes_text(facts.growing_map_bytes)));
}

void add_process(Lines& lines, const ProbeFacts& facts) {
    lines.heading(facts.in_user_namespace
                      ? "this process, in a user namespace, where capabilities do not permit BPF"
                      : "this process");
    for (const ProbedCapability& one : facts.capabilities) {
        lines.line(fmt::format("{} ({})", one.name, one.needed ? "needed" : "optional"),
                   fmt::format("{}: {}", one.held ? "held" : "not held", one.gives));
    }
}

void add_pin_dir(Lines& lines, const ProbeFacts& facts) {
    lines.heading("pin directory " + printable(facts.pin_dir));
    lines.plain(texts_of(facts.pin_directory_state).text);
    lines.plain(!facts.pinned   ? "this process may not see whether a detector is pinned there"
                : *facts.pinned ? "a detector is pinned there"
                                : "no detector is pinned there");
}

void add_trial(Lines& lines, const ProbeFacts& facts) {
    lines.heading("trial load");
    if (!facts.trial) return lines.plain("not tried");
    if (const auto& refusal = facts.trial->refusal) {
        lines.plain("refused: " + std::generic_category().message(refusal->error_number));
        for (const std::string& line : refusal->warnings) lines.plain(line);
        for (const std::string& line : refusal->log) lines.plain("verifier: " + line);
        return;
    }
    for (const TrialProgram& program : facts.trial->programs) {
        lines.line(
            program.name,
            fmt::format("{} instructions verified, {}",
                        program.verified_instructions ? number_text(program.verified_instructions)
                                                      : "unknown",
                        program.jited_bytes
                            ? number_text(program.jited_bytes) + " bytes of machine code"
                            : "not compiled"));
    }
}

ordered_json text_or_null(const std::string& text) {
    return text.empty() ? ordered_json(nullptr) : ordered_json(text);
}

ordered_json kernel_json(const ProbeFacts& facts) {
    ordered_json needs = ordered_json::array();
    for (const KernelNeed& need : facts.needs)
        needs.push_back({{"name", need.name},
                         {"what", need.what},
                         {"since", need.since},
                         {"there", or_null(need.there)}});
    ordered_json settings = ordered_json::object();
    for (const ProbedSetting& setting : facts.settings)
        settings[setting.name] = or_null(setting.value);
    return {{"release", facts.kernel_release},
            {"btf", facts.has_btf},
            {"needs", needs},
            {"socket_reader", facts.has_btf ? ordered_json(socket_reader(facts)) : nullptr},
            {"may_read_memory",
             facts.may_load ? ordered_json(facts.may_read_kernel) : ordered_json(nullptr)},
            {"filters_system_calls", facts.filters_system_calls},
            {"landlock_version",
             facts.file_limits.available() ? ordered_json(facts.file_limits.version) : nullptr},
            {"file_access", text_of(facts.file_limits)},
            {"settings", settings},
            {"possible_cpus", facts.possible_cpus},
            {"online_cpus", facts.online_cpus},
            {"fixed_map_bytes", facts.fixed_map_bytes},
            {"growing_map_bytes", facts.growing_map_bytes}};
}

ordered_json process_json(const ProbeFacts& facts) {
    ordered_json capabilities = ordered_json::array();
    for (const ProbedCapability& one : facts.capabilities)
        capabilities.push_back({{"name", one.name}, {"needed", one.needed}, {"held", one.held}});
    return {{"capabilities", capabilities},
            {"may_load", facts.may_load},
            {"in_user_namespace", facts.in_user_namespace}};
}

ordered_json trial_json(const ProbeFacts& facts) {
    if (!facts.trial) return nullptr;
    ordered_json programs = ordered_json::array();
    for (const TrialProgram& program : facts.trial->programs)
        programs.push_back(
            {{"name", program.name},
             {"verified_instructions", program.verified_instructions
                                           ? ordered_json(program.verified_instructions)
                                           : nullptr},
             {"jited_bytes", program.jited_bytes}});
    const auto& refusal = facts.trial->refusal;
    return {
        {"loaded", !refusal},
        {"programs", programs},
        {"refusal",
         refusal ? ordered_json(std::generic_category().message(refusal->error_number)) : nullptr},
        {"libbpf_warnings", refusal ? refusal->warnings : std::vector<std::string>()},
        {"verifier_log", refusal ? refusal->log : std::vector<std::string>()}};
}

}  // namespace

bool allows_trial_load(const ProbeFacts& facts) {
    return first_reason(checks_before_trial, facts).code == ExitCode::clean;
}

Verdict verdict_of(const ProbeFacts& facts) {
    const Verdict before = first_reason(checks_before_trial, facts);
    return before.code != ExitCode::clean ? before : first_reason(checks_with_trial, facts);
}

std::string probe_text(const ProbeFacts& facts) {
    Lines lines;
    add_kernel(lines, facts);
    add_process(lines, facts);
    add_pin_dir(lines, facts);
    add_trial(lines, facts);
    const Verdict verdict = verdict_of(facts);
    lines.heading(verdict.code == ExitCode::clean ? "jsguard runs here"
                                                  : fmt::format("jsguard cannot run here: {}; {}",
                                                                verdict.reason, verdict.next_step));
    return lines.take();
}

ordered_json probe_json(const ProbeFacts& facts) {
    const Verdict verdict = verdict_of(facts);
    return {{"schema", json_schema},
            {"kernel", kernel_json(facts)},
            {"process", process_json(facts)},
            {"pin_dir",
             {{"path", facts.pin_dir},
              {"state", texts_of(facts.pin_directory_state).name},
              {"pinned", or_null(facts.pinned)}}},
            {"trial", trial_json(facts)},
            {"runs", verdict.code == ExitCode::clean},
            {"exit_code", static_cast<int>(verdict.code)},
            {"reason", text_or_null(verdict.reason)},
            {"next_step", text_or_null(verdict.next_step)}};
}

}  // namespace jsguard
