// SPDX-License-Identifier: BSD-2-Clause
// What the tests of a detector that stays in the kernel, and of its pins, share.
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

inline const std::uint16_t lasting_port = own_port(0);

inline std::string pin_dir() { return own_pin_dir("lasting"); }

inline jsguard::Options lasting_options(std::vector<std::uint16_t> ports = {lasting_port}) {
    jsguard::Options options = quick_options(std::move(ports));
    options.pin_dir = pin_dir();
    options.persist = true;
    return options;
}

// As jsguard-load --persist does it.
inline void start(jsguard::Detector& detector, const jsguard::Options& options,
                  const jsguard::Baselines& baselines = {},
                  const jsguard::Detector::LeftOver& left_over = {}) {
    detector.load(options, baselines);
    detector.attach();
    detector.adopt_sockets();
    detector.arm_clock();
    detector.pin(left_over);
    detector.persist();
}

// Takes out what a test has left, however it ended.
struct TakenOut {
    TakenOut() {
        enter_namespace();
        remove();
    }
    ~TakenOut() { remove(); }
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
