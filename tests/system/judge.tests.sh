#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tests of judge.jq, the judge of the detection matrix, with invented alerts: it finds each failure of a combination.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
shopt -s lastpipe # expect and check count their failures in this shell

need jq jq

readonly second_0=1767322800000 # 2026-01-02T03:00:00 UTC, in ms
readonly began=100 ended=145    # the attack, in seconds after second_0

# event raise|clear SECOND [SIGNAL] [ID] [PORT]: an alert line.
event() {
    jq -nc --arg event "$1" --argjson second "$2" --arg signal "${3:-occupancy}" \
        --arg id "${4:-a-1}" --argjson port "${5:-80}" '
        {timestamp: (1767322800 + $second | todate | sub("Z$"; ".250+00:00")),
         event_type: "jsguard", hostname: "h",
         jsguard: ({schema: 2, $event, $id, $port, $signal, js_bits: 0.5, threshold_bits: 0.12,
            significance_bits: 0.05, window_s: 10, transitions: 1, sockets: 1, open_requests: 1,
            open_sockets: 1, expected_sockets: 1, stalled_sockets: 1,
            top_cells: [{cell: "request slow 8-16s", window: 0.7, baseline: 0, bits: 0.3}],
            sources: 1, sources_inexact: false, source_sockets: 1, top_source_share: 1,
            top_sources: [{addr: "192.0.2.7", sockets: 1}]}
            + if $event == "clear" then {duration_s: 1, peak_js_bits: 0.6} else {} end)}'
}

# expect ATTACK HELD "FAILURE..." < ALERTS: the expected sentences of the judge, joined by "; ".
expect() {
    local got
    got=$(jq -nr -L "$here" --slurpfile alerts /dev/stdin \
        --slurpfile windows <(echo '{"port":80,"end_unix_ms":1767322850000,"signal":[{"js_nanobits":1},{"js_nanobits":20000000}],"excess_millisockets":0}') \
        --slurpfile runs <(jq -nc --arg attack "$1" --argjson held "$2" --argjson zero "$second_0" \
            --argjson began "$began" --argjson ended "$ended" '{server: "nginx", load: "short",
            $attack, expects: (if $attack == "none" or $attack == "h2-window" then "nothing" else "alert" end), port: 80, needed: (if $attack == "creep" then 200 elif $attack == "none" then 0 else 500 end), $held, least: 0}
            + if $attack == "none" then {} else {began: ($zero + 1000 * $began), ended: ($zero + 1000 * $ended)} end') \
        --slurpfile limits <(jq -nc --argjson zero "$second_0" '{learned: $zero, over: ($zero + 300000),
            raise_s: 10, creep_raise_s: 45, clear_s: 60}') \
        -f "$here/judge.jq" | jq -r '.failures | join("; ")')
    [[ $got == "$3" ]] && return
    fail "$1: expected '$3', got '$got'"
}

{ event raise 105 && event clear 160; } | expect H 500 ""
{ event raise 140 && event clear 160; } | expect creep 200 ""
: | expect none 0 ""
: | expect H 500 "no occupancy alert"
{ event raise 105 transitions && event clear 160 transitions; } | expect H 500 "no occupancy alert"
{ event raise 105 occupancy a-1 81 && event clear 160 occupancy a-1 81; } | expect B 500 "no occupancy alert"
{ event raise 110 && event clear 160; } | expect X 500 "raised after 10.25 s, allowed are 10 s"
{ event raise 145 && event clear 160; } | expect creep 200 "raised after 45.25 s, allowed are 45 s"
event raise 105 | expect H 500 "not cleared"
{ event raise 105 && event clear 144; } | expect H 500 "cleared 0.75 s before the attack ended"
{ event raise 105 && event clear 205; } | expect H 500 "cleared 60.25 s after the attack, allowed are 60 s"
{ event raise 105 && event clear 130 && event raise 135 occupancy a-2 && event clear 160 occupancy a-2; } |
    expect H 500 "cleared 14.75 s before the attack ended; raised 2 times for one attack"
{ event raise 50 && event clear 70 && event raise 105 occupancy a-2 && event clear 160 occupancy a-2; } |
    expect H 500 "occupancy alert without an attack, at 2026-01-02T03:00:50.250+00:00"
{ event raise 250 transitions && event clear 260 transitions; } |
    expect none 0 "transitions alert without an attack, at 2026-01-02T03:04:10.250+00:00"
: | expect h2-window 500 ""
: | expect h2-window 300 "the attack held 300 connections, not 500"
for signal in occupancy transitions; do
    { event raise 105 "$signal" && event clear 160 "$signal"; } |
        expect h2-window 500 "$signal alert after 5.25 s, for an attack that docs/limits.md lists as not detected"
    { event raise 50 "$signal" && event clear 70 "$signal"; } |
        expect h2-window 500 "$signal alert without an attack, at 2026-01-02T03:00:50.250+00:00"
done
{ event raise 105 && event clear 160; } | expect H 300 "the attack held 300 connections, not 500"

# check NAME FILTER EXPECTED < ALERTS: the result of a filter of alerts.jq on all alerts.
check() {
    local got
    got=$(jq -sc -L "$here" "include \"alerts\"; $2")
    [[ $got == "$3" ]] && return
    fail "$1: expected $3, got $got"
}

{ event raise 1 && event clear 2; } | check "documented alerts" 'map(well_formed)' '[true,true]'
for field in schema event id port signal js_bits threshold_bits window_s transitions sockets \
    open_requests top_cells significance_bits open_sockets expected_sockets stalled_sockets sources \
    sources_inexact source_sockets top_source_share top_sources; do
    event raise 1 | check "an alert without $field" "map(del(.jsguard.$field) | well_formed)" '[false]'
done
for field in duration_s peak_js_bits; do
    event clear 1 | check "a clear without $field" "map(del(.jsguard.$field) | well_formed)" '[false]'
done
event raise 1 | check "a time without ms" 'map(.timestamp = "2026-01-02T03:00:50Z" | well_formed)' '[false]'
event raise 1 | check "a divergence above 1" 'map(.jsguard.js_bits = 1.1 | well_formed)' '[false]'
event clear 1 | check "a clear without its raise" '[unpaired_ids]' '["a-1"]'
{ event raise 1 && event raise 2; } | check "an id raised twice" '[unpaired_ids]' '["a-1"]'
{ event raise 1 && event clear 2 transitions; } | check "a clear of another signal" '[unpaired_ids]' '["a-1"]'
{ event raise 1 && event clear 2 && event clear 3; } | check "an id cleared twice" '[unpaired_ids]' '["a-1"]'
{ event raise 1 && event clear 2; } | check "a pair" '[unpaired_ids]' '[]'

finish
