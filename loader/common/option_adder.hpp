// SPDX-License-Identifier: BSD-2-Clause
// Options whose values are checked as they are read: what jsguard-load and jsguard share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace jsguard {

// Throws Error(usage).
[[noreturn]] void refuse_value(std::string_view option, std::string_view value,
                               std::string_view wanted);

std::uint32_t round_up(std::uint32_t number, std::uint32_t step);
// Refuses a --learn that is not a multiple of the step.
void check_learning_time(std::uint32_t learn_s, std::uint32_t step_s);

// Adds options to a CLI11 app with the checks that this file knows; a repeated option's last value
// counts, but lists of ports add up. What it is given to store in must live while the line is
// parsed.
class OptionAdder {
  public:
    using StoreNumber = std::function<void(std::uint32_t)>;

    explicit OptionAdder(CLI::App& app) : app_(app) {}

    void group(std::string name) { group_ = std::move(name); }

    CLI::Option* whole(std::string short_name, std::string name, std::string value_name,
                       std::uint32_t most, std::string description, StoreNumber store);
    // In billionths; 0 for auto.
    CLI::Option* threshold(std::string name, std::string description,
                           std::optional<std::uint32_t>& target);
    // Stores the exponent of 10^-exponent.
    CLI::Option* probability(std::string name, std::string description, StoreNumber store);
    CLI::Option* ports(std::string names, std::string name, std::string description,
                       std::vector<std::uint16_t>& target);
    // A name in the file system; what looks like an option is one whose value was forgotten.
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
