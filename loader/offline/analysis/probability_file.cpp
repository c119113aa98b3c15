// SPDX-License-Identifier: BSD-2-Clause
// Reads the probability files of earlier tools. Their content is untrusted and checked.
#include "offline/analysis/probability_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>
#include <string_view>

#include "common/defaults.hpp"
#include "common/error.hpp"
#include "common/json_fields.hpp"
#include "common/whole_number.hpp"
#include "kernel/jsguard.h"

namespace jsguard {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr double min_share = 1e-6;

std::string read_text(const fs::path& path) {
    std::error_code failed;
    const std::uintmax_t bytes = fs::file_size(path, failed);
    if (failed) refuse(failed.message());
    if (bytes > max_probability_file_bytes)
        refuse(fmt::format("it has more than {} bytes", max_probability_file_bytes));
    std::ifstream file(path, std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (!file.is_open() || file.bad()) refuse("it cannot be read");
    return text;
}

// Parses "old-new". Both are numbers of states that a socket can be in.
std::optional<TransitionPair> transition_pair(std::string_view key) {
    const std::size_t dash = key.find('-');
    if (dash == std::string_view::npos) return {};
    const auto state = [](std::string_view text) {
        return whole_number(text, JSG_TCP_ESTABLISHED, JSG_STATES - 1);
    };
    const auto before = state(key.substr(0, dash));
    const auto after = state(key.substr(dash + 1));
    if (!before || !after) return {};
    return TransitionPair{*before, *after};
}

double read_share(const ordered_json& value, std::string_view key) {
    const double share = value.is_number() ? value.get<double>() : -1;
    if (!(share >= 0 && share <= 1)) refuse(fmt::format("\"{}\" is not a share from 0 to 1", key));
    return share;
}

}  // namespace

Probabilities probabilities_from_json(std::string_view text) {
    Probabilities probabilities;
    bool any = false;
    const ordered_json document = parse_json(text);
    for (const auto& [key, value] : object_member(document, "probabilities").items()) {
        const auto pair = transition_pair(key);
        if (!pair)
            refuse(fmt::format("\"{}\" is not a pair of TCP states \"old-new\", each 1 to {}",
                               printable(key), JSG_STATES - 1));
        const double share = read_share(value, key);
        any = any || share > 0;
        // "1-8" and "01-8" are the same pair.
        if (!probabilities.emplace(*pair, share).second)
            refuse(fmt::format("the pair \"{}\" is there twice", key));
    }
    if (!any) refuse("no share in it is above 0");
    return probabilities;
}

Probabilities read_probabilities(const fs::path& path) {
    try {
        return probabilities_from_json(read_text(path));
    } catch (const Error& error) {
        throw Error(ExitCode::usage,
                    fmt::format("cannot use the probability file {}: {}; leave it out, or if it is "
                                "a recording, give it a name that does not end in .json",
                                printable(path.string()), error.what()));
    }
}

ProbabilityVector clipped_probabilities(const Probabilities& probabilities,
                                        const std::set<TransitionPair>& keys) {
    ProbabilityVector shares;
    shares.reserve(keys.size());
    for (const TransitionPair& key : keys) {
        const auto found = probabilities.find(key);
        const double share = found == probabilities.end() ? 0 : found->second;
        shares.push_back(std::clamp(share, min_share, 1.0));
    }
    const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
    for (double& share : shares) share /= sum;
    return shares;
}

}  // namespace jsguard
