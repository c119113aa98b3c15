// SPDX-License-Identifier: BSD-2-Clause
// Reads baseline files with distrust and replaces them as a whole.
#include "baseline_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "alert_text.hpp"
#include "cells.hpp"
#include "error.hpp"
#include "whole_number.hpp"

namespace jsguard {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr unsigned file_schema = 1;
constexpr std::size_t bytes_most = 16 << 20;
constexpr std::uint32_t count_most = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t depth_most = 8;  // a baseline file has four levels
constexpr mode_t file_mode = 0644;
constexpr std::string_view read_next_step =
    "give a file that --save-baseline wrote, or leave --baseline out and learn";

// Closes what it was given.
class FileDescriptor {
  public:
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor() {
        if (fd_ >= 0) close(fd_);
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

// Removes a file that was not finished.
class TemporaryName {
  public:
    explicit TemporaryName(std::string name) : name_(std::move(name)) {}
    TemporaryName(const TemporaryName&) = delete;
    TemporaryName& operator=(const TemporaryName&) = delete;
    ~TemporaryName() {
        if (!name_.empty()) unlink(name_.c_str());
    }
    const char* get() const { return name_.c_str(); }
    void keep() { name_.clear(); }

  private:
    std::string name_;
};

[[noreturn]] void refuse(const std::string& why) { throw Error(ExitCode::usage, why); }

// nlohmann takes the last of two equal keys in silence; here one of them would be a wrong one.
class KeysOnce {
  public:
    bool operator()(int depth, ordered_json::parse_event_t event, ordered_json& parsed) {
        if (static_cast<std::size_t>(depth) > depth_most) refuse("nested too deeply");
        if (event == ordered_json::parse_event_t::object_start) keys_.emplace_back();
        if (event == ordered_json::parse_event_t::object_end) keys_.pop_back();
        if (event == ordered_json::parse_event_t::key) {
            const auto& key = parsed.get_ref<const std::string&>();
            if (!keys_.back().insert(key).second) {
                refuse(fmt::format("\"{}\" stands there twice", printable(key)));
            }
        }
        return true;
    }

  private:
    std::vector<std::set<std::string>> keys_;
};

ordered_json parse_json(std::string_view text) {
    try {
        return ordered_json::parse(text, KeysOnce());
    } catch (const ordered_json::parse_error& error) {
        refuse(fmt::format("not JSON, or cut short, at byte {}", error.byte));
    } catch (const ordered_json::exception&) {
        refuse("it holds a number that is out of range");
    }
}

const ordered_json& member(const ordered_json& object, const char* name) {
    if (!object.is_object()) refuse(fmt::format("\"{}\" is sought where no object is", name));
    const auto found = object.find(name);
    if (found == object.end()) refuse(fmt::format("\"{}\" is missing", name));
    return *found;
}

const ordered_json& object_member(const ordered_json& object, const char* name) {
    const ordered_json& value = member(object, name);
    if (!value.is_object()) refuse(fmt::format("\"{}\" is not an object", name));
    return value;
}

std::uint32_t read_count(const ordered_json& value, std::string_view name) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > count_most) {
        refuse(
            fmt::format("\"{}\" is not a whole number from 0 to {}", printable(name), count_most));
    }
    return value.get<std::uint32_t>();
}

using CellOf = std::optional<std::uint32_t> (*)(std::string_view);
using NameOf = std::string (*)(std::uint32_t);

void read_cells(const ordered_json& cells, CellOf cell_of, std::span<__u32> counts) {
    for (const auto& [name, value] : cells.items()) {
        const auto cell = cell_of(name);
        if (!cell) refuse(fmt::format("unknown cell \"{}\"", printable(name)));
        counts[*cell] = read_count(value, name);
    }
}

std::uint32_t total(std::span<const __u32> counts, std::string_view name) {
    std::uint64_t sum = 0;
    for (const __u32 count : counts) sum += count;
    if (sum > count_most) refuse(fmt::format("the total of \"{}\" is over {}", name, count_most));
    return static_cast<std::uint32_t>(sum);
}

constexpr const char* spread_key = "divergence_while_learning";

// Bits, 0 to 1, as billionths.
std::uint32_t read_bits(const ordered_json& object, const char* name) {
    const ordered_json& value = member(object, name);
    const double bits = value.is_number() ? value.get<double>() : -1;
    if (!(bits >= 0 && bits <= 1))
        refuse(fmt::format("\"{}\" is not a number of bits, 0 to 1", name));
    return static_cast<std::uint32_t>(std::llround(bits * JSG_NANO));
}

// The sums stay 0: what comes from a file is not learned any further.
jsg_spread read_spread(const ordered_json& object) {
    jsg_spread spread{};
    spread.windows = read_count(member(object, "windows"), "windows");
    spread.mean_nanobits = read_bits(object, "mean_bits");
    spread.deviation_nanobits = read_bits(object, "deviation_bits");
    spread.maximum_nanobits = read_bits(object, "maximum_bits");
    return spread;
}

ordered_json spread_json(const jsg_spread& spread) {
    const auto bits = [](std::uint32_t nanobits) { return nanobits / double{JSG_NANO}; };
    return {{"windows", spread.windows},
            {"mean_bits", bits(spread.mean_nanobits)},
            {"deviation_bits", bits(spread.deviation_nanobits)},
            {"maximum_bits", bits(spread.maximum_nanobits)}};
}

constexpr const char* transitions_key = "transition_counts";
constexpr const char* occupancy_key = "occupancy_socket_seconds";

void check_complete(const jsg_baseline& baseline) {
    if (baseline.learned_s == 0) refuse("\"learned_s\" is 0");
    if (jsg_baseline_complete(&baseline)) return;
    // Both parts together are known to fit into 32 bits.
    const std::uint32_t seen = baseline.judged_socket_seconds + baseline.waiting_socket_seconds;
    refuse(fmt::format(
        "{} transitions and {} socket-seconds are too few for a baseline, which needs {} and {}",
        baseline.transitions, seen, JSG_BASELINE_TRANSITIONS, JSG_BASELINE_SOCKET_SECONDS));
}

// Totals are added up here: what a file says of them could be wrong.
jsg_baseline read_service(const ordered_json& service) {
    jsg_baseline baseline{};
    baseline.learned_s = read_count(member(service, "learned_s"), "learned_s");
    baseline.exchanges = read_count(member(service, "exchanges"), "exchanges");
    // Not in the files of earlier versions.
    if (service.contains("accept_queue_full_s"))
        baseline.queue_full_s = read_count(service["accept_queue_full_s"], "accept_queue_full_s");
    if (service.contains(spread_key)) {
        const ordered_json& spread = object_member(service, spread_key);
        for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY})
            baseline.spread[signal] =
                read_spread(object_member(spread, std::string(signal_name(signal)).c_str()));
    }
    read_cells(object_member(service, transitions_key), transition_cell,
               baseline.transition_counts);
    read_cells(object_member(service, occupancy_key), occupancy_cell,
               baseline.occupancy_socket_seconds);
    const std::span<const __u32> occupancy(baseline.occupancy_socket_seconds);
    baseline.transitions = total(baseline.transition_counts, transitions_key);
    total(occupancy, occupancy_key);  // for judging with waiting adds both parts up
    baseline.judged_socket_seconds = total(occupancy.first(JSG_JUDGED_CELLS), occupancy_key);
    baseline.waiting_socket_seconds = total(occupancy.subspan(JSG_JUDGED_CELLS), occupancy_key);
    check_complete(baseline);
    return baseline;
}

std::string read_text(const fs::path& path) {
    const std::string tried =
        fmt::format("cannot read the baseline file {}", printable(path.native()));
    // Not blocking, so that opening a pipe that nobody writes to returns and is refused.
    const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (file.get() < 0 || fstat(file.get(), &status) != 0) {
        throw errno_error(ExitCode::usage, errno, tried, read_next_step);
    }
    if (!S_ISREG(status.st_mode))
        refuse(fmt::format("{}: it is not a regular file; {}", tried, read_next_step));
    std::string text;
    std::array<char, 1 << 16> part;
    // Counted while reading, for a file may grow.
    while (text.size() <= bytes_most) {
        const ssize_t got = read(file.get(), part.data(), part.size());
        if (got < 0) throw errno_error(ExitCode::usage, errno, tried, read_next_step);
        if (got == 0) return text;
        text.append(part.data(), static_cast<std::size_t>(got));
    }
    refuse(fmt::format("{}: it is larger than {} bytes; {}", tried, bytes_most, read_next_step));
}

ordered_json cells_json(NameOf name_of, std::span<const __u32> counts) {
    ordered_json cells = ordered_json::object();
    for (std::uint32_t cell = 0; cell < counts.size(); cell++) {
        if (counts[cell] != 0) cells[name_of(cell)] = counts[cell];
    }
    return cells;
}

// The file itself where the name is a link to it, so that the link stays one.
fs::path resolve(const fs::path& path) {
    std::error_code none;
    const fs::path target = fs::canonical(path, none);
    return none ? path : target;
}

fs::path folder_of(const fs::path& path) {
    return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

void check_target(const fs::path& target, ExitCode code) {
    struct stat status {};
    const std::string tried =
        fmt::format("cannot write a baseline file {}", printable(target.native()));
    // Renaming a file over a device or a pipe would destroy it.
    if (stat(target.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
        throw Error(code, tried + ": it is not a regular file; give another name");
    }
    if (!target.has_filename()) throw Error(code, tried + ": a folder is no file; add a name");
    if (access(folder_of(target).c_str(), W_OK | X_OK) != 0) {
        throw errno_error(code, errno, tried, "give a name in a folder that you can write to");
    }
}

void write_all(int fd, std::string_view text, const std::string& tried) {
    while (!text.empty()) {
        const ssize_t written = write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw errno_error(ExitCode::runtime, errno, tried);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

// On disk as a whole, or the old file stays: written beside it, synced, renamed, folder synced.
void replace_file(const fs::path& target, std::string_view text) {
    const std::string tried =
        fmt::format("cannot write the baseline file {}", printable(target.native()));
    std::string name = target.native() + ".XXXXXX";
    const FileDescriptor file(mkostemp(name.data(), O_CLOEXEC));
    if (file.get() < 0) throw errno_error(ExitCode::runtime, errno, tried);
    TemporaryName temporary(name);
    write_all(file.get(), text, tried);
    if (fchmod(file.get(), file_mode) != 0 || fsync(file.get()) != 0 ||
        rename(temporary.get(), target.c_str()) != 0) {
        throw errno_error(ExitCode::runtime, errno, tried);
    }
    temporary.keep();
    const FileDescriptor folder(
        open(folder_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 || fsync(folder.get()) != 0) {
        throw errno_error(ExitCode::runtime, errno, tried);
    }
}

}  // namespace

std::string baselines_to_json(const Baselines& baselines, const BaselineOrigin& origin) {
    ordered_json services = ordered_json::object();
    for (const auto& [port, baseline] : baselines) {
        services[std::to_string(port)] = {
            {"learned_s", baseline.learned_s},
            {"accept_queue_full_s", baseline.queue_full_s},
            {"exchanges", baseline.exchanges},
            {spread_key,
             {{signal_name(JSG_TRANSITIONS), spread_json(baseline.spread[JSG_TRANSITIONS])},
              {signal_name(JSG_OCCUPANCY), spread_json(baseline.spread[JSG_OCCUPANCY])}}},
            {transitions_key, cells_json(transition_name, baseline.transition_counts)},
            {occupancy_key, cells_json(occupancy_name, baseline.occupancy_socket_seconds)}};
    }
    const ordered_json file = {{"schema", file_schema},
                               {"host", origin.host},
                               {"kernel", origin.kernel},
                               {"time", utc_timestamp(origin.unix_ms)},
                               {"services", services}};
    return file.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Baselines baselines_from_json(std::string_view text) {
    const ordered_json file = parse_json(text);
    if (read_count(member(file, "schema"), "schema") != file_schema) {
        refuse(fmt::format("its schema is not {}: another version wrote it", file_schema));
    }
    Baselines baselines;
    for (const auto& [name, service] : object_member(file, "services").items()) {
        const auto port = whole_number(name, 1, JSG_PORTS - 1);
        if (!port) refuse(fmt::format("\"{}\" is no port", printable(name)));
        try {
            // "080" and "80" are two keys, but one port.
            if (!baselines.emplace(*port, read_service(service)).second) refuse("given twice");
        } catch (const Error& error) {
            refuse(fmt::format("port {}: {}", *port, error.what()));
        }
    }
    if (baselines.empty()) refuse("it holds no baseline");
    return baselines;
}

Baselines read_baselines(const fs::path& path) {
    const std::string text = read_text(path);
    try {
        return baselines_from_json(text);
    } catch (const Error& error) {
        refuse(fmt::format("cannot use the baseline file {}: {}; {}", printable(path.native()),
                           error.what(), read_next_step));
    }
}

void check_baseline_target(const fs::path& path) { check_target(resolve(path), ExitCode::usage); }

void write_baselines(const fs::path& path, const Baselines& baselines,
                     const BaselineOrigin& origin) {
    if (baselines.empty()) {
        throw Error(ExitCode::runtime,
                    fmt::format("no baseline is complete yet, {} is not written: learn for longer "
                                "or under more load",
                                printable(path.native())));
    }
    const fs::path target = resolve(path);
    check_target(target, ExitCode::runtime);
    replace_file(target, baselines_to_json(baselines, origin));
}

}  // namespace jsguard
