// SPDX-License-Identifier: BSD-2-Clause
// Keeps what libbpf prints when it fails: its last warnings, and the end of the verifier's log.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/error.hpp"

namespace jsguard {

// From now on keeps libbpf's warnings instead of printing them. Discards what was kept before.
void keep_libbpf_log();

// The last warnings, each on one line. The first of them shows the cause best.
const std::vector<std::string>& libbpf_warnings();
std::string last_libbpf_warning();

// The last lines of the log of the program that the verifier refused; empty if it refused none.
const std::vector<std::string>& verifier_log_end();

// The error to throw when libbpf or the kernel fails to load the detector. It reports the
// verifier's refusal, a lack of privilege, or libbpf's last warning. error: an errno, positive or
// negative.
Error libbpf_error(int error, std::string_view tried);

}  // namespace jsguard
