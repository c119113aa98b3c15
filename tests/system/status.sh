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

# --- what is run, and what is found ------------------------------------------------------------

# asked ARGUMENTS...: its exit code in $status, its output in said.out and said.err.
asked() {
    status=0
    timeout "$patience_s" "$JSGUARD" status --pin-dir "$pin_dir" "$@" >"$work/said.out" 2>"$work/said.err" \
        </dev/null || status=$?
}

# status EXPECTED-STATUS ARGUMENTS...
status() {
    local expected=$1
    shift
    asked "$@"
    ((status == expected)) && return
    fail "jsguard status $*: exit code $status, not $expected"
    show_log said.out
    show_log said.err
}
said() { grep -qE -- "$1" "$work/said.out" || fail "did not say \"$1\": $(cat "$work/said.out")"; }
holds() { jq -e "$@" "$work/said.out" >/dev/null || fail "this does not hold: $1 in $(cat "$work/said.out")"; }

# refused EXPECTED-STATUS TEXT ARGUMENTS...: one line that says so on stderr, nothing on stdout.
refused() {
    local expected=$1 text=$2
    shift 2
    status "$expected" "$@"
    (($(wc -l <"$work/said.err") == 1)) || fail "jsguard status $*: not one line: $(cat "$work/said.err")"
    grep -qF -- "$text" "$work/said.err" || fail "did not say \"$text\": $(cat "$work/said.err")"
    [[ ! -s $work/said.out ]] || fail "jsguard status $*: something on stdout"
}

# with_status CODE ARGUMENTS...: whether that is the exit code now.
with_status() {
    asked "${@:2}"
    ((status == $1))
}

# says CODE TEXT: whether it says that now, with that exit code.
says() { with_status "$1" && grep -qE -- "$2" "$work/said.out"; }

# plugin EXPECTED-STATUS LINE: docs/examples/check_jsguard.sh.
plugin() {
    local result=0
    PATH=$work/bin:$PATH "$here/../../docs/examples/check_jsguard.sh" --pin-dir "$pin_dir" >"$work/plugin.out" || result=$?
    if ((result != $1)) || ! grep -qE -- "$2" "$work/plugin.out"; then
        fail "the plug-in: exit code $result, not $1, or not \"$2\": $(cat "$work/plugin.out")"
    fi
}

# dumped: what the pinned maps hold of the port, as the fields of --json are called; stands still for the
# rest of a step.
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

# agrees: --json and the maps say the same, once both were read within one step.
agrees() {
    local before
    before=$(dumped)
    asked --json --port "$port"
    [[ $(dumped) == "$before" ]] || return 1
    jq -c '.services[0] | {sequence: .window.sequence, occupancy: (.signals[1] |
        {alert: ("JSG_" + (.alert | ascii_upcase)), number, peak_js_bits, threshold_bits})}' \
        "$work/said.out" >"$work/told.json"
    [[ $(cat "$work/told.json") == "$before" ]] || return 1
    jq -c '.services[0] | {sockets: .window.sockets, open_requests: .window.open_requests,
        js_bits: .signals[1].js_bits, verdict: ("JSG_" + (.signals[1].verdict | ascii_upcase))}' \
        "$work/said.out" >"$work/told_window.json"
    [[ $(cat "$work/told_window.json") == "$(window_dumped "$(jq .sequence <<<"$before")")" ]]
}

# visits: twelve honest requests at a time, each a second in coming, answered and closed, for ever.
readonly visits="while :; do
    open=()
    for ((i = 0; i < 12; i++)); do
        exec {page}<>/dev/tcp/127.0.0.1/$port && open+=(\$page) && printf 'GET / HTTP/1.1\r\n' >&\$page; done
    sleep 1
    for page in \${open[@]}; do
        printf 'Host: a\r\nConnection: close\r\n\r\n' >&\$page; cat <&\$page >/dev/null; exec {page}>&-; done; done"

# attack: 100 connections that send the beginning of a request, and are held.
readonly attack="for ((i = 0; i < 100; i++)); do
    exec {held}<>/dev/tcp/127.0.0.1/$port && printf 'GET / HTTP/1.1\r\nX-a: ' >&\$held; done; exec sleep 600"

mkdir "$work/bin"
ln -s "$(realpath "$JSGUARD")" "$work/bin/jsguard"

say "without a detector there is nothing to tell"
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
said "^jsguard on .* up [0-9.]+ s\$"
said "^monitors the ports it was given in every network namespace; window 4 s, step 1 s, threshold 0.12\$"
said "^no alert is up\$"
said "^$port +learning [0-6]/6 s +- "
said "^since the start: .*; (nothing lost|lost or left out: )"
said "^cost: ticks [0-9.]+ % of one CPU, maps [0-9.]+ MiB, longest tick [0-9]+ us; "
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
wait_for 40 says 0 "^ *$port +monitoring +[0-9.]+/~?[0-9.]+ " || fail "port $port is not monitoring: $(cat "$work/said.out")"
wait_for "$patience_s" says 0 "^port $quiet_port: still learning, has seen only 0 of 100 transitions" ||
    fail "it does not say that port $quiet_port had too little traffic: $(cat "$work/said.out")"
said "^ *$quiet_port +still learning +"

say "an alert: exit code 10, and the JSON says what the maps hold"
spawn attack bash -c "$attack"
attack_pid=$spawned
wait_for 40 with_status 10 || fail "no alert within 40 s"
status 10
said "^ALERT port $port: occupancy above the threshold since 20.* UTC, raised [0-9]+ s ago, peak [01]\.[0-9]+ bits"
said "^ *$port .*  ALERT\$"
plugin 2 "^CRITICAL - ALERT port $port: occupancy above the threshold since "
status 10 --json
holds '.alerts_up == 1 and (.services[0].signals[1] | .alert == "alert" and .verdict == "above" and .duration_s < 60)'
status 0 --port "$quiet_port"
said "^no alert is up for port $quiet_port\$"
wait_for "$patience_s" agrees ||
    fail "JSON and maps differ: $(cat "$work/told.json" "$work/told_window.json"), and $(dumped)"
since=$(jq -r '.services[0].signals[1].since' "$work/said.out")
wait_for "$patience_s" test -s "$work/detector.out" || fail "the detector told no alert"
grep -q "^ALERT port $port: occupancy" "$work/detector.out" || fail "the detector told another alert"
((($(date +%s) - $(date -d "$since" +%s)) < 60)) || fail "the alert is up since $since"

say "cleared"
stop "$attack_pid"
wait_for 40 with_status 0 || fail "the alert does not clear"
said "^no alert is up\$"
plugin 0 "^OK - no alert is up\$"

say "a closed stdout is a failure, not a silent one"
result=0
"$JSGUARD" status --pin-dir "$pin_dir" >/dev/full 2>"$work/said.err" || result=$?
((result == 1)) || fail "stdout is full: exit code $result"
grep -q "cannot write to stdout" "$work/said.err" || fail "it does not say that stdout is full"

say "a detector that was killed"
stop_detector KILL
wait_for 30 with_status 1 || fail "a killed detector is not told by its exit code"
refused 1 "has shown no life for"
refused 1 "start jsguard-load again" --json

finish
