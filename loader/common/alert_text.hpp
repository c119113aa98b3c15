// SPDX-License-Identifier: BSD-2-Clause
// An alert as text for people and as JSON for programs. Each is one line, without the newline.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "kernel/jsguard.h"

namespace jsguard {

// Where an alert comes from. instance makes the alert's id unique across restarts and boots.
struct Origin {
    std::string hostname;
    std::string instance;
};

// An alert id is INSTANCE-NUMBER: the text of the detector's instance, and the number of the alert.
std::string instance_text(std::uint64_t instance);
std::string alert_id(std::uint64_t instance, std::uint64_t number);

// "ALERT port 8080: ..." or "CLEAR port 8080: ..."
std::string alert_line(const jsg_alert& alert);

// One JSON object, and its text.
nlohmann::ordered_json alert_object(const jsg_alert& alert, const Origin& origin);
std::string alert_json(const jsg_alert& alert, const Origin& origin);

// How an alert is printed: as JSON, or as a line with or without the time in front.
struct AlertForm {
    bool json = false;
    bool timestamp = false;
};
std::string alert_text(const jsg_alert& alert, const Origin& origin, const AlertForm& form);

}  // namespace jsguard
