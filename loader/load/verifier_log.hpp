// SPDX-License-Identifier: BSD-2-Clause
// The end of the verifier's log, which says why a program was refused, out of libbpf's warning.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jsguard {

// Its last lines; none if the warning bears no such log.
std::vector<std::string> verifier_log_end_of(std::string_view warning);

}  // namespace jsguard
