// SPDX-License-Identifier: BSD-2-Clause
// What libbpf says when it fails: its last warnings, and the end of the verifier's log.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/error.hpp"

namespace jsguard {

// From here on libbpf's warnings are kept and not printed; what was kept is forgotten.
void keep_libbpf_log();

// The last ones, each on one line; the first of them tells the cause best.
const std::vector<std::string>& libbpf_warnings();
std::string last_libbpf_warning();

// The last lines of the log of the program that the verifier refused; none if it refused none.
const std::vector<std::string>& verifier_log_end();

// What to throw when libbpf or the kernel fails while the detector is brought up: for want of
// privilege, by the verifier's refusal, or with what libbpf last said. error: an errno, or less
// than 0.
Error libbpf_error(int error, std::string_view tried);

}  // namespace jsguard
