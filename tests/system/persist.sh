#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A detector that stays in the kernel: its loader is killed again and again under load, and nothing is lost.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: persist.sh [--kills NUMBER]
Kills jsguard-load --persist so often (100) while connections come, are held and go: every fourth time once it monitors,
else at any moment.
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
# LISTEN->SYN_RECV, as kernel/jsguard.h numbers the cells.
readonly accepted_cell=$((10 * 14 + 3))

at_end+=(take_out)
take_out() { [[ ! -d $pin_dir ]] || "$JSGUARD_LOAD" --pin-dir "$pin_dir" --unload >/dev/null 2>&1; }

accepted() {
    bpftool -j map dump pinned "$pin_dir/counters" |
        jq "[.[].formatted.values[].value.transitions[$accepted_cell]] | add"
}
alerts_raised() { dump_map stats | jq .value.alerts; }
# What status says goes to NAME.out; in a PID namespace of its own it could not tell.
says_unread() {
    "$JSGUARD" status --pin-dir "$pin_dir" >"$work/$1.out" || (($? == 10)) || die "status fails"
    grep -q '^no jsguard-load reads its alerts' "$work/$1.out"
}
flooded() { awk '{ print $1 }' "$work/flood.out"; }
holds() { grep -q held "$work/hold.out"; }

# A server, visitors all the time, and now and then an attack that comes and goes.
spawn server "$SLOW_BACKEND" "$port"
backend=$spawned
held_count=0
# hold NUMBER: so many connections are held, until let_go.
hold() {
    spawn hold "$here/hold_connections.sh" 127.0.0.1 "$port" "$1"
    held=$spawned
    held_count=$((held_count + $1))
    wait_for "$patience_s" holds || die "no connections to be held"
}
let_go() { stop "$held"; }

say "one loader begins, learns, and ends"
spawn first env --default-signal=INT "$JSGUARD_LOAD" "${options[@]}" --persist
first=$spawned
first_monitors() { grep -q '^monitoring ' "$work/first.err"; }
wait_for "$patience_s" first_monitors || die "it does not start"
says_unread first && fail "status says that nobody reads, while a loader does"
spawn flood "$CONNECT_FLOOD" --rate 100 "127.0.0.1:$port"
flood=$spawned
# Enough to learn from: the flood has no open requests. What is learned before an attack does not contain it.
first_learned() { grep -q ": learned its baseline" "$work/first.err"; }
for ((i = 0; i < 10; i++)); do
    hold 10
    if wait_for 2 first_learned; then break; fi
    let_go
done
let_go
wait_for "$patience_s" first_learned || die "it does not learn: $(cat "$work/first.err")"
stop "$first" INT
wait "$first" || die "it fails"
[[ -d $pin_dir/persist ]] || die "nothing stays when it ends"
says_unread after_first || fail "status does not say that nobody reads"

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
    # On a busy machine two seconds may be too few for any of them.
    if ((i % 4 == 0)); then wait_for "$patience_s" began_or_ended || fail "loader $i does not begin"; fi
    sleep "$((RANDOM % 2)).$(printf %03d $((RANDOM % 1000)))"
    kill -KILL "$loader" 2>/dev/null || fail "loader $i had ended by itself: $(cat "$work/loader.err")"
    wait "$loader" 2>/dev/null || true
    if grep -q 'is replaced' "$work/loader.err"; then fail "loader $i: $(head -n 1 "$work/loader.err")"; fi
    if grep -q '^monitoring ' "$work/loader.err"; then joined=$((joined + 1)); fi
done
let_go
say "$joined of them had begun to monitor"
((joined >= kills / 4)) || fail "only $joined of the loaders came so far"
stop "$flood" INT

say "the last loader takes what was kept"
quiet() { [[ $(dump_map services | jq -r 'select(.value.port > 0) | .value.alerts[].state' | sort -u) == JSG_QUIET ]]; }
wait_for 30 quiet || fail "an alert stays up"
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

say "taken out, nothing stays"
"$JSGUARD_LOAD" --pin-dir "$pin_dir" --unload >"$work/unload.out" 2>"$work/unload.err" || fail "--unload fails"
grep -q '^took out the detector' "$work/unload.err" || fail "--unload says: $(cat "$work/unload.err")"
[[ ! -e $pin_dir ]] || fail "the pins stay"
status=0
"$JSGUARD_LOAD" --pin-dir "$pin_dir" --unload >"$work/unload.out" 2>"$work/unload.err" || status=$?
((status == 1)) || fail "--unload of nothing: exit code $status"
stop "$backend"
finish
