// SPDX-License-Identifier: BSD-2-Clause
// The only error type. Every layer throws it; only main() prints it and exits with its code.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace jsguard {

enum class ExitCode {
    clean = 0,
    runtime = 1,
    usage = 2,
    unsupported = 3,  // the kernel lacks something
    not_permitted = 4,
    alert = 10,  // --exit-on-alert without a code
};

// The message is one line: what was tried, why it failed and what to do next.
class Error : public std::runtime_error {
  public:
    Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
    ExitCode code() const { return code_; }

  private:
    ExitCode code_;
};

// Whether the errno means that this process lacks privilege.
inline bool lacks_permission(int error_number) {
    return error_number == EPERM || error_number == EACCES;
}

// "cannot open /x: No such file or directory", and "; <next step>" if there is one.
inline Error errno_error(ExitCode code, int error_number, std::string_view tried,
                         std::string_view next_step = {}) {
    return Error(code,
                 fmt::format("{}: {}{}{}", tried, std::generic_category().message(error_number),
                             next_step.empty() ? "" : "; ", next_step));
}

// The bytes of the UTF-8 character at the beginning of text; 0 for invalid UTF-8 and for control
// characters.
inline std::size_t printable_bytes(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (byte(0) < 0x80) return byte(0) >= ' ' && byte(0) != 0x7f;
    const std::size_t bytes = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
    if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < bytes) return 0;
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    return byte(0) == 0xc2 && byte(1) < 0xa0 ? 0 : bytes;  // U+0080 to U+009F are controls too
}

// Makes text from outside safe for a message of one line. Replaces control characters and invalid
// UTF-8 by "?", and cuts a long text.
inline std::string printable(std::string_view text) {
    constexpr std::size_t max_bytes = 200;
    // Do not cut inside a character: UTF-8 has at most three bytes after the first.
    std::size_t end = std::min(text.size(), max_bytes);
    for (int i = 0; i < 3 && end < text.size() && (text[end] & 0xc0) == 0x80; i++) end--;
    std::string shown;
    for (std::string_view rest = text.substr(0, end); !rest.empty();) {
        const std::size_t bytes = printable_bytes(rest);
        shown += bytes ? rest.substr(0, bytes) : "?";
        rest.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return text.size() > max_bytes ? shown + "..." : shown;
}

}  // namespace jsguard
