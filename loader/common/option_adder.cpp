// SPDX-License-Identifier: BSD-2-Clause
// Adds options whose values are checked during parsing.
#include "common/option_adder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <system_error>
#include <utility>

#include "common/defaults.hpp"
#include "common/error.hpp"
#include "common/whole_number.hpp"
#include "kernel/jsguard.h"
#include "kernel/significance.h"

namespace jsguard {
namespace {

std::uint32_t parse_threshold(std::string_view option, std::string_view text) {
    constexpr std::string_view wanted =
        "give a number of bits above 0 and below 1 (at least a billionth), such as 0.12, or auto";
    if (text == "auto") return 0;
    double bits = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, bits);
    // This form of the condition also refuses a NaN.
    if (error != std::errc() || stop != end || !(bits > 0 && bits < 1)) {
        refuse_value(option, text, wanted);
    }
    const auto nanobits = static_cast<std::uint32_t>(std::llround(bits * JSG_NANO));
    if (nanobits == 0 || nanobits == JSG_NANO) refuse_value(option, text, wanted);
    return nanobits;
}

// The exponent of a probability 10^-exponent. Other probabilities are rounded down to the next one.
std::uint32_t parse_probability(std::string_view option, std::string_view text) {
    double probability = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, probability);
    const auto exponent =
        error == std::errc() && stop == end && probability > 0 && probability < 0.1 + 1e-9
            ? std::ceil(-std::log10(probability) - 1e-9)
            : 0;
    if (!(exponent >= 1 && exponent <= JSG_SIGNIFICANCE_EXPONENTS)) {
        refuse_value(option, text,
                     fmt::format("give a probability from 1e-{} to 0.1, such as 1e-6",
                                 JSG_SIGNIFICANCE_EXPONENTS));
    }
    return static_cast<std::uint32_t>(exponent);
}

void merge_ports(std::vector<std::uint16_t>& ports, std::string_view option,
                 std::string_view text) {
    for (std::size_t start = 0; start <= text.size();) {
        const std::size_t end = std::min(text.find(',', start), text.size());
        const auto port = whole_number(text.substr(start, end - start), 1, max_port);
        if (!port) {
            refuse_value(
                option, text,
                fmt::format("give ports from 1 to {} with one comma between, such as 80,443",
                            max_port));
        }
        ports.push_back(static_cast<std::uint16_t>(*port));
        start = end + 1;
    }
    std::sort(ports.begin(), ports.end());
    ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
}

// The number of characters to insert, delete or replace (Levenshtein).
std::size_t edit_distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> row(to.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= from.size(); ++i) {
        std::size_t above_left = row[0]++;
        for (std::size_t j = 1; j <= to.size(); ++j) {
            const std::size_t replaced = above_left + (from[i - 1] != to[j - 1]);
            above_left = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row.back();
}

// The long options and the commands of an app.
std::vector<std::string> names_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(command->get_name());
    return names;
}

// Empty if no name is near. A word that is the beginning of a single name is near too.
std::string nearest_name(const CLI::App& app, std::string_view word) {
    constexpr std::size_t min_letters = 2;
    const std::size_t letters = word.size() - std::min(word.find_first_not_of('-'), word.size());
    std::string nearest;
    std::size_t least = std::max(min_letters, letters / 3) + 1;
    for (const std::string& name : names_of(app)) {
        const bool begins = letters > min_letters && name.starts_with(word);
        const std::size_t distance = begins ? 1 : edit_distance(word, name);
        if (distance >= least) continue;
        least = distance;
        nearest = name;
    }
    return letters < min_letters ? "" : nearest;
}

}  // namespace

Error unknown_argument(const CLI::App& app, const std::string& argument, const std::string& help) {
    const std::string word = argument.substr(0, argument.find('='));
    const std::string near = nearest_name(app, word);
    return Error(ExitCode::usage,
                 fmt::format("unknown argument \"{}\": {}see {}", printable(argument),
                             near.empty() ? "" : fmt::format("did you mean {}? ", near), help));
}

void refuse_value(std::string_view option, std::string_view value, std::string_view wanted) {
    throw Error(ExitCode::usage, fmt::format("{} \"{}\": {}", option, printable(value), wanted));
}

std::uint32_t round_up(std::uint32_t number, std::uint32_t step) {
    return (number + step - 1) / step * step;
}

void check_learning_time(std::uint32_t learn_s, std::uint32_t step_s) {
    if (learn_s % step_s == 0) return;
    throw Error(ExitCode::usage,
                fmt::format("--learn {} is not a multiple of --step {}: make it {}", learn_s,
                            step_s, round_up(learn_s, step_s)));
}

CLI::Option* OptionAdder::whole(std::string short_name, std::string name, std::string value_name,
                                std::uint32_t max, std::string description, StoreNumber store) {
    auto check = [name, max, store = std::move(store)](const std::string& text) {
        const auto number = whole_number(text, 1, max);
        if (!number) refuse_value(name, text, fmt::format("give a whole number from 1 to {}", max));
        store(*number);
    };
    return value(short_name + name, value_name, description, check);
}

CLI::Option* OptionAdder::threshold(std::string name, std::string description,
                                    std::optional<std::uint32_t>& target) {
    return value(name, "BITS", description, [name, &target](const std::string& text) {
        target = parse_threshold(name, text);
    });
}

CLI::Option* OptionAdder::probability(std::string name, std::string description,
                                      StoreNumber store) {
    return value(name, "P", description, [name, store = std::move(store)](const std::string& text) {
        store(parse_probability(name, text));
    });
}

CLI::Option* OptionAdder::ports(std::string names, std::string name, std::string description,
                                std::vector<std::uint16_t>& target) {
    auto add = [name, &target](const std::vector<std::string>& lists) {
        for (const std::string& list : lists) merge_ports(target, name, list);
    };
    return app_.add_option_function<std::vector<std::string>>(names, add, description)
        ->type_name("PORT")
        ->option_text("PORT[,PORT...]")
        ->allow_extra_args(false)
        ->group(group_);
}

CLI::Option* OptionAdder::optional_value(std::string name, std::string value_name,
                                         std::string description,
                                         std::optional<std::string>& target) {
    return app_
        .add_option_function<std::string>(
            name, [&target](const std::string& value) { target = value; }, description)
        ->type_name("")
        ->option_text(value_name)
        ->expected(0, 1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
        ->group(group_);
}

CLI::Option* OptionAdder::path(std::string name, std::string value_name, std::string description,
                               std::function<void(const std::string&)> store) {
    return value(
        name, value_name, description, [name, store = std::move(store)](const std::string& text) {
            if (text.empty() || text.front() == '-') {
                refuse_value(name, text, "give a path (./-x for a name that begins with -)");
            }
            store(text);
        });
}

CLI::Option* OptionAdder::value(const std::string& names, const std::string& value_name,
                                const std::string& description,
                                std::function<void(const std::string&)> check) {
    return app_.add_option_function<std::string>(names, check, description)
        ->type_name(value_name)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
        ->group(group_);
}

}  // namespace jsguard
