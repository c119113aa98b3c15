// SPDX-License-Identifier: BSD-2-Clause
// Text on stderr, lost where it cannot be written: a full disk or a closed pipe must end no
// monitor.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace jsguard {

inline void tell_text(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

// In one write: what others say on the same stderr does not come between.
inline void tell(std::string_view line) { tell_text(std::string(line) + '\n'); }

}  // namespace jsguard
