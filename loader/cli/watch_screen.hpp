// SPDX-License-Identifier: BSD-2-Clause
// The screen of jsguard watch: from what a detector shows to lines of styled text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "cli/styled_text.hpp"
#include "cli/watch_service.hpp"
#include "observe/observation.hpp"

namespace jsguard {

struct Watched {
    const Observation& seen;
    std::uint32_t port = 0;                    // of the service that is shown in full; 0: none
    std::span<const jsg_window> history = {};  // its last windows, oldest first
    bool paused = false;
};

struct Canvas {
    std::size_t width;
    std::size_t height;
    bool unicode;
};

// At most so many lines, none wider than the canvas. What does not fit is left out, the least
// important first; the footer with the keys is last.
Lines watch_screen(const Watched& watched, const Canvas& canvas);

}  // namespace jsguard
