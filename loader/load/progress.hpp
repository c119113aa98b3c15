// SPDX-License-Identifier: BSD-2-Clause
// Prints on stderr how services come, learn and go.
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

    // Prints lines for what has changed in the services since the last call, and draws the bar.
    void update(const MapReader& reader);
    void print(const std::string& line);
    // Prints the line unless it is empty.
    void print_if_any(const std::string& line);
    // Erases the bar. Call it before other output.
    void hide_bar();

    // Whether stderr was a terminal that has hung up. Then SIGHUP says that nobody reads it any
    // more.
    bool terminal_is_gone() const;

    // Whether some service has finished learning since the last call.
    bool take_learned();
    // The warnings since the last call about baselines that look like an attack.
    std::vector<std::string> take_warnings();

  private:
    struct Known {
        std::uint32_t port = 0;
        bool checked_for_use = false;
        ServiceLearning learning;
    };

    Known nothing_known() const;
    void follow(Known& known, const jsg_service& service, const MapReader& reader,
                std::uint32_t service_id);
    void follow_learning(Known& known, const jsg_service& service, const MapReader& reader,
                         std::uint32_t service_id);
    void print_learning(const ServiceLearning::News& news, const jsg_service& before);
    void print_thresholds(const jsg_service& service, const jsg_baseline& baseline);
    void print_warnings(const jsg_service& service);
    void print_if_unused(Known& known, const jsg_service& service);
    void print_refused(std::uint64_t refused);
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
