// SPDX-License-Identifier: BSD-2-Clause
// The screen of jsguard watch: an observation as lines of styled text.
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
    std::uint32_t port = 0;                    // the service that is shown in full; 0: none
    std::span<const jsg_window> history = {};  // last windows of that service, oldest first
    bool paused = false;
};

struct Canvas {
    std::size_t width;
    std::size_t height;
    bool unicode;
};

// Lines that fit the canvas. If there is no room for everything, the least important parts are left
// out. The last line is the footer with the keys.
Lines watch_screen(const Watched& watched, const Canvas& canvas);

}  // namespace jsguard
