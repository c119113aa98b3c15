// SPDX-License-Identifier: BSD-2-Clause
// A message for the system's log, and the datagrams that carry it to journald or syslog.
#include "load/log_message.hpp"

#include <fmt/format.h>
#include <syslog.h>

#include <algorithm>
#include <ctime>

#include "common/alert_text.hpp"
#include "common/json_fields.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view identifier = "jsguard";

std::string field_name(std::string_view name) {
    std::string upper = "JSGUARD_";
    std::transform(name.begin(), name.end(), std::back_inserter(upper),
                   [](char c) { return 'a' <= c && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return upper;
}

std::string value_text(const ordered_json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
}

// Numbers are written as in the JSON. The journal does not keep the order of a repeated field. So
// the first cell, and the first source with its sockets, have their own fields.
void add_details(LogMessage& message, const ordered_json& details) {
    for (const auto& [name, value] : details.items()) {
        if (!value.is_array()) message.fields.emplace_back(field_name(name), value_text(value));
    }
    if (const auto& cells = details.at("top_cells"); !cells.empty())
        message.fields.emplace_back(field_name("top_cell"), cells[0].at("cell"));
    const auto& sources = details.at("top_sources");
    for (const auto& source : sources)
        message.fields.emplace_back(field_name("top_sources"), source.at("addr"));
    if (sources.empty()) return;
    message.fields.emplace_back(field_name("top_source"), sources[0].at("addr"));
    message.fields.emplace_back(field_name("top_source_sockets"),
                                value_text(sources[0].at("sockets")));
}

std::string line_with_text(std::string_view text, const ordered_json& object) {
    ordered_json line = {{"msg", text}};
    line.update(object);
    return json_text(line);
}

// The length before each value makes any byte in the value safe.
void append_field(std::string& datagram, std::string_view name, std::string_view value) {
    datagram.append(name);
    datagram += '\n';
    for (std::uint64_t length = value.size(), i = 0; i < sizeof(length); ++i)
        datagram += static_cast<char>(length >> (8 * i) & 0xff);
    datagram.append(value);
    datagram += '\n';
}

// Month and day as in RFC 3164, in any locale.
std::string local_time(std::int64_t unix_s) {
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const auto time = static_cast<std::time_t>(unix_s);
    std::tm tm{};
    localtime_r(&time, &tm);
    return fmt::format("{} {:2} {:02}:{:02}:{:02}",
                       months.substr(3 * static_cast<std::size_t>(tm.tm_mon), 3), tm.tm_mday,
                       tm.tm_hour, tm.tm_min, tm.tm_sec);
}

}  // namespace

LogMessage alert_message(const jsg_alert& alert, const ordered_json& object) {
    const bool raised = alert.event == JSG_RAISE;
    LogMessage message{raised ? LOG_WARNING : LOG_NOTICE, alert_line(alert), {}, {}};
    message.json = line_with_text(message.text, object);
    message.fields.emplace_back("MESSAGE_ID", raised ? raise_message_id : clear_message_id);
    message.fields.emplace_back(field_name("timestamp"), object.at("timestamp"));
    add_details(message, object.at("jsguard"));
    message.fields.emplace_back(field_name("json"), json_text(object));
    return message;
}

LogMessage notice_message(int priority, std::string_view event, std::string_view text) {
    const ordered_json object = {{"event_type", "jsguard"}, {"jsguard", {{"event", event}}}};
    return {priority,
            std::string(text),
            line_with_text(text, object),
            {{field_name("event"), std::string(event)}}};
}

std::string journal_datagram(const LogMessage& message) {
    std::string datagram;
    append_field(datagram, "MESSAGE", message.text);
    append_field(datagram, "PRIORITY", std::to_string(message.priority));
    append_field(datagram, "SYSLOG_FACILITY", std::to_string(LOG_FAC(LOG_DAEMON)));
    append_field(datagram, "SYSLOG_IDENTIFIER", identifier);
    for (const auto& [name, value] : message.fields) append_field(datagram, name, value);
    return datagram;
}

std::string syslog_datagram(const LogMessage& message, std::int64_t unix_s, int pid) {
    return fmt::format("<{}>{} {}[{}]: @cee: {}", LOG_DAEMON | message.priority, local_time(unix_s),
                       identifier, pid, message.json);
}

}  // namespace jsguard
