// SPDX-License-Identifier: BSD-2-Clause
// jsguard record: writes the windows of a running detector as they close.
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include "cli/command.hpp"
#include "common/baseline_file.hpp"
#include "common/clocks.hpp"
#include "common/error.hpp"
#include "common/option_adder.hpp"
#include "common/print.hpp"
#include "common/quantity_text.hpp"
#include "observe/following.hpp"
#include "observe/recorder.hpp"
#include "offline/recording/recording_file.hpp"

namespace jsguard {
namespace {

using Clock = std::chrono::steady_clock;

struct RecordOptions {
    std::string file;
    std::string pin_dir = default_pin_dir;
    std::uint16_t port = 0;
    std::optional<std::uint32_t> duration_s;
    bool overwrite = false;
};

// The file of a recording, or stdout. When flush() returns, every line is completely written.
class Output {
  public:
    explicit Output(const RecordOptions& options) : name_(options.file) {
        if (name_ == "-") {
            file_ = stdout;
            return;
        }
        // "x" refuses an existing file, so no recording is lost by mistake.
        file_ = std::fopen(name_.c_str(), options.overwrite ? "we" : "wxe");
        if (!file_)
            throw errno_error(ExitCode::usage, errno,
                              fmt::format("cannot write {}", printable(name_)),
                              errno == EEXIST ? "give another name, or use --overwrite" : "");
    }
    ~Output() {
        if (file_ && file_ != stdout) std::fclose(file_);
    }
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    void write(const std::string& line) {
        if (std::fputs((line + "\n").c_str(), file_) == EOF) fail();
    }
    void flush() {
        if (std::fflush(file_) != 0) fail();
    }

  private:
    [[noreturn]] void fail() const {
        throw errno_error(ExitCode::runtime, errno,
                          fmt::format("cannot write {}", printable(name_)));
    }

    std::string name_;
    std::FILE* file_ = nullptr;
};

RecordingHeader make_header(const jsg_config& config) {
    const BaselineOrigin here = origin_here(step_seconds(config));
    return {here.host, here.kernel, here.unix_ms, config};
}

std::string summary(const Recorder& recorder) {
    return fmt::format("{} windows of {} recorded, {} missed", recorder.windows(),
                       counted(recorder.services(), "service", "services"), recorder.missed());
}

int record(const RecordOptions& options) {
    const PinnedDetector detector(options.pin_dir);
    const Silence silence(detector);
    silence.check();
    Output output(options);
    output.write(recording_line(make_header(detector.reader().config())));
    Recorder recorder(detector.reader(), options.port,
                      [&](const RecordingEntry& entry) { output.write(recording_line(entry)); });
    stop_at({SIGINT, SIGTERM});

    recorder.follow();
    if (recorder.following() == 0) log_line(waiting_text(options.port));
    const auto start = Clock::now();
    bool pinned = true;
    while (!stop_requested && pinned) {
        pinned = detector.is_pinned();
        recorder.follow();
        output.flush();
        if (options.duration_s && Clock::now() - start >= std::chrono::seconds(*options.duration_s))
            break;
        if (const auto line = pinned ? silence.text() : std::nullopt)
            throw Error(ExitCode::runtime, fmt::format("{}; {}", summary(recorder), *line));
        std::this_thread::sleep_for(poll_every);
    }
    if (!pinned) log_line(detector_ended);
    log_line(summary(recorder));
    return static_cast<int>(ExitCode::clean);
}

}  // namespace

void add_record(CLI::App& app, Run& run) {
    auto options = std::make_shared<RecordOptions>();
    CLI::App* command =
        app.add_subcommand("record", "write the windows of a running detector as they close");
    command->add_option("FILE", options->file, "JSON lines (docs/recordings.md); - for stdout")
        ->required();
    add_port(*command, options->port, "record only this port");
    add_duration(*command, options->duration_s);
    add_pin_dir(*command, options->pin_dir);
    command->add_flag("--overwrite", options->overwrite, "replace FILE if it exists");
    command->callback([options, &run] { run = [options] { return record(*options); }; });
}

}  // namespace jsguard
