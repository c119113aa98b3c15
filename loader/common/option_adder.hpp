// SPDX-License-Identifier: BSD-2-Clause
// Adds options with checked values to the command lines of jsguard-load and jsguard.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.hpp"

namespace jsguard {

// Throws Error(usage).
[[noreturn]] void refuse_value(std::string_view option, std::string_view value,
                               std::string_view wanted);

std::uint32_t round_up(std::uint32_t number, std::uint32_t step);
// Refuses a --learn that is not a multiple of the step.
void check_learning_time(std::uint32_t learn_s, std::uint32_t step_s);

// The usage error about an argument that app does not know. It names the nearest option or command.
// help: the command that prints the help.
Error unknown_argument(const CLI::App& app, const std::string& argument, const std::string& help);

// Adds options with checks to a CLI11 app. If an option is repeated, its last value counts, but
// lists of ports are merged. The variables that values are stored in must exist until parsing ends.
class OptionAdder {
  public:
    using StoreNumber = std::function<void(std::uint32_t)>;

    explicit OptionAdder(CLI::App& app) : app_(app) {}

    void group(std::string name) { group_ = std::move(name); }

    // A whole number from 1 to max.
    CLI::Option* whole(std::string short_name, std::string name, std::string value_name,
                       std::uint32_t max, std::string description, StoreNumber store);
    // Stores billionths of a bit; 0 for auto.
    CLI::Option* threshold(std::string name, std::string description,
                           std::optional<std::uint32_t>& target);
    // Stores the exponent of 10^-exponent.
    CLI::Option* probability(std::string name, std::string description, StoreNumber store);
    CLI::Option* ports(std::string names, std::string name, std::string description,
                       std::vector<std::uint16_t>& target);
    // An option whose value may be left out: empty then.
    CLI::Option* optional_value(std::string name, std::string value_name, std::string description,
                                std::optional<std::string>& target);
    // A path. A value that begins with "-" is refused: probably the value was forgotten and the
    // next option was taken for it.
    CLI::Option* path(std::string name, std::string value_name, std::string description,
                      std::function<void(const std::string&)> store);

    template <class T>
    CLI::Option* flag(std::string names, std::string description, T& target) {
        return app_.add_flag(names, target, description)->group(group_);
    }

  private:
    CLI::Option* value(const std::string& names, const std::string& value_name,
                       const std::string& description,
                       std::function<void(const std::string&)> check);

    CLI::App& app_;
    std::string group_ = "Options";
};

auto store_in(auto& target) {
    return [&target](const auto& value) { target = value; };
}

}  // namespace jsguard
