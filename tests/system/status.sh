#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# jsguard status beside a running detector: learning, monitoring, an alert, a killed one, and clear refusals.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_root_and_bpf
: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"
[[ -x $SLOW_BACKEND ]] || die "no $SLOW_BACKEND: build first, or set SLOW_BACKEND"
system_begin
take_ports
readonly port=$first_port
readonly quiet_port=$((port + 1)) # nobody listens there

# --- helpers -----------------------------------------------------------------------------------

# run_status ARGUMENTS...: runs jsguard status. Its exit code goes to $status, its output to command.out and command.err.
run_status() {
    status=0
    timeout "$patience_s" "$JSGUARD" status --pin-dir "$pin_dir" "$@" >"$work/command.out" 2>"$work/command.err" \
        </dev/null || status=$?
}

# status EXPECTED-STATUS ARGUMENTS...: fails if jsguard status has another exit code.
status() {
    local expected=$1
    shift
    run_status "$@"
    ((status == expected)) && return
    fail "jsguard status $*: exit code $status, not $expected"
    show_log command.out
    show_log command.err
}
expect() { grep -qE -- "$1" "$work/command.out" || fail "jsguard status does not print \"$1\": $(cat "$work/command.out")"; }
holds() { jq -e "$@" "$work/command.out" >/dev/null || fail "this is not true: $1 in $(cat "$work/command.out")"; }

# refused EXPECTED-STATUS TEXT ARGUMENTS...: one line with the text on stderr, nothing on stdout.
refused() {
    local expected=$1 text=$2
    shift 2
    status "$expected" "$@"
    (($(wc -l <"$work/command.err") == 1)) || fail "jsguard status $*: not one line: $(cat "$work/command.err")"
    grep -qF -- "$text" "$work/command.err" || fail "jsguard status does not print \"$text\": $(cat "$work/command.err")"
    [[ ! -s $work/command.out ]] || fail "jsguard status $*: something on stdout"
}

# with_status CODE ARGUMENTS...: whether jsguard status has this exit code now.
with_status() {
    run_status "${@:2}"
    ((status == $1))
}

# prints CODE TEXT: whether jsguard status prints the text now, with this exit code.
prints() { with_status "$1" && grep -qE -- "$2" "$work/command.out"; }

# plugin EXPECTED-STATUS LINE: runs the monitoring plug-in docs/examples/check_jsguard.sh.
plugin() {
    local result=0
    PATH=$work/bin:$PATH "$here/../../docs/examples/check_jsguard.sh" --pin-dir "$pin_dir" >"$work/plugin.out" || result=$?
    if ((result != $1)) || ! grep -qE -- "$2" "$work/plugin.out"; then
        fail "the plug-in: exit code $result, not $1, or not \"$2\": $(cat "$work/plugin.out")"
    fi
}

# dumped: the alert of the port in the pinned maps, with the names of --json. It changes only once in a step.
dumped() {
    dump_map services | jq -c --argjson port "$port" '.value | select(.port == $port) | {
        sequence,
        occupancy: {alert: .alerts[1].state, number: .alerts[1].number, peak_js_bits: (.alerts[1].peak_nanobits / 1e9),
            threshold_bits: (.threshold_nanobits[1] / 1e9)}}'
}
window_dumped() {
    dump_map windows | jq -c --argjson port "$port" --argjson sequence "$1" \
        '.value | select(.port == $port and .sequence == $sequence) |
            {sockets, open_requests, js_bits: (.signal[1].js_nanobits / 1e9), verdict: .signal[1].verdict}'
}

# agrees: whether --json and the maps have the same figures. It fails if a step ended between the two reads.
agrees() {
    local before
    before=$(dumped)
    run_status --json --port "$port"
    [[ $(dumped) == "$before" ]] || return 1
    jq -c '.services[0] | {sequence: .window.sequence, occupancy: (.signals[1] |
        {alert: ("JSG_" + (.alert | ascii_upcase)), number, peak_js_bits, threshold_bits})}' \
        "$work/command.out" >"$work/reported.json"
    [[ $(cat "$work/reported.json") == "$before" ]] || return 1
    jq -c '.services[0] | {sockets: .window.sockets, open_requests: .window.open_requests,
        js_bits: .signals[1].js_bits, verdict: ("JSG_" + (.signals[1].verdict | ascii_upcase))}' \
        "$work/command.out" >"$work/reported_window.json"
    [[ $(cat "$work/reported_window.json") == "$(window_dumped "$(jq .sequence <<<"$before")")" ]]
}

# visits: sends twelve honest requests at a time, for ever. Each takes a second to send, is answered, and closed.
readonly visits="while :; do
    open=()
    for ((i = 0; i < 12; i++)); do
        exec {page}<>/dev/tcp/127.0.0.1/$port && open+=(\$page) && printf 'GET / HTTP/1.1\r\n' >&\$page; done
    sleep 1
    for page in \${open[@]}; do
        printf 'Host: a\r\nConnection: close\r\n\r\n' >&\$page; cat <&\$page >/dev/null; exec {page}>&-; done; done"

# attack: opens 100 connections, sends the beginning of a request on each, and holds them.
readonly attack="for ((i = 0; i < 100; i++)); do
    exec {held}<>/dev/tcp/127.0.0.1/$port && printf 'GET / HTTP/1.1\r\nX-a: ' >&\$held; done; exec sleep 600"

mkdir "$work/bin"
ln -s "$(realpath "$JSGUARD")" "$work/bin/jsguard"

say "without a detector status refuses"
refused 1 "start jsguard-load"
refused 1 "start jsguard-load" --json
plugin 3 "^UNKNOWN - jsguard: no detector has its maps in "

say "wrong options are refused"
refused 2 "--port" --port 0
refused 2 "--port" --port http
refused 2 "see jsguard status --help" --no-such-option
refused 2 "see jsguard status --help" something

say "learning"
spawn server "$SLOW_BACKEND" "$port"
start_detector --localport "$port,$quiet_port" --learn 6 --window 4 --clear 3
status 0
expect "^jsguard on .* up [0-9.]+ s\$"
expect "^monitors the ports it was given in every network namespace; window 4 s, step 1 s, threshold 0.12\$"
expect "^no alert is up\$"
expect "^$port +learning [0-6]/6 s +- "
expect "^since the start: .*; (nothing lost|lost or left out: )"
expect "^cost: ticks [0-9.]+ % of one CPU, maps [0-9.]+ MiB, longest tick [0-9]+ us; "
status 0 --json
# shellcheck disable=SC2016 # jq's own variables
holds '.schema == 2 and .alerts_up == 0 and (.services | map(.port)) == [$a, $b]' \
    --argjson a "$port" --argjson b "$quiet_port"
holds 'all(.services[].signals[]; .js_bits == null)'
holds '.cost.map_bytes > 1e6 and .uptime_s < 600 and .cost.tick_cpu_ratio < 1'
status 0 --json --port "$quiet_port"
# shellcheck disable=SC2016
holds '.services | map(.port) == [$b]' --argjson b "$quiet_port"
refused 1 "port $((port + 2)) is not monitored; ports $port, $quiet_port are" --port $((port + 2))

say "monitoring"
spawn visits bash -c "$visits"
wait_for 40 prints 0 "^ *$port +monitoring +[0-9.]+/~?[0-9.]+ " || fail "port $port is not monitoring: $(cat "$work/command.out")"
wait_for "$patience_s" prints 0 "^port $quiet_port: still learning, has seen only 0 of 100 transitions" ||
    fail "status does not report too little traffic on port $quiet_port: $(cat "$work/command.out")"
expect "^ *$quiet_port +still learning +"

say "an alert: exit code 10, and the JSON has the figures of the maps"
spawn attack bash -c "$attack"
attack_pid=$spawned
wait_for 40 with_status 10 || fail "no alert within 40 s"
status 10
expect "^ALERT port $port: occupancy above the threshold since 20.* UTC, raised [0-9]+ s ago, peak [01]\.[0-9]+ bits"
expect "^ *$port .*  ALERT\$"
plugin 2 "^CRITICAL - ALERT port $port: occupancy above the threshold since "
status 10 --json
holds '.alerts_up == 1 and (.services[0].signals[1] | .alert == "alert" and .verdict == "above" and .duration_s < 60)'
status 0 --port "$quiet_port"
expect "^no alert is up for port $quiet_port\$"
wait_for "$patience_s" agrees ||
    fail "JSON and maps differ: $(cat "$work/reported.json" "$work/reported_window.json"), and $(dumped)"
since=$(jq -r '.services[0].signals[1].since' "$work/command.out")
wait_for "$patience_s" test -s "$work/detector.out" || fail "the detector printed no alert"
grep -q "^ALERT port $port: occupancy" "$work/detector.out" || fail "the detector printed another alert"
((($(date +%s) - $(date -d "$since" +%s)) < 60)) || fail "the alert is up since $since"

say "cleared"
stop "$attack_pid"
wait_for 40 with_status 0 || fail "the alert does not clear"
expect "^no alert is up\$"
plugin 0 "^OK - no alert is up\$"

say "a full stdout is reported as an error"
result=0
"$JSGUARD" status --pin-dir "$pin_dir" >/dev/full 2>"$work/command.err" || result=$?
((result == 1)) || fail "stdout is full: exit code $result"
grep -q "cannot write to stdout" "$work/command.err" || fail "status does not report that stdout is full"

say "a killed detector"
stop_detector KILL
with_status 1 || fail "at once after the detector was killed the exit code is not 1"
refused 1 "its jsguard-load was killed"
refused 1 "start jsguard-load again" --json

finish
