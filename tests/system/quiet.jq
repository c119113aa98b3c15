# SPDX-License-Identifier: BSD-2-Clause
# jq program: prints the figures and alerts of each scenario of quiet.sh, and a sentence for each failure.
#
# $runs: {scenario, port, allowed, did_not_happen: [sentence...]}. allowed is none, any, or described: there must be an
# alert, and it must describe the stalled requests.
# $alerts, $windows: the alerts and window records of the detector.
# $lines: alerts as text, of the ports with allowed = described.
# $limits: {learned, over} are the times in ms of the end of learning and of the end of the run.
include "alerts";

def greatest(f): map(f) | max // 0;
def counts(f): group_by(f) | map({key: (.[0] | f | ltrimstr("JSG_") | ascii_downcase), value: length})
    | from_entries;

# The faults of an alert about requests that a stalled back end holds, as JSON and as a line of text.
def faults_of_alert:
    (.jsguard | select(.signal == "occupancy")
        | (select((.sources // 0) < 50) | "\(.sources // "no") sources in the alert, there are 100 and more"),
          (select((.top_source_share // 1) >= 0.2) | "top_source_share is \(.top_source_share // "not there")"));
def faults_of_line:
    select(test("requests stalled") and test("sources") | not) | "the line does not mention stalled requests or sources: \(.)";

$limits[0] as $limits
| ($windows | map(select(.end_unix_ms > $limits.learned and .end_unix_ms <= $limits.over)) | group_by(.port)
    | map({key: (.[0].port | tostring), value: .}) | from_entries) as $windows
| $runs[]
| . as $run
| ($windows[.port | tostring] // []) as $mine
# Alerts after the end do not count: by then visitors leave, and the test takes CPU time to read the maps.
| ($alerts | map(select(.jsguard.port == $run.port and ms <= $limits.over))) as $counted
| ($counted | map(select(.jsguard.event == "raise"))) as $raised
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
    text: (if $run.allowed == "described" then $text else null end),
    failures: [
        (select($mine | length < 10) | "only \($mine | length) windows were judged"),
        ($run.did_not_happen[] | "did not happen: \(.)"),
        (select($run.allowed == "none") | $raised[]
            | "\(.jsguard.signal) alert, \(((ms - $limits.learned) / 1000) | round) s monitoring, for \([.jsguard.top_cells[:3][] | .cell] | join(", "))"),
        (select($run.allowed == "described")
            | ($raised | map(select(.jsguard.signal == "occupancy")) | select(length == 0)
                | "no alert, though all requests were stalled"),
              ($raised[] | faults_of_alert),
              (select($raised | length > 0) | select($text | length == 0) | "an alert, and no line of text"),
              ($text[] | select(test("^ALERT port [0-9]+[^:]*: occupancy")) | faults_of_line),
              ($text[] | select(test("attack"; "i")) | "the line has the word attack: \(.)"))
    ]
}
