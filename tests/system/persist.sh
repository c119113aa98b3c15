#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A persisted detector: its loader is killed again and again under load, and nothing is lost.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: persist.sh [--kills NUMBER]
  --kills NUMBER    how often jsguard-load --persist is killed (100), while connections are opened, held and closed:
                    every fourth time after it has begun to monitor, otherwise at a random moment
END
}
kills=100
# shellcheck disable=SC2034
own_option() { [[ $1 == --kills ]] && kills=$2 words=2; }
parse_options "$@"

: "${SLOW_BACKEND:=$here/../../build/quickstart/tests/system/slow-backend}"
: "${CONNECT_FLOOD:=$(dirname "$SLOW_BACKEND")/connect-flood}"

need_root_and_bpf
system_begin
take_ports
readonly port=$first_port
readonly options=(--pin-dir "$pin_dir" --localport "$port" --learn 3 --window 2 --confirm 1 --clear 1 --json)
# The cell LISTEN->SYN_RECV, numbered as in kernel/jsguard.h.
readonly accepted_cell=$((10 * 14 + 3))

at_end+=(take_out)
take_out() { [[ ! -d $pin_dir ]] || "$JSGUARD_LOAD" --pin-dir "$pin_dir" --unload >/dev/null 2>&1; }

accepted() {
    bpftool -j map dump pinned "$pin_dir/counters" |
        jq "[.[].formatted.values[].value.transitions[$accepted_cell]] | add"
}
alerts_raised() { dump_map stats | jq .value.alerts; }
# reports_unread NAME: whether jsguard status reports that no loader reads the alerts. Its output goes to NAME.out. The test
# must not run in its own PID namespace, because there status cannot find the loader.
reports_unread() {
    "$JSGUARD" status --pin-dir "$pin_dir" >"$work/$1.out" || (($? == 10)) || die "status fails"
    grep -q '^no jsguard-load reads its alerts' "$work/$1.out"
}
flooded() { awk '{ print $1 }' "$work/flood.out"; }
holds() { grep -q held "$work/hold.out"; }

# A server, with visitors all the time, and a short attack now and then.
spawn server "$SLOW_BACKEND" "$port"
backend=$spawned
held_count=0
# hold NUMBER: holds this number of connections, until let_go.
hold() {
    spawn hold "$here/hold_connections.sh" 127.0.0.1 "$port" "$1"
    held=$spawned
    held_count=$((held_count + $1))
    wait_for "$patience_s" holds || die "the connections cannot be opened"
}
let_go() { stop "$held"; }

say "one loader begins, learns, and ends"
spawn first env --default-signal=INT "$JSGUARD_LOAD" "${options[@]}" --persist
first=$spawned
first_monitors() { grep -q '^monitoring ' "$work/first.err"; }
wait_for "$patience_s" first_monitors || die "the first loader does not start"
reports_unread first && fail "status reports that nobody reads, while a loader does"
spawn flood "$CONNECT_FLOOD" --rate 100 "127.0.0.1:$port"
flood=$spawned
# The flood has no open requests, so connections are held for a short time: learning needs them. The attacks come later,
# so they are not learned.
first_learned() { grep -q ": learned its baseline" "$work/first.err"; }
for ((i = 0; i < 10; i++)); do
    hold 10
    if wait_for 2 first_learned; then break; fi
    let_go
done
let_go
wait_for "$patience_s" first_learned || die "the first loader does not learn: $(cat "$work/first.err")"
stop "$first" INT
wait "$first" || die "the first loader fails"
[[ -d $pin_dir/persist ]] || die "no detector remains after the first loader"
reports_unread after_first || fail "status does not report that nobody reads"

say "$kills loaders are killed"
: >"$work/detector.out"
joined=0
began_or_ended() { grep -q '^monitoring ' "$work/loader.err" || gone "$loader"; }
for ((i = 1; i <= kills; i++)); do
    case $((i % 12)) in
    3) hold 60 ;;
    9) let_go ;;
    esac
    "$JSGUARD_LOAD" "${options[@]}" --persist >>"$work/detector.out" 2>"$work/loader.err" &
    loader=$!
    # On a busy machine no loader might begin within two seconds, so every fourth one gets the time.
    if ((i % 4 == 0)); then wait_for "$patience_s" began_or_ended || fail "loader $i does not start"; fi
    sleep "$((RANDOM % 2)).$(printf %03d $((RANDOM % 1000)))"
    kill -KILL "$loader" 2>/dev/null || fail "loader $i had ended by itself: $(cat "$work/loader.err")"
    wait "$loader" 2>/dev/null || true
    if grep -q 'is replaced' "$work/loader.err"; then fail "loader $i: $(head -n 1 "$work/loader.err")"; fi
    if grep -q '^monitoring ' "$work/loader.err"; then joined=$((joined + 1)); fi
done
let_go
say "$joined of them had begun to monitor"
((joined >= kills / 4)) || fail "only $joined of the loaders had begun to monitor"
stop "$flood" INT

say "the last loader prints the alerts that were kept"
quiet() { [[ $(dump_map services | jq -r 'select(.value.port > 0) | .value.alerts[].state' | sort -u) == JSG_QUIET ]]; }
wait_for 30 quiet || fail "an alert does not clear"
"$JSGUARD_LOAD" "${options[@]}" --persist --duration 2 >>"$work/detector.out" 2>"$work/last.err" ||
    fail "the last loader fails: $(cat "$work/last.err")"

check_alert_lines
raised=$(alerts_raised)
say "$raised alerts raised, $(count_events raise) raises and $(count_events clear) clears delivered"
((raised > 0 && raised >= kills / 25)) || fail "only $raised alerts in the whole run: nothing to deliver"
(($(count_events raise) == raised)) || fail "raised $raised times, delivered $(count_events raise)"
(($(count_events clear) == raised)) || fail "cleared $raised times, delivered $(count_events clear)"
[[ $(alerts .timestamp) == "$(alerts .timestamp | sort)" ]] || fail "alerts are not in order"

count=$(accepted)
((count == $(flooded) + held_count)) ||
    fail "$count connections counted, $(flooded) flooded and $held_count held were accepted"
dump_map windows | jq -s --argjson port "$port" '[.[].value | select(.port == $port)] | sort_by(.sequence)' >"$work/windows.json"
jq -e '[.[].sequence] == [range(1; length + 1)]' "$work/windows.json" >/dev/null ||
    fail "windows are missing: $(jq -c '[.[].sequence]' "$work/windows.json")"
say "$(jq length "$work/windows.json") windows in a row, $count connections counted"
jq -e '[.[].end_ns] | [.[1:], .[:-1]] | transpose | map(.[0] - .[1]) | max < 2000000000' "$work/windows.json" >/dev/null ||
    fail "a window came late: $(jq -c '[.[].end_ns] | [.[1:], .[:-1]] | transpose | map((.[0] - .[1]) / 1e9) | max' "$work/windows.json") s"
lost=$(dump_map stats | jq '.value | .alerts_lost + .windows_lost + .sockets_untracked')
((lost == 0)) || fail "$lost alerts, windows or sockets were lost"

say "--unload takes out the detector, and nothing remains"
"$JSGUARD_LOAD" --pin-dir "$pin_dir" --unload >"$work/unload.out" 2>"$work/unload.err" || fail "--unload fails"
grep -q '^took out the detector' "$work/unload.err" || fail "--unload prints: $(cat "$work/unload.err")"
[[ ! -e $pin_dir ]] || fail "the pins remain"
status=0
"$JSGUARD_LOAD" --pin-dir "$pin_dir" --unload >"$work/unload.out" 2>"$work/unload.err" || status=$?
((status == 1)) || fail "--unload without a detector: exit code $status"
stop "$backend"
finish
