// SPDX-License-Identifier: BSD-2-Clause
// Keeps what libbpf prints when it fails: its last warnings, and the end of the verifier's log.
#include "load/libbpf_log.hpp"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>

#include "load/verifier_log.hpp"

namespace jsguard {
namespace {

constexpr std::size_t max_warnings = 8;

std::vector<std::string> warnings;
std::vector<std::string> log_end;

std::string formatted(const char* format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(nullptr, 0, format, again);
    va_end(again);
    std::string text(length > 0 ? static_cast<std::size_t>(length) : 0, '\0');
    vsnprintf(text.data(), text.size() + 1, format, arguments);
    return text;
}

int keep(libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_WARN) return 0;
    std::string text = formatted(format, arguments);
    text.erase(text.find_last_not_of('\n') + 1);
    if (auto lines = verifier_log_end_of(text); !lines.empty())
        log_end = std::move(lines);
    else
        warnings.push_back(printable(text));
    if (warnings.size() > max_warnings) warnings.erase(warnings.begin());
    return 0;
}

}  // namespace

void keep_libbpf_log() {
    warnings.clear();
    log_end.clear();
    libbpf_set_print(keep);
}

const std::vector<std::string>& libbpf_warnings() { return warnings; }
std::string last_libbpf_warning() { return warnings.empty() ? std::string() : warnings.back(); }
const std::vector<std::string>& verifier_log_end() { return log_end; }

Error libbpf_error(int error, std::string_view tried) {
    if (error < 0) error = -error;
    // Check the verifier's log first: the verifier often refuses with EACCES too.
    if (!log_end.empty())
        return Error(
            ExitCode::runtime,
            fmt::format("{}: the kernel's verifier refuses a program: {}; see jsguard-load --probe",
                        tried, warnings.front()));
    if (lacks_permission(error))
        return errno_error(ExitCode::not_permitted, error, tried,
                           "run it as root, outside a container that forbids BPF");
    return errno_error(ExitCode::runtime, error, tried, last_libbpf_warning());
}

}  // namespace jsguard
