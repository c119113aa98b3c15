// SPDX-License-Identifier: BSD-2-Clause
// A message for the system's log, and the datagrams that carry it to journald or syslog.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/jsguard.h"

namespace jsguard {

// These ids must never change, because people search the journal by them.
constexpr std::string_view raise_message_id = "287b5d3cbbf2fa980c7452ba9378aad3";
constexpr std::string_view clear_message_id = "959d846ee3af73d23ba0a2f15ece5537";

struct LogMessage {
    int priority;      // of syslog(3)
    std::string text;  // the line for people
    std::string json;  // one object with the same, for programs
    // The other fields of a journal entry. A name may occur more than once.
    std::vector<std::pair<std::string, std::string>> fields;
};

// object: alert_object() of the alert. The message has each of its fields as JSGUARD_<NAME>, and
// the whole object as JSGUARD_JSON.
LogMessage alert_message(const jsg_alert& alert, const nlohmann::ordered_json& object);

// A message about the start or the end of a detector, or a warning about a baseline. event:
// "start", "end" or "warning".
LogMessage notice_message(int priority, std::string_view event, std::string_view text);

// The message in the native protocol of systemd's journal (systemd.io/JOURNAL_NATIVE_PROTOCOL).
std::string journal_datagram(const LogMessage& message);

// The message as syslog(3) writes it to /dev/log, in local time. Its text is "@cee: " and an
// object. The first member of the object, msg, is the line for people.
std::string syslog_datagram(const LogMessage& message, std::int64_t unix_s, int pid);

}  // namespace jsguard
