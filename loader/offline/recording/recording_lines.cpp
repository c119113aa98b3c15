// SPDX-License-Identifier: BSD-2-Clause
// The fields of the lines of a recording. One description serves for writing and for reading.
#include "offline/recording/recording_lines.hpp"

#include <array>

#include "common/clocks.hpp"
#include "common/defaults.hpp"
#include "common/file_schema.hpp"
#include "kernel/significance.h"
#include "offline/recording/record_fields.hpp"
#include "offline/recording/recording_file.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

// Recordings of this schema and of all later schemas have the same content.
constexpr std::uint32_t oldest_detector_schema = 3;
constexpr const char* header_type = "recording";

// In the order of the types in RecordingEntry.
constexpr std::array<std::string_view, std::variant_size_v<RecordingEntry>> entry_types = {
    "service", "window", "baseline", "relearning", "gap", "end"};

void schema_field(FieldWriter& fields, std::uint32_t schema) {
    fields.count("detector_schema", schema);
}

// Check the schema before the other fields, because another version may have other fields.
void schema_field(FieldReader& fields, std::uint32_t& schema) {
    fields.count("detector_schema", schema);
    if (schema < oldest_detector_schema || schema > JSG_SCHEMA)
        refuse(fmt::format("\"detector_schema\" is {}, not {} to {}: recorded by another version",
                           schema, oldest_detector_schema, JSG_SCHEMA));
}

// A length that is kept in steps and written in seconds.
void steps_field(FieldWriter& fields, const char* name, std::uint32_t steps,
                 std::uint64_t step_ns) {
    fields.seconds(name, steps * step_ns);
}

void steps_field(FieldReader& fields, const char* name, std::uint32_t& steps,
                 std::uint64_t step_ns) {
    std::uint64_t length_ns = 0;
    if (step_ns == 0) refuse("\"step_s\" is 0");
    fields.seconds(name, length_ns);
    if (length_ns % step_ns != 0 || length_ns / step_ns > UINT32_MAX)
        refuse(fmt::format("\"{}\" is not a whole number of steps", name));
    steps = static_cast<std::uint32_t>(length_ns / step_ns);
}

template <class Fields, class Config>
void config_fields(Fields& fields, Config& config) {
    schema_field(fields, config.schema);
    auto step_ns = static_cast<std::uint64_t>(config.step_ns);
    fields.seconds("step_s", step_ns);
    if constexpr (!std::is_const_v<Config>) config.step_ns = step_ns;
    steps_field(fields, "window_s", config.window_steps, step_ns);
    steps_field(fields, "learn_s", config.learn_steps, step_ns);
    fields.threshold("transition_threshold_bits", config.transition_threshold_nanobits);
    fields.threshold("occupancy_threshold_bits", config.occupancy_threshold_nanobits);
    fields.count("false_alarm_exponent", config.false_alarm_exponent);
    fields.count("min_transitions", config.min_transitions);
    fields.count("min_sockets", config.min_sockets);
    fields.count("min_rate", config.min_rate);
    fields.count("confirm_windows", config.confirm_steps);
    fields.count("clear_windows", config.clear_steps);
    fields.flag("monitor_listeners", config.monitor_listeners);
    fields.count("readings_per_service", config.readings_per_service);
    fields.count("cpus", config.cpus);
    fields.count("netns", config.netns);
    fields.flag("has_rdonly_cast", config.has_rdonly_cast);
}

template <class Fields, class Header>
void header_fields(Fields& fields, Header& header) {
    fields.text("host", header.host);
    fields.text("kernel", header.kernel);
    fields.time(header.unix_ms);
    fields.object("config", [&](auto& inner) { config_fields(inner, header.config); });
}

template <class Fields, class Reading>
void reading_fields(Fields& fields, Reading& reading) {
    fields.count("answers", reading.answers);
    fields.count("full_queue_steps", reading.full_queue_steps);
    fields.cells("transitions", reading.transitions, transition_names);
    fields.cells("occupancy", reading.occupancy, occupancy_names);
}

template <class Fields, class Track>
void track_fields(Fields& fields, Track& track) {
    fields.word("state", track.state, alert_state_words);
    fields.large_count("since_unix_ms", track.since_unix_ms);
    fields.large_count("raised_ns", track.raised_ns);
    fields.large_count("number", track.number);
    fields.count("above_steps", track.above_steps);
    fields.count("clear_steps", track.clear_steps);
    fields.divergence("peak_bits", track.peak_nanobits);
}

template <class Fields, class Service>
void state_fields(Fields& fields, Service& service) {
    fields.count("port", service.port);
    fields.large_count("sequence", service.sequence);
    fields.word("mode", service.mode, mode_words);
    fields.large_count("started_ns", service.started_ns);
    fields.large_count("last_used_ns", service.last_used_ns);
    fields.flag("pinned", service.pinned);
    fields.count("listeners", service.listeners);
    fields.count("sockets", service.sockets);
    fields.count("untracked_sockets", service.untracked_sockets);
    fields.large_count("untracked_opened", service.untracked_opened);
    fields.large_count("untracked_closed", service.untracked_closed);
    fields.count("learned_steps", service.learned_steps);
    fields.count("quiet_steps", service.quiet_steps);
    fields.flag("relearning", service.relearning);
    fields.count("relearn_request", service.relearn_request);
    fields.count("baselines_learned", service.baselines_learned);
    fields.count("warnings", service.warnings);
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY}) {
        fields.object(signal_name(signal).data(), [&](auto& inner) {
            inner.threshold("threshold_bits", service.threshold_nanobits[signal]);
            inner.object("alert",
                         [&](auto& alert) { track_fields(alert, service.alerts[signal]); });
        });
    }
    fields.bits("state_entropy_sum_bits", service.trend_sum_nanobits);
    fields.all_bits("state_entropies_bits", service.trend_nanobits);
}

void check_service(const RecordedService& recorded) {
    if (recorded.service.mode == JSG_MONITORING && !recorded.baseline)
        refuse("a service whose mode is monitoring has no \"baseline\"");
}

template <class Fields, class Recorded>
void fields_of(Fields& fields, Recorded& recorded, const RecordedService&) {
    state_fields(fields, recorded.service);
    fields.baseline("baseline", recorded.baseline);
    fields.pending_baseline("pending_baseline", recorded.pending_baseline);
    fields.list("history", recorded.history,
                [](auto& inner, auto& reading) { reading_fields(inner, reading); });
    if constexpr (!std::is_const_v<Recorded>) check_service(recorded);
}

template <class Fields, class Window>
void transition_fields(Fields& fields, Window& window) {
    auto& record = window.record;
    fields.total_of("total", record.transitions, "counts", window.transitions, transition_names);
    fields.divergence("js_bits", record.signal[JSG_TRANSITIONS].js_nanobits);
    fields.bits("kl_bits", record.signal[JSG_TRANSITIONS].kl_nanobits);
    fields.bits("entropy_bits", record.transition_entropy_nanobits);
    fields.significance("significance_bits", record.signal[JSG_TRANSITIONS].significance_nanobits);
    fields.threshold("threshold_bits", window.threshold_nanobits[JSG_TRANSITIONS]);
    fields.word("verdict", record.signal[JSG_TRANSITIONS].verdict, verdict_words);
    fields.word("alert", record.signal[JSG_TRANSITIONS].alert, alert_state_words);
    fields.cells("counts", window.transitions, transition_names);
}

template <class Fields, class Window>
void occupancy_fields(Fields& fields, Window& window) {
    auto& record = window.record;
    std::uint32_t samples = total(window.occupancy, "counts");
    fields.total_of("samples", samples, "counts", window.occupancy, occupancy_names);
    fields.flag("with_waiting", record.with_waiting);
    fields.divergence("js_bits", record.signal[JSG_OCCUPANCY].js_nanobits);
    fields.bits("kl_bits", record.signal[JSG_OCCUPANCY].kl_nanobits);
    fields.significance("significance_bits", record.signal[JSG_OCCUPANCY].significance_nanobits);
    fields.threshold("threshold_bits", window.threshold_nanobits[JSG_OCCUPANCY]);
    fields.word("verdict", record.signal[JSG_OCCUPANCY].verdict, verdict_words);
    fields.word("alert", record.signal[JSG_OCCUPANCY].alert, alert_state_words);
    fields.thousandths("open_sockets", record.open_millisockets);
    fields.thousandths("expected_sockets", record.expected_millisockets);
    fields.thousandths("excess_sockets", record.excess_millisockets);
    fields.thousandths("stalled_sockets", record.stalled_millisockets);
    fields.thousandths("stalled_excess_sockets", record.stalled_excess_millisockets);
    fields.cells("counts", window.occupancy, occupancy_names);
}

template <class Fields, class Window>
void fields_of(Fields& fields, Window& window, const RecordedWindow&) {
    auto& record = window.record;
    fields.count("port", record.port);
    fields.large_count("sequence", record.sequence);
    fields.time(record.end_unix_ms);
    fields.large_count("end_ns", record.end_ns);
    fields.word("mode", record.mode, mode_words);
    fields.count("sockets", record.sockets);
    fields.count("idle_sockets", record.idle_sockets);
    fields.count("waiting_sockets", record.waiting_sockets);
    fields.count("open_requests", record.open_requests);
    fields.count("exchanges", record.exchanges);
    fields.count("listeners", window.listeners);
    fields.count("full_queues", record.full_queues);
    fields.count("sampled_ppm", record.sampled_ppm);
    fields.count("sample_weight", record.sample_weight);
    fields.object("transitions", [&](auto& inner) { transition_fields(inner, window); });
    fields.object("occupancy", [&](auto& inner) { occupancy_fields(inner, window); });
    fields.bits("state_entropy_bits", record.state_entropy_nanobits);
    fields.bits("state_entropy_trend_bits", record.state_entropy_trend_nanobits);
    fields.object("step", [&](auto& inner) { reading_fields(inner, window.step); });
}

template <class Fields, class Recorded>
void port_and_sequence(Fields& fields, Recorded& recorded) {
    fields.count("port", recorded.port);
    fields.large_count("sequence", recorded.sequence);
}

void fields_of(FieldWriter& fields, const RecordedBaseline& recorded, const RecordedBaseline&) {
    port_and_sequence(fields, recorded);
    fields.baseline("baseline", recorded.baseline);
}

void fields_of(FieldReader& fields, RecordedBaseline& recorded, const RecordedBaseline&) {
    port_and_sequence(fields, recorded);
    std::optional<jsg_baseline> baseline;
    fields.baseline("baseline", baseline);
    if (!baseline) refuse("\"baseline\" is missing");
    recorded.baseline = *baseline;
}

template <class Fields, class Recorded>
void fields_of(Fields& fields, Recorded& recorded, const RecordedRelearning&) {
    port_and_sequence(fields, recorded);
}

template <class Fields, class Recorded>
void fields_of(Fields& fields, Recorded& recorded, const RecordedGap&) {
    port_and_sequence(fields, recorded);
    fields.large_count("windows", recorded.windows);
}

template <class Fields, class Recorded>
void fields_of(Fields& fields, Recorded& recorded, const RecordedEnd&) {
    port_and_sequence(fields, recorded);
}

template <class Recorded>
RecordingEntry read_entry(const ordered_json& line) {
    Recorded recorded{};
    FieldReader fields(line);
    fields_of(fields, recorded, recorded);
    return recorded;
}

std::string with_type(std::string_view type, ordered_json fields) {
    ordered_json line = {{"type", type}};
    line.update(fields);
    return json_text(line);
}

}  // namespace

void check_recorded_config(const jsg_config& config) {
    if (config.step_ns == 0 || config.step_ns % second_ns != 0)
        refuse("\"step_s\" is not a whole number of seconds");
    const std::uint64_t step_s = config.step_ns / second_ns;
    if (config.window_steps == 0 || step_s > max_window_s / config.window_steps)
        refuse(fmt::format("\"window_s\" is not 1 to {}", max_window_s));
    if (config.learn_steps == 0) refuse("\"learn_s\" is 0");
    if (config.false_alarm_exponent == 0 ||
        config.false_alarm_exponent > JSG_SIGNIFICANCE_EXPONENTS)
        refuse(fmt::format("\"false_alarm_exponent\" is not 1 to {}", JSG_SIGNIFICANCE_EXPONENTS));
    if (config.readings_per_service < jsg_readings_needed(config.window_steps) ||
        config.readings_per_service > jsg_readings_needed(JSG_WINDOWS_KEPT))
        refuse(fmt::format("\"readings_per_service\" is not {} to {}",
                           jsg_readings_needed(config.window_steps),
                           jsg_readings_needed(JSG_WINDOWS_KEPT)));
    if (config.min_rate == 0) refuse("\"min_rate\" is 0");
    if (config.confirm_steps == 0) refuse("\"confirm_windows\" is 0");
    if (config.clear_steps == 0) refuse("\"clear_windows\" is 0");
}

RecordingHeader header_of(const ordered_json& line) {
    if (member(line, "type") != header_type)
        refuse(fmt::format("its type is not \"{}\"", header_type));
    RecordingHeader header;
    FieldReader fields(line);
    header_fields(fields, header);
    check_recorded_config(header.config);
    return header;
}

RecordingEntry entry_of(const ordered_json& line) {
    using Read = RecordingEntry (*)(const ordered_json&);
    constexpr std::array<Read, entry_types.size()> readers = {
        read_entry<RecordedService>,    read_entry<RecordedWindow>, read_entry<RecordedBaseline>,
        read_entry<RecordedRelearning>, read_entry<RecordedGap>,    read_entry<RecordedEnd>};
    std::string type;
    FieldReader(line).text("type", type);
    for (std::size_t i = 0; i < entry_types.size(); ++i) {
        if (type == entry_types[i]) return readers[i](line);
    }
    refuse(fmt::format("unknown type \"{}\"", printable(type)));
}

std::string recording_line(const RecordingHeader& header) {
    FieldWriter fields;
    header_fields(fields, header);
    ordered_json line = {{"schema", file_schema}, {"type", header_type}};
    line.update(fields.take());
    return json_text(line);
}

std::string recording_line(const RecordingEntry& entry) {
    return std::visit(
        [&](const auto& recorded) {
            FieldWriter fields;
            fields_of(fields, recorded, recorded);
            return with_type(entry_types[entry.index()], fields.take());
        },
        entry);
}

}  // namespace jsguard
