// SPDX-License-Identifier: BSD-2-Clause
// The kinds of clients in the field lab: attackers, and honest clients that look like them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "field_connection.hpp"

namespace field {

// What the command line can set. A kind has its own defaults for the numbers that are below 0.
struct Settings {
    std::string path = "/index.html";
    double every_min_s = -1;  // between what is sent or read each time
    double every_max_s = -1;  // 0: visitors pause as long as they think
    double hold_s = -1;       // time until a connection is replaced; 0: it stays
    double bytes = -1;        // sent or read each time
};

// A client keeps its connection. A visitor comes, asks and leaves.
enum class Role { attacker, client, visitor };

struct Kind {
    const char* name;
    const char* help;
    Role role;
    double every_min_s;
    double every_max_s;
    double hold_s;
    double bytes;
    // The script of the connection with this number.
    Script (*script)(const Settings& settings, unsigned number);
};

const std::vector<Kind>& kinds();

// Throws std::runtime_error if there is no such kind.
const Kind& find_kind(const std::string& name);

// The settings with the defaults of the kind.
Settings with_defaults(Settings settings, const Kind& kind);

}  // namespace field
