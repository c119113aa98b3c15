// SPDX-License-Identifier: BSD-2-Clause
// What the tests of a persisted detector and of its pins share.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "load/pins.hpp"
#include "tests/catch_compat.hpp"
#include "watched.hpp"

namespace testbed {

inline const std::uint16_t persisted_port = own_port(0);

inline std::string pin_dir() { return own_pin_dir("persisted"); }

inline jsguard::Options persisted_options(std::vector<std::uint16_t> ports = {persisted_port}) {
    jsguard::Options options = quick_options(std::move(ports));
    options.pin_dir = pin_dir();
    options.persist = true;
    return options;
}

// Starts a detector in the same way as jsguard-load --persist.
inline void start(jsguard::Detector& detector, const jsguard::Options& options,
                  const jsguard::Baselines& baselines = {},
                  const jsguard::Detector::KeptAlertHandler& handle_kept = {}) {
    detector.load(options, baselines);
    detector.attach();
    detector.adopt_sockets();
    detector.arm_clock();
    detector.pin(handle_kept);
    detector.persist();
}

// Removes all pins of a test before it begins and after it ends, even if it fails.
struct PinCleanup {
    PinCleanup() {
        enter_namespace();
        remove();
    }
    ~PinCleanup() { remove(); }
    static void remove() {
        std::error_code ignored;
        if (std::filesystem::exists(pin_dir(), ignored)) jsguard::Pins(pin_dir()).remove_all();
    }
};

inline std::string refusal_of(const std::function<void()>& action, jsguard::ExitCode code) {
    try {
        action();
    } catch (const jsguard::Error& error) {
        CHECK(error.code() == code);
        return error.what();
    }
    return "nothing was refused";
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace testbed
