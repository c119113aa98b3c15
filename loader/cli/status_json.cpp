// SPDX-License-Identifier: BSD-2-Clause
// The status of a running detector as JSON.
#include "cli/status_json.hpp"

#include <array>
#include <utility>

#include "cli/status_figures.hpp"
#include "common/alert_text.hpp"
#include "common/cells.hpp"
#include "common/json_fields.hpp"
#include "common/learning_text.hpp"
#include "common/losses.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

constexpr int json_schema = 2;  // version of the status object

double seconds(std::uint64_t ns) { return static_cast<double>(ns) / second_ns; }

ordered_json bits_or_null(bool known, std::uint32_t nanobits) {
    return known ? ordered_json(bits_of(nanobits)) : ordered_json(nullptr);
}

ordered_json config_json(const jsg_config& config) {
    const auto threshold = [](std::uint32_t nanobits) {
        return bits_or_null(nanobits != 0, nanobits);
    };
    const std::uint32_t step_s = step_seconds(config);
    return {{"window_s", config.window_steps * step_s},
            {"step_s", step_s},
            {"learn_s", config.learn_steps * step_s},
            {"transition_threshold_bits", threshold(config.transition_threshold_nanobits)},
            {"occupancy_threshold_bits", threshold(config.occupancy_threshold_nanobits)},
            {"monitor_listeners", config.monitor_listeners != 0}};
}

ordered_json signal_json(const Observation& seen, const ObservedService& service,
                         jsg_signal signal) {
    const SignalFigures figures = figures_of(service, signal);
    const jsg_alert_track& alert = service.service.alerts[signal];
    ordered_json object = {
        {"signal", signal_name(signal)},
        {"js_bits", bits_or_null(figures.has_divergence, figures.js_nanobits)},
        {"threshold_bits",
         bits_or_null(figures.threshold_nanobits != 0, figures.threshold_nanobits)},
        {"significance_bits", bits_or_null(figures.has_divergence, figures.significance_nanobits)},
        {"verdict", verdict_name(figures.verdict)},
        {"alert", alert_state_name(alert.state)}};
    if (alert.state == JSG_ALERT) {
        object["id"] = alert_id(seen.config.instance, alert.number);
        object["number"] = alert.number;
        object["since"] = utc_timestamp(alert.since_unix_ms);
        object["duration_s"] = seconds(age_ns(seen, alert));
        object["peak_js_bits"] = bits_of(alert.peak_nanobits);
    }
    return object;
}

ordered_json warnings_json(std::uint32_t warnings) {
    constexpr std::array words = {std::pair{JSG_WARN_OLD_AND_STALLED, "old and silent"},
                                  std::pair{JSG_WARN_QUEUE_FULL, "queue full"},
                                  std::pair{JSG_WARN_UNBALANCED, "unbalanced"}};
    ordered_json list = ordered_json::array();
    for (const auto& [bit, word] : words) {
        if (warnings & static_cast<std::uint32_t>(bit)) list.push_back(word);
    }
    return list;
}

ordered_json window_json(const jsg_window& window) {
    return {{"sequence", window.sequence},
            {"end", utc_timestamp(window.end_unix_ms)},
            {"transitions", window.transitions},
            {"exchanges", window.exchanges},
            {"sockets", window.sockets},
            {"idle_sockets", window.idle_sockets},
            {"waiting_sockets", window.waiting_sockets},
            {"open_requests", window.open_requests},
            {"open_sockets", parts_json(window.open_millisockets, milli_in_one)},
            {"expected_sockets", parts_json(window.expected_millisockets, milli_in_one)},
            {"stalled_sockets", parts_json(window.stalled_millisockets, milli_in_one)},
            {"full_queues", window.full_queues}};
}

ordered_json service_json(const Observation& seen, const ObservedService& observed) {
    const jsg_service& service = observed.service;
    const std::uint32_t step_s = step_seconds(seen.config);
    ordered_json object = {
        {"port", service.port},
        {"mode", mode_name(service.mode)},
        {"relearning", service.relearning != 0},
        {"learned_s", service.learned_steps * step_s},
        {"baselines_learned", service.baselines_learned},
        {"lacking", is_lacking(seen, observed)
                        ? ordered_json(lacking_text(*observed.pending_baseline, step_s))
                        : ordered_json(nullptr)},
        {"warnings", warnings_json(service.warnings)},
        {"listeners", service.listeners},
        {"untracked_sockets", service.untracked_sockets}};
    object["signals"] = {signal_json(seen, observed, JSG_TRANSITIONS),
                         signal_json(seen, observed, JSG_OCCUPANCY)};
    object["window"] = observed.window ? window_json(*observed.window) : ordered_json(nullptr);
    return object;
}

ordered_json losses_json(const Observation& seen) {
    ordered_json object = {{"transitions_late", seen.stats.transitions_late},
                           {"missed_runs", or_null(seen.cost.missed_runs)}};
    for (const Loss& loss : losses) object[std::string(loss.name)] = seen.stats.*loss.count;
    return object;
}

ordered_json cost_json(const Cost& cost) {
    ordered_json programs = ordered_json::array();
    for (const ProgramCost& program : cost.programs)
        programs.push_back({{"program", program.name},
                            {"runs", program.runs},
                            {"run_s", seconds(program.run_ns)}});
    const auto run_ns = mean_transition_run_ns(cost);
    return {
        {"ticks", cost.ticks.count},
        {"ticks_s", seconds(cost.ticks.total_ns)},
        {"tick_cpu_ratio", or_null(tick_cpu_share(cost))},
        {"longest_tick_s", seconds(cost.ticks.longest_ns)},
        {"transition_run_s", run_ns ? ordered_json(*run_ns / second_ns) : ordered_json(nullptr)},
        {"map_bytes", or_null(cost.map_bytes)},
        {"programs", std::move(programs)}};
}

}  // namespace

std::string status_json(const Observation& seen) {
    ordered_json object = {
        {"schema", json_schema},
        {"timestamp", utc_timestamp(seen.unix_ms)},
        {"hostname", seen.host},
        {"kernel", seen.kernel},
        {"uptime_s", seen.cost.uptime_ns ? ordered_json(seconds(*seen.cost.uptime_ns))
                                         : ordered_json(nullptr)}};
    object["attended"] = or_null(seen.attended);
    if (seen.config.netns) object["netns"] = seen.config.netns;
    object["config"] = config_json(seen.config);
    object["alerts_up"] = alerts_up(seen);
    object["services"] = ordered_json::array();
    for (const ObservedService& service : seen.services)
        object["services"].push_back(service_json(seen, service));
    object["totals"] = {{"windows", seen.stats.windows},
                        {"transitions", seen.stats.transitions},
                        {"alerts", seen.stats.alerts},
                        {"not_enough_traffic", seen.stats.not_enough_traffic}};
    object["lost"] = losses_json(seen);
    object["cost"] = cost_json(seen.cost);
    return json_text(object);
}

}  // namespace jsguard
