# SPDX-License-Identifier: BSD-2-Clause
# jq module for jsguard's alerts as JSON lines: their time, and the fields that each alert must have.

# The time of an alert in ms since 1970.
def ms: (.timestamp[0:19] + "Z" | fromdateiso8601) * 1000 + (.timestamp[20:23] | tonumber);

def numbers(f): [f] | all(type == "number");
def bits: type == "number" and . >= 0 and . <= 1;

def well_formed:
    .event_type == "jsguard" and (.hostname | type == "string")
    and (.timestamp
        | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}[+]00:00$"))
    and (.jsguard
        | .schema == 2 and (.id | type == "string" and . != "")
        and (.event == "raise" or .event == "clear")
        and (.signal == "occupancy" or .signal == "transitions")
        and (.js_bits | bits) and (.threshold_bits | bits)
        and (.significance_bits | type == "number" and . >= 0)
        and numbers(.port, .window_s, .transitions, .sockets, .open_requests, .open_sockets,
            .expected_sockets, .stalled_sockets, .sources, .source_sockets)
        and (.sources_inexact | type == "boolean")
        and (.top_source_share | bits)
        and (.top_sources | type == "array" and length <= 5
            and all((.addr | type == "string") and numbers(.sockets)))
        and (.top_cells | type == "array")
        and (.top_cells | all((.cell | type == "string") and numbers(.window, .baseline, .bits)))
        and (.event == "raise" or (numbers(.duration_s) and (.peak_js_bits | bits))));

# The input is an array of all alerts in order. The output is each ID that is raised twice, or cleared without its own raise.
def unpaired_ids:
    reduce .[].jsguard as $alert ({up: {}, odd: []};
        [$alert.port, $alert.signal] as $service
        | if $alert.event == "raise" then
              (if .up | has($alert.id) then .odd += [$alert.id] else . end) | .up[$alert.id] = $service
          elif .up[$alert.id] == $service then .up[$alert.id] = "cleared"
          else .odd += [$alert.id] end)
    | .odd[];
