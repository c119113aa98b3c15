// SPDX-License-Identifier: BSD-2-Clause
// What the user is told on stderr as services come, learn, and go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/jsguard.h"
#include "load/options.hpp"
#include "observe/map_reader.hpp"
#include "observe/service_learning.hpp"

namespace jsguard {

class Progress {
  public:
    // terminal: stderr is one, so a bar may be drawn.
    Progress(const Options& options, bool terminal);

    // The lines that the services' change since the last call is worth, and the bar.
    void update(const MapReader& reader);
    void say(const std::string& line);
    // Says it unless it is empty.
    void say_if_any(const std::string& line);
    // Takes the bar away, before anything else is written.
    void hide_bar();

    // Whether stderr was a terminal and has hung up: then SIGHUP is no request to relearn.
    bool terminal_is_gone() const;

    // Whether some service has finished learning since the last call.
    bool take_learned();
    // What was said since the last call of baselines that look like an attack.
    std::vector<std::string> take_warnings();

  private:
    struct Known {
        std::uint32_t port = 0;
        ServiceLearning learning;
    };

    Known nothing_known() const;
    void follow(Known& known, const jsg_service& service, const MapReader& reader,
                std::uint32_t place);
    void follow_learning(Known& known, const jsg_service& service, const MapReader& reader,
                         std::uint32_t place);
    void tell_learning(const ServiceLearning::News& news, const jsg_service& before);
    void tell_thresholds(const jsg_service& service, const jsg_baseline& baseline);
    void tell_warnings(const jsg_service& service);
    void tell_refused(std::uint64_t refused);
    void draw_bar(const std::vector<jsg_service>& services);

    const Options& options_;
    bool terminal_;
    bool bar_shown_ = false;
    bool first_ = true;
    bool learned_ = false;
    std::vector<std::string> warnings_;
    std::uint64_t refused_ = 0;
    std::vector<Known> known_;
};

}  // namespace jsguard
