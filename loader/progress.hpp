// SPDX-License-Identifier: BSD-2-Clause
// What the user is told on stderr as services come, learn, and go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jsguard.h"
#include "options.hpp"

namespace jsguard {

class Progress {
  public:
    // terminal: stderr is one, so a bar may be drawn.
    Progress(const Options& options, bool terminal);

    // The lines that the services' change since the last call is worth, and the bar.
    void update(const std::vector<jsg_service>& services, const jsg_stats& stats);
    // Takes the bar away, before anything else is written.
    void hide_bar();

    // Whether some service has finished learning since the last call.
    bool take_learned();

  private:
    struct Known {
        std::uint32_t port = 0;
        jsg_mode mode = JSG_FREE;
    };

    void say(const std::string& line);
    void follow(Known& known, const jsg_service& service);
    void draw_bar(const std::vector<jsg_service>& services);

    const Options& options_;
    bool terminal_;
    bool bar_shown_ = false;
    bool first_ = true;
    bool learned_ = false;
    std::uint64_t refused_ = 0;
    std::vector<Known> known_;
};

}  // namespace jsguard
