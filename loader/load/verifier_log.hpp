// SPDX-License-Identifier: BSD-2-Clause
// Extracts from libbpf's warning the end of the verifier's log, which shows why a program was
// refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jsguard {

// The last lines of the log; empty if the warning has no such log.
std::vector<std::string> verifier_log_end_of(std::string_view warning);

}  // namespace jsguard
