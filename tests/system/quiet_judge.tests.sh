#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tests of quiet.jq, the judge of the quiet scenarios, with invented alerts: it finds each failure of a scenario.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
shopt -s lastpipe # expect counts its failures in this shell

need jq jq

readonly learned=1767322800000 # 2026-01-02T03:00:00 UTC, in ms

# alert raise|clear SECOND [SIGNAL] [SOURCES] [SHARE] [PORT]: an alert with the fields that the judge reads.
alert() {
    jq -nc --arg event "$1" --argjson second "$2" --arg signal "${3:-occupancy}" \
        --argjson sources "${4:-null}" --argjson share "${5:-null}" --argjson port "${6:-80}" '
        {timestamp: (1767322800 + $second | todate | sub("Z$"; ".000+00:00")),
         jsguard: ({$event, $port, $signal, js_bits: 0.5, sockets: 1, open_requests: 1,
            top_cells: [{cell: "request slow 8-16s", window: 0.7, baseline: 0, bits: 0.3}]}
            + if $sources then {$sources, top_source_share: $share} else {} end)}'
}

# expect ALLOWED WINDOWS REASONS LINES "FAILURE..." < ALERTS: the expected sentences of the judge, joined by "; ".
# REASONS and LINES are JSON arrays.
expect() {
    local got
    got=$(jq -nr -L "$here" --slurpfile alerts /dev/stdin \
        --slurpfile windows <(jq -nc --argjson count "$2" --argjson learned "$learned" '
            range($count) | {port: 80, end_unix_ms: ($learned + 1000 * (. + 1)), signal: [{js_nanobits: 1, verdict: "JSG_NORMAL"}, {js_nanobits: 20000000, verdict: "JSG_NORMAL"}], excess_millisockets: 0, transitions: 5}') \
        --slurpfile runs <(jq -nc --arg allowed "$1" --argjson reasons "$3" \
            '{scenario: "s", port: 80, $allowed, did_not_happen: $reasons}') \
        --slurpfile limits <(jq -nc --argjson learned "$learned" '{$learned, over: ($learned + 60000)}') \
        --argjson lines "$4" -f "$here/quiet.jq" | jq -r '.failures | join("; ")')
    [[ $got == "$5" ]] && return
    fail "$1: expected '$5', got '$got'"
}

readonly complete='["ALERT port 80 in network namespace 4026532001: occupancy 0.5 bits: requests stalled, 90 spread over 80 sources"]'
readonly without_cause='["ALERT port 80: occupancy 0.5 bits from normal"]'
readonly blamed='["ALERT port 80: occupancy 0.5 bits: requests stalled, 90 spread over 80 sources: an Attack"]'
readonly later='["ALERT port 80: transitions 0.5 bits", "CLEAR port 80: occupancy after 5 s"]'

: | expect none 60 '[]' '[]' ""
alert raise 5 occupancy null null 81 | expect none 60 '[]' '[]' ""
{ alert raise 5 && alert clear 9; } |
    expect none 60 '[]' '[]' "occupancy alert, 5 s monitoring, for request slow 8-16s"
alert raise 61 | expect none 60 '[]' '[]' ""
alert raise 5 transitions |
    expect none 60 '[]' '[]' "transitions alert, 5 s monitoring, for request slow 8-16s"
: | expect none 9 '[]' '[]' "only 9 windows were judged"
: | expect none 60 '["no crowd came"]' '[]' "did not happen: no crowd came"
: | expect any 60 '["no crowd came"]' '[]' "did not happen: no crowd came"
alert raise 5 | expect any 60 '[]' '[]' ""

: | expect described 60 '[]' '[]' "no alert, though all requests were stalled"
alert raise 5 occupancy 80 0.02 | expect described 60 '[]' "$complete" ""
{ alert raise 5 occupancy 80 0.02 && alert raise 6 transitions && alert clear 9; } |
    expect described 60 '[]' "$(jq -nc "$complete + $later")" ""
alert raise 5 occupancy 80 0.02 | expect described 60 '[]' '[]' "an alert, and no line of text"
alert raise 5 occupancy 49 0.02 |
    expect described 60 '[]' "$complete" "49 sources in the alert, there are 100 and more"
alert raise 5 occupancy 80 0.2 | expect described 60 '[]' "$complete" "top_source_share is 0.2"
alert raise 5 | expect described 60 '[]' "$complete" \
    "no sources in the alert, there are 100 and more; top_source_share is not there"
alert raise 5 occupancy 80 0.02 | expect described 60 '[]' "$without_cause" \
    "the line does not mention stalled requests or sources: ALERT port 80: occupancy 0.5 bits from normal"
alert raise 5 occupancy 80 0.02 | expect described 60 '[]' "$blamed" \
    "the line has the word attack: ALERT port 80: occupancy 0.5 bits: requests stalled, 90 spread over 80 sources: an Attack"

finish
