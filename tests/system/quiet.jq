# SPDX-License-Identifier: BSD-2-Clause
# jq program: for each scenario of quiet.sh its figures, what was raised, and a sentence for each failure.
#
# $runs: {scenario, port, allowed, told, did_not_happen: [sentence...]}. allowed: alerts are none, told (they
# must say what they see) or any. $alerts, $windows: what the detector said; $lines: the same alerts as text,
# of the ports that are told. $limits: {learned, over} of the whole run in ms.
include "alerts";

def greatest(f): map(f) | max // 0;
def counts(f): group_by(f) | map({key: (.[0] | f | ltrimstr("JSG_") | ascii_downcase), value: length})
    | from_entries;

# An alert of requests that a back end holds, as JSON and as the lines that a person reads.
def tells_of_held_requests:
    (.jsguard | select(.signal == "occupancy")
        | (select((.sources // 0) < 50) | "\(.sources // "no") sources in the alert, there are 100 and more"),
          (select((.top_source_share // 1) >= 0.2) | "top_source_share is \(.top_source_share // "not there")"));
def line_tells:
    select(test("requests stalled") and test("sources") | not) | "the line says nothing of requests stalled or of sources: \(.)";

$limits[0] as $limits
| ($windows | map(select(.end_unix_ms > $limits.learned and .end_unix_ms <= $limits.over)) | group_by(.port)
    | map({key: (.[0].port | tostring), value: .}) | from_entries) as $windows
| $runs[]
| . as $run
| ($windows[.port | tostring] // []) as $mine
# What comes after the end is of visitors that leave, and of servers beside a test that reads maps.
| ($alerts | map(select(.jsguard.port == $run.port and ms <= $limits.over))) as $said
| ($said | map(select(.jsguard.event == "raise"))) as $raised
| ($lines | map(select(test("^[A-Z]+ port \($run.port)( in network namespace [0-9]+)?:")))) as $text
| {
    scenario, port, windows: ($mine | length),
    max_occupancy_js_bits: ($mine | greatest(.signal[1].js_nanobits) / 1e9),
    max_transition_js_bits: ($mine | greatest(.signal[0].js_nanobits) / 1e9),
    max_excess: ($mine | greatest(.excess_millisockets) / 1e3),
    max_transitions: ($mine | greatest(.transitions)),
    occupancy_verdicts: ($mine | counts(.signal[1].verdict)),
    transition_verdicts: ($mine | counts(.signal[0].verdict)),
    alerts: ($raised | length),
    raised: [$raised[] | {after_s: ((ms - $limits.learned) / 1000 | round)} + (.jsguard
        | {signal, js_bits, sources, top_source_share, sockets, open_requests,
           cells: [.top_cells[:3][] | "\(.cell) \(.window * 100 | round)%/\(.baseline * 100 | round)%"]})],
    text: (if $run.allowed == "told" then $text else null end),
    failures: [
        (select($mine | length < 10) | "only \($mine | length) windows were judged"),
        ($run.did_not_happen[] | "did not happen: \(.)"),
        (select($run.allowed == "none") | $raised[]
            | "\(.jsguard.signal) alert, \(((ms - $limits.learned) / 1000) | round) s monitoring, for \([.jsguard.top_cells[:3][] | .cell] | join(", "))"),
        (select($run.allowed == "told")
            | ($raised | map(select(.jsguard.signal == "occupancy")) | select(length == 0)
                | "no alert, though all requests were held"),
              ($raised[] | tells_of_held_requests),
              (select($raised | length > 0) | select($text | length == 0) | "an alert, and no line of text"),
              ($text[] | select(test("^ALERT port [0-9]+[^:]*: occupancy")) | line_tells),
              ($text[] | select(test("attack"; "i")) | "the word attack is in: \(.)"))
    ]
}
