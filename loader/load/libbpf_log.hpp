// SPDX-License-Identifier: BSD-2-Clause
// What libbpf says when it fails: its last warnings, and the end of the verifier's log.
#pragma once

#include <string>
#include <vector>

namespace jsguard {

// From here on libbpf's warnings are kept and not printed; what was kept is forgotten.
void keep_libbpf_log();

// The last ones, each on one line; the first of them tells the cause best.
const std::vector<std::string>& libbpf_warnings();
std::string last_libbpf_warning();

// The last lines of the log of the program that the verifier refused; none if it refused none.
const std::vector<std::string>& verifier_log_end();

}  // namespace jsguard
