// SPDX-License-Identifier: BSD-2-Clause
// Baselines, baseline files and directories for tests.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "common/baseline_file.hpp"
#include "common/error.hpp"

namespace jsguard {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// The number of rounds of a random test. Sanitizers take ten times as long, so they do a tenth.
#ifdef JSGUARD_SANITIZE
constexpr int rounds(int all) { return all / 10; }
#else
constexpr int rounds(int all) { return all; }
#endif

// A temporary directory. The destructor removes it with its contents.
class Directory {
  public:
    Directory() {
        std::string name = (fs::temp_directory_path() / "jsguard-test-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a directory");
        path_ = name;
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { fs::remove_all(path_); }
    fs::path operator/(const char* name) const { return path_ / name; }
    std::ptrdiff_t files() const { return std::distance(fs::directory_iterator(path_), {}); }

  private:
    fs::path path_;
};

inline std::string content(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_text(const fs::path& path, const std::string& text) {
    std::ofstream(path) << text;
}

inline const BaselineOrigin origin = {"web1", "6.18.0", 1'767'323'045'678};

// A spread as it is read from a file, without the sums that learning needs.
inline jsg_spread spread(std::uint32_t windows, std::uint32_t mean, std::uint32_t deviation,
                         std::uint32_t maximum) {
    jsg_spread spread{};
    spread.windows = windows;
    spread.mean_nanobits = mean;
    spread.deviation_nanobits = deviation;
    spread.maximum_nanobits = maximum;
    return spread;
}

inline jsg_baseline full_baseline(std::uint32_t seed) {
    jsg_baseline baseline{};
    baseline.learned_s = 60 + seed;
    baseline.queue_full_s = 3 + seed;
    baseline.exchanges = 1000 + seed;
    baseline.spread[JSG_TRANSITIONS] =
        spread(51 + seed, 10'000'001 + seed, 20'000'003, 300'000'001);
    baseline.spread[JSG_OCCUPANCY] = spread(1 + seed, JSG_NANO / 2, JSG_NANO / 2 - seed, JSG_NANO);
    for (std::uint32_t cell = 0; cell < JSG_TRANSITION_CELLS; cell++) {
        baseline.transition_counts[cell] = seed + 3 * cell;
        baseline.transitions += seed + 3 * cell;
    }
    for (std::uint32_t cell = 0; cell < JSG_PHASE_CELLS; cell++) {
        baseline.occupancy_socket_seconds[cell] = seed + 2 * cell;
        (cell < JSG_JUDGED_CELLS ? baseline.judged_socket_seconds
                                 : baseline.waiting_socket_seconds) += seed + 2 * cell;
    }
    return baseline;
}

// A small sound file. A test changes one part of it.
inline ordered_json sound_file() {
    return ordered_json::parse(R"({"schema": 2, "services": {"8080": {
        "learned_s": 60, "exchanges": 500,
        "transition_counts": {"LISTEN->SYN_RECV": 50, "SYN_RECV->ESTABLISHED": 50},
        "occupancy_socket_seconds": {"request moving <1s": 29, "waiting <1s": 1}}}})");
}

// The spread that the detector writes into such a file.
inline ordered_json sound_spread() {
    return ordered_json::parse(R"({
        "transitions": {"windows": 40, "mean_bits": 0.01, "deviation_bits": 0.002,
                        "maximum_bits": 0.02},
        "occupancy": {"windows": 51, "mean_bits": 0.25, "deviation_bits": 0, "maximum_bits": 1}})");
}

inline ordered_json& service(ordered_json& file) { return file["services"]["8080"]; }

// The message of the usage error that the function throws, or "" if it throws none.
template <class Function>
std::string refusal(Function function) {
    try {
        function();
    } catch (const Error& error) {
        return error.code() == ExitCode::usage ? error.what() : "";
    }
    return "";
}

inline std::string refusal_of(const std::string& text) {
    return refusal([&] { baselines_from_json(text); });
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace jsguard
