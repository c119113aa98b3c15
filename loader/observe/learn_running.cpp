// SPDX-License-Identifier: BSD-2-Clause
// Asks a running detector to relearn through its pinned maps, and waits for the new baselines.
#include "observe/learn_running.hpp"

#include <fmt/format.h>

#include <csignal>
#include <thread>

#include "common/clocks.hpp"
#include "common/error.hpp"
#include "common/print.hpp"
#include "common/progress_bar.hpp"
#include "common/quantity_text.hpp"
#include "observe/following.hpp"
#include "observe/pinned_detector.hpp"
#include "observe/relearning.hpp"

namespace jsguard {
namespace {

// Throws if the detector has ended or was killed.
void check_alive(const PinnedDetector& detector, const Silence& silence) {
    if (!detector.is_pinned())
        throw Error(ExitCode::runtime, fmt::format("{}; nothing was written", detector_ended));
    if (const auto line = silence.text())
        throw Error(ExitCode::runtime, fmt::format("nothing was written: {}", *line));
}

void wait_for_all(const PinnedDetector& detector, Relearning& relearning) {
    const Silence silence(detector);
    TerminalBar bar("learning");
    while (true) {
        const auto services = detector.reader().services();
        for (const std::string& line : relearning.follow(
                 services, [&](auto id) { return detector.reader().pending_baseline(id); })) {
            bar.hide();
            log_line(line);
        }
        if (relearning.is_over()) return;
        bar.show(relearning.done_s(), relearning.learn_s());
        check_alive(detector, silence);
        if (stop_requested)
            throw Error(ExitCode::runtime,
                        "stopped by a signal; nothing was written, and the detector continues "
                        "learning");
        std::this_thread::sleep_for(poll_every);
    }
}

constexpr const char* no_port = "the detector monitors no port yet; name some with --localport";

// Asks the detector to relearn. Returns the services that take part. Throws if there are none.
Relearning request_relearning(const PinnedDetector& detector, std::optional<std::uint16_t> port) {
    Relearning relearning(detector.reader().services(), detector.reader().config(), port);
    if (relearning.ports().empty())
        throw Error(ExitCode::usage,
                    port ? fmt::format("the detector does not monitor port {}", *port) : no_port);
    detector.request_relearning();
    return relearning;
}

}  // namespace

BaselineFile baselines_in_force(const std::string& pin_dir) {
    const PinnedDetector detector(pin_dir);
    BaselineFile file{origin_here(step_seconds(detector.reader().config())),
                      detector.reader().learned_baselines()};
    if (file.baselines.empty())
        throw Error(ExitCode::runtime,
                    "the detector has no baseline in force yet; wait until it has learned");
    return file;
}

void ask_to_relearn(const std::string& pin_dir) {
    const PinnedDetector detector(pin_dir);
    const auto ports = detector.reader().monitored_ports();
    const std::size_t unused = detector.request_relearning();
    if (ports.empty() && unused == 0) throw Error(ExitCode::usage, no_port);
    if (!ports.empty())
        log_line(fmt::format("asked to relearn, for {} s or more: {}",
                             learn_seconds(detector.reader().config()), ports_text(ports)));
    if (unused > 0)
        log_line(fmt::format("{} without connections will learn when used again",
                             counted(unused, "port", "ports")));
}

void learn_running(const std::string& pin_dir, std::optional<std::uint16_t> port,
                   const std::filesystem::path& out) {
    check_baseline_target(out);
    const PinnedDetector detector(pin_dir);
    // From here on a signal only sets stop_requested, so it cannot interrupt the writing of the
    // file.
    stop_at({SIGINT, SIGTERM, SIGHUP});
    Relearning relearning = request_relearning(detector, port);
    log_line(fmt::format("waiting for {}, for {} s or more", ports_text(relearning.ports()),
                         relearning.learn_s()));
    wait_for_all(detector, relearning);
    Baselines learned;
    for (const std::uint32_t id : relearning.learned())
        learned[static_cast<std::uint16_t>(detector.reader().service(id).port)] =
            detector.reader().baseline(id);
    write_baselines(out, learned, origin_here(step_seconds(detector.reader().config())));
    log_line(fmt::format("{} written to {}", counted(learned.size(), "baseline", "baselines"),
                         printable(out.native())));
}

}  // namespace jsguard
