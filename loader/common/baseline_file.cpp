// SPDX-License-Identifier: BSD-2-Clause
// Reads and checks baseline files, and replaces them as a whole.
#include "common/baseline_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/baseline_json.hpp"
#include "common/clocks.hpp"
#include "common/defaults.hpp"
#include "common/error.hpp"
#include "common/file_replacement.hpp"
#include "common/file_schema.hpp"
#include "common/json_fields.hpp"
#include "common/quantity_text.hpp"
#include "common/whole_number.hpp"

namespace jsguard {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* step_key = "step_s";
constexpr std::string_view kind = "baseline file";
constexpr std::string_view read_next_step =
    "give a file that jsguard-load --save-baseline or jsguard baseline wrote";

std::string read_text(const fs::path& path) {
    const std::string tried = fmt::format("cannot read the {} {}", kind, printable(path.native()));
    const RegularFile file(path, tried, read_next_step);
    std::string text;
    std::array<char, 1 << 16> part;
    // Check the size while reading, because the file may grow.
    while (text.size() <= max_baseline_file_bytes) {
        const ssize_t got = read(file.fd(), part.data(), part.size());
        if (got < 0) throw errno_error(ExitCode::usage, errno, tried, read_next_step);
        if (got == 0) return text;
        text.append(part.data(), static_cast<std::size_t>(got));
    }
    refuse(fmt::format("{}: it is larger than {} bytes; {}", tried, max_baseline_file_bytes,
                       read_next_step));
}

std::string read_string(const ordered_json& file, const char* key) {
    if (!file.contains(key)) return "";
    if (!file[key].is_string()) refuse(fmt::format("\"{}\" is not a text", key));
    return file[key].get<std::string>();
}

// The member "time", in the format of utc_timestamp(); 0 if it is missing.
std::uint64_t read_time(const ordered_json& file) {
    const std::string text = read_string(file, "time");
    if (text.empty()) return 0;
    std::tm parts{};
    const char* const end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    const std::time_t seconds = timegm(&parts);
    const std::string_view rest = end ? end : "";
    const auto ms =
        rest.size() > 3 && rest[0] == '.' ? whole_number(rest.substr(1, 3), 0, 999) : std::nullopt;
    if (!ms || seconds < 0 || rest.substr(4) != "+00:00")
        refuse(fmt::format("\"time\" is not a time such as {}", utc_timestamp(0)));
    return static_cast<std::uint64_t>(seconds) * 1000 + *ms;
}

BaselineOrigin read_origin(const ordered_json& file) {
    BaselineOrigin origin{read_string(file, "host"), read_string(file, "kernel"), read_time(file)};
    if (!file.contains(step_key)) return origin;  // files of earlier versions
    origin.step_s = read_count(file[step_key], step_key);
    if (origin.step_s < 1 || origin.step_s > max_window_s)
        refuse(fmt::format("\"{}\" is not a whole number from 1 to {}", step_key, max_window_s));
    return origin;
}

}  // namespace

BaselineOrigin origin_here(std::uint32_t step_s) {
    utsname names{};
    uname(&names);
    return {names.nodename, names.release, unix_now_ms(), step_s};
}

std::string baselines_to_json(const Baselines& baselines, const BaselineOrigin& origin) {
    ordered_json services = ordered_json::object();
    for (const auto& [port, baseline] : baselines)
        services[std::to_string(port)] = baseline_to_json(baseline);
    ordered_json file = {{"schema", file_schema}, {"host", origin.host}, {"kernel", origin.kernel}};
    if (origin.unix_ms) file["time"] = utc_timestamp(origin.unix_ms);
    file[step_key] = origin.step_s;
    file["services"] = services;
    return json_text(file, 2) + "\n";
}

BaselineFile baseline_file_from_json(std::string_view text) {
    ordered_json file = parse_json(text);
    to_present_schema(file, file_schema_of(file));
    BaselineFile read;
    read.origin = read_origin(file);
    for (const auto& [name, service] : object_member(file, "services").items()) {
        const auto port = whole_number(name, 1, max_port);
        if (!port) refuse(fmt::format("\"{}\" is no port", printable(name)));
        try {
            const jsg_baseline baseline = baseline_from_json(service);
            check_suffices(baseline, read.origin.step_s);
            // "080" and "80" are two keys, but one port.
            if (!read.baselines.emplace(*port, baseline).second) refuse("given twice");
        } catch (const Error& error) {
            refuse(fmt::format("port {}: {}", *port, error.what()));
        }
    }
    if (read.baselines.empty()) refuse("it holds no baseline");
    return read;
}

Baselines baselines_from_json(std::string_view text) {
    return baseline_file_from_json(text).baselines;
}

BaselineFile read_baseline_file(const fs::path& path) {
    const std::string text = read_text(path);
    try {
        return baseline_file_from_json(text);
    } catch (const Error& error) {
        refuse(fmt::format("cannot use the baseline file {}: {}; {}", printable(path.native()),
                           error.what(), read_next_step));
    }
}

Baselines read_baselines(const fs::path& path) { return read_baseline_file(path).baselines; }

void check_baseline_target(const fs::path& path) {
    const fs::path target = resolve(path);
    check_target(target, kind, ExitCode::usage);
    std::error_code none;
    const auto bytes = fs::file_size(target, none);
    if (none || bytes == 0) return;
    try {
        read_baseline_file(target);
    } catch (const Error&) {
        throw Error(ExitCode::usage,
                    fmt::format("cannot write a {0} {1}: the file exists and is not a valid {0}; "
                                "give another name, or remove it",
                                kind, printable(path.native())));
    }
}

OutputFile baseline_output(const fs::path& path) {
    check_baseline_target(path);
    return OutputFile(resolve(path), std::string(kind), ExitCode::usage);
}

void write_baselines(const OutputFile& file, const Baselines& baselines,
                     const BaselineOrigin& origin) {
    file.replace(baselines_to_json(baselines, origin));
}

void write_baselines(const fs::path& path, const Baselines& baselines,
                     const BaselineOrigin& origin) {
    if (baselines.empty()) {
        throw Error(ExitCode::runtime,
                    fmt::format("no baseline is complete yet, {} is not written: learn for longer "
                                "or under more load",
                                printable(path.native())));
    }
    write_baselines(OutputFile(resolve(path), std::string(kind), ExitCode::runtime), baselines,
                    origin);
}

}  // namespace jsguard
