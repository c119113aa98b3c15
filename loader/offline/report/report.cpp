// SPDX-License-Identifier: BSD-2-Clause
// Passes entries to the histories of their ports, and writes the page.
#include "offline/report/report.hpp"

#include <fmt/format.h>

#include <type_traits>
#include <utility>
#include <variant>

#include "common/cells.hpp"
#include "common/clocks.hpp"
#include "common/error.hpp"
#include "common/file_replacement.hpp"
#include "common/quantity_text.hpp"
#include "kernel/fixed_point.h"
#include "offline/report/sections.hpp"
#include "offline/report/svg_chart.hpp"

namespace jsguard {
namespace {

constexpr std::string_view file_kind = "report";

std::string port_id(std::uint32_t port) { return fmt::format("port-{}", port); }

std::string seconds_text(std::uint64_t ns) {
    return fmt::format("{:g} s", static_cast<double>(ns) / second_ns);
}

std::string threshold_text(std::uint32_t nanobits) {
    return nanobits == 0 ? "from the spread while learning"
                         : fmt::format("{:g} bits", bits_of(nanobits));
}

void write_facts(Html& html, const RecordingHeader& header) {
    const jsg_config& config = header.config;
    const std::vector<std::pair<std::string, std::string>> facts = {
        {"Host", printable(header.host)},
        {"Kernel", printable(header.kernel)},
        {"Recording began", utc_text(header.unix_ms) + " UTC"},
        {"Window and step", seconds_text(config.window_steps * config.step_ns) + ", every " +
                                seconds_text(config.step_ns)},
        {"Threshold, transitions", threshold_text(config.transition_threshold_nanobits)},
        {"Threshold, occupancy", threshold_text(config.occupancy_threshold_nanobits)},
        {"Evidence for an alert", fmt::format("{} transitions; an excess of {} sockets",
                                              config.min_transitions, config.min_sockets)},
        {"Raise and clear after",
         fmt::format("{} and {} windows", config.confirm_steps, config.clear_steps)}};
    const auto list = html.open("dl", {{"class", "facts"}});
    for (const auto& [name, value] : facts) {
        const auto fact = html.open("div");
        html.leaf("dt", name);
        html.leaf("dd", value);
    }
}

void write_contents(Html& html, const Report& report) {
    if (report.ports.size() < 2) return;
    const auto nav = html.open("nav", {{"aria-label", "Ports"}});
    const auto list = html.open("ul");
    for (const auto& [port, reported] : report.ports) {
        const auto item = html.open("li");
        html.leaf("a", fmt::format("Port {}", port), {{"href", "#" + port_id(port)}});
        const std::uint64_t alerts =
            reported.history.alerts.spans.size() + reported.history.alerts.left_out;
        if (alerts > 0) html.text(" " + counted_apart(alerts, "alert", "alerts"));
    }
}

void write_guide(Html& html) {
    const auto section = html.open("section", {{"aria-labelledby", "guide"}});
    html.leaf("h2", "How to read this", {{"id", "guide"}});
    const std::vector<std::pair<std::string, std::string>> words = {
        {"Divergence",
         "How far a window is from what the service normally does: Jensen-Shannon, 0 (equal) to 1 "
         "bit (nothing in common). Transitions: changes of TCP state. Occupancy: open sockets by "
         "phase and age."},
        {"Threshold and significance bound",
         "A window counts towards an alert if its divergence is above both, and there is evidence: "
         "enough transitions, or more sockets open and stalled than expected. A divergence below "
         "the significance bound is within statistical noise."},
        {"Alert",
         "Shaded from the first window with the alert up to the first window without it. The peak "
         "is the largest divergence of the windows that counted."},
        {"Baseline beside window",
         "The share of each cell in the baseline and in one window. The window is the one of "
         "--window, or the one with the largest divergence; windows that counted towards an alert "
         "come first. The parts of all cells add up to the divergence."},
        {"Lines", fmt::format("Long recordings are thinned: the time is divided into at most {} "
                              "parts, and the lowest and highest value of each part are drawn.",
                              Timeline::max_buckets)}};
    const auto list = html.open("dl", {{"class", "guide"}});
    for (const auto& [word, text] : words) {
        html.leaf("dt", word);
        html.leaf("dd", text);
    }
}

void write_body(Html& html, const Report& report) {
    write_facts(html, report.header);
    if (report.cut_short)
        html.leaf("p", "The last line of the recording was cut short and is left out.");
    write_contents(html, report);
    if (report.ports.empty()) html.leaf("p", "Nothing of any port was recorded.");
    for (const auto& [port, reported] : report.ports)
        write_port_section(html, port_id(port), port, reported.history, reported.analyses);
    if (report.entries_left_out > 0)
        html.leaf("p",
                  fmt::format("Only the first {} ports are shown; {} left out.", Report::max_ports,
                              counted_apart(report.entries_left_out, "entry of other ports is",
                                            "entries of other ports are")));
    write_guide(html);
}

void write_page(const std::filesystem::path& path, const std::string& page) {
    check_report_target(path, {});
    replace_file(resolve(path), file_kind, page);
}

}  // namespace

Report::Report(RecordingHeader header_, std::optional<std::uint64_t> window,
               std::optional<std::uint32_t> port)
    : header(std::move(header_)), window_(window), port_(port) {}

void Report::take(const RecordingEntry& entry) {
    const std::uint32_t port = recorded_port(entry);
    if (port_ && port != *port_) return;
    auto found = ports.find(port);
    if (found == ports.end()) {
        if (ports.size() == max_ports) {
            entries_left_out++;
            return;
        }
        found = ports.emplace(port, ReportedPort{PortHistory(header.config.step_ns, window_), {}})
                    .first;
    }
    std::visit([&](const auto& one) { found->second.history.take(one); }, entry);
}

void Report::finish() {
    for (auto& [port, reported] : ports) reported.history.finish();
}

std::string report_page(const Report& report) {
    return page_around(
        "jsguard report",
        fmt::format("What the detector on {} found, port by port", printable(report.header.host)),
        [&](Html& html) { write_body(html, report); });
}

std::string analysis_page(std::span<const Analysis> analyses) {
    return page_around(
        "jsguard analysis", "How well each measure separates attacks from normal traffic",
        [&](Html& html) {
            for (const Analysis& analysis : analyses)
                write_analysis(html, "analysis-" + analysis.distribution, analysis, "h2");
        });
}

void check_report_target(const std::filesystem::path& path,
                         const std::vector<std::filesystem::path>& inputs) {
    check_target(resolve(path), file_kind, ExitCode::usage);
    refuse_if_same(path, inputs, file_kind);
}

void write_report_page(const std::filesystem::path& path, const Report& report) {
    write_page(path, report_page(report));
}

void write_analysis_page(const std::filesystem::path& path, std::span<const Analysis> analyses) {
    write_page(path, analysis_page(analyses));
}

}  // namespace jsguard
