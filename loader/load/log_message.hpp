// SPDX-License-Identifier: BSD-2-Clause
// A message for the system's log: its fields, and the datagrams that journald and syslog
// understand.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/jsguard.h"

namespace jsguard {

// Fixed for ever: what a journal is searched by.
constexpr std::string_view raise_message_id = "287b5d3cbbf2fa980c7452ba9378aad3";
constexpr std::string_view clear_message_id = "959d846ee3af73d23ba0a2f15ece5537";

struct LogMessage {
    int priority;      // of syslog(3)
    std::string text;  // the line for people
    std::string json;  // one object with the same, for programs
    // What a journal entry has beyond text and priority; a name may come more than once.
    std::vector<std::pair<std::string, std::string>> fields;
};

// object: alert_object() of the alert. Its fields, as JSGUARD_<NAME>, and its text as JSGUARD_JSON.
LogMessage alert_message(const jsg_alert& alert, const nlohmann::ordered_json& object);

// The start and the end of a detector, and a warning about a baseline. event: "start", "end" or
// "warning".
LogMessage notice_message(int priority, std::string_view event, std::string_view text);

// In the native protocol of systemd's journal (systemd.io/JOURNAL_NATIVE_PROTOCOL).
std::string journal_datagram(const LogMessage& message);

// As syslog(3) writes it to /dev/log, in local time: "@cee: " and an object whose first member,
// msg, is the line for people.
std::string syslog_datagram(const LogMessage& message, std::int64_t unix_s, int pid);

}  // namespace jsguard
