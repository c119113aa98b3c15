# SPDX-License-Identifier: BSD-2-Clause
# jq program: prints the figures of each combination of the detection matrix, and a sentence for each failure.
#
# $runs: {server, load, attack, expects, port, mode, needed, began, ended, held, least}. began and ended are times in ms
# since 1970. held is the maximum number of connections that the attack held, least the minimum after that. A control
# port has the attack "none". Control ports expect "nothing", and so do attacks that docs/limits.md lists as not
# detected. All others expect an "alert".
# $alerts, $windows: the alerts and window records of the detector.
# $limits: {learned, over} are the times in ms of the end of learning and of the end of the run. raise_s, creep_raise_s
# and clear_s are time limits in seconds.
include "alerts";

def rounded: if . == null then null else . * 1000 | round / 1000 end;
def seconds_since($from): if . == null or $from == null then null else (. - $from) / 1000 | rounded end;
def greatest(f): map(f) | max;

($alerts | map(. + {at: ms} | . + .jsguard)) as $alerts
| ($windows | group_by(.port) | map({key: (.[0].port | tostring), value: .}) | from_entries) as $windows
| $limits[0] as $limits
| $runs[]
| . as $run
| ($alerts | map(select(.port == $run.port))) as $mine
| ($mine | map(select(.signal == "occupancy"))) as $occupancy
| ($run.began // $limits.over) as $quiet_end
| ($mine | map(select(.event == "raise" and .at < $quiet_end))) as $early
| ($occupancy | map(select(.event == "raise" and .at >= $quiet_end))) as $raises
| $raises[0] as $raise
| ($occupancy | map(select(.event == "clear" and .id == $raise.id)) | .[0]) as $clear
| (if $run.attack == "creep" then $limits.creep_raise_s else $limits.raise_s end) as $raise_s
| ($windows[$run.port | tostring] // []) as $all
| ($all | map(select(.end_unix_ms > $limits.learned and .end_unix_ms <= $quiet_end))) as $quiet
| ($all | map(select($raise != null and .end_unix_ms >= $raise.at and .end_unix_ms <= $run.ended)))
    as $up
| {
    server, load, attack, port,
    baseline: (if .mode == "JSG_STILL_LEARNING" then "built-in" else "own" end),
    attack_s: ($run.ended | seconds_since($run.began)),
    connections_held: .held,
    connections_least: .least,
    raised_after_s: ($raise.at | seconds_since($run.began)),
    js_bits_at_raise: $raise.js_bits,
    top_cell: ($raise.top_cells[0].cell? // null),
    least_js_bits_while_up: ($up | map(.signal[1].js_nanobits) | min | if . then . / 1e9 else . end),
    peak_js_bits: $clear.peak_js_bits,
    cleared_after_s: ($clear.at | seconds_since($run.ended)),
    transitions_raised_after_s: ($mine | map(select(.event == "raise" and .signal == "transitions"))
        | .[0].at | seconds_since($run.began)),
    raises_after_attack: ($mine
        | map(select(.event == "raise" and $run.ended != null and .at > $run.ended)) | length),
    quiet_windows: ($quiet | length),
    quiet_max_occupancy_js_bits: ($quiet | greatest(.signal[1].js_nanobits) // 0 | . / 1e9),
    quiet_max_transition_js_bits: ($quiet | greatest(.signal[0].js_nanobits) // 0 | . / 1e9),
    quiet_max_excess: ($quiet | greatest(.excess_millisockets) // 0 | . / 1e3),
    failures: [
        ($early[] | "\(.signal) alert without an attack, at \(.timestamp)"),
        (select($run.expects == "nothing") | $mine[] | select(.event == "raise" and .at >= $quiet_end)
            | "\(.signal) alert after \(.at | seconds_since($run.began)) s, for an attack that docs/limits.md lists as not detected"),
        (select($run.expects == "alert")
            | if $raise == null then "no occupancy alert"
              else
                (($raise.at | seconds_since($run.began)) as $after
                    | select($after > $raise_s)
                    | "raised after \($after) s, allowed are \($raise_s) s"),
                (if $clear == null then "not cleared"
                 else
                    ($clear.at | seconds_since($run.ended)) as $after
                    | if $after < 0 then "cleared \(-$after) s before the attack ended"
                      elif $after > $limits.clear_s then
                        "cleared \($after) s after the attack, allowed are \($limits.clear_s) s"
                      else empty end
                 end),
                (select($raises | length > 1) | "raised \($raises | length) times for one attack")
              end),
        (select($run.attack != "none" and $run.held < $run.needed)
            | "the attack held \($run.held) connections, not \($run.needed)")
    ]
}
