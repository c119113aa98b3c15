#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A test for a guest: a CPU goes offline and comes back, and the clock is set forward and back. The detector still counts
# every transition.

# shellcheck source=../system/servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/../system/servers.sh"

readonly learn_s=20
readonly cpu=/sys/devices/system/cpu/cpu1/online

need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light
# This test sets the clock and takes a CPU offline, so it must not run on a host.
[[ $(systemd-detect-virt --vm 2>/dev/null) == qemu && -e /run/out/.guest ]] || skip "only in a guest of boot.sh"
[[ -e $cpu ]] || skip "CPU 1 cannot be taken offline here"
system_begin
take_ports
readonly monitored_port=$first_port
new_namespaces

# A clock that the test does not set, for waiting.
now_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }

last_window() { dump_map windows | jq -s 'map(.value.sequence) | max // 0'; }
windows_beyond() { (($(last_window) >= $1)); }

# windows NUMBER WHEN: waits until that many more windows are closed.
windows() {
    local wanted=$(($(last_window) + $1))
    wait_for $(($1 + patience_s)) windows_beyond "$wanted" || die "$2: windows do not advance"
}
learned() { grep -q "learned its baseline" "$work/detector.err"; }
set_clock() { date -s "@$(($(date +%s) + $1))" >/dev/null; }

# Makes one connection after the other until SIGTERM, and prints their number. Each connection is in its request for 1 s,
# so that the detector has something to learn, and then gets its whole answer.
# shellcheck disable=SC2016
readonly visit='
    trap "stop=1" TERM
    while [[ -z ${stop:-} ]]; do
        exec 3<>"/dev/tcp/$0/$1" || exit
        sleep 1
        printf "GET / HTTP/1.0\r\n\r\n" >&3
        cat <&3 >/dev/null
        exec 3>&-
        ((++made))
    done
    echo "$made"'

make_site
start_nginx "$monitored_port"
start_detector --json --timestamp --learn "$learn_s" --localport "$monitored_port"
visitors=()
for number in 0 1 2 3; do
    spawn "visitor$number" "${in_client[@]}" taskset --cpu-list "$((number % 2))" bash -c "$visit" "$honest_address" "$monitored_port"
    visitors+=("$spawned")
done
wait_for $((learn_s + patience_s)) learned || die "the detector has not learned"

say "CPU 1 goes offline, and comes back"
echo 0 >"$cpu"
windows 12 "without CPU 1"
echo 1 >"$cpu"
windows 5 "with CPU 1 again"

say "the clock is set one hour forward, two hours back, and right again"
set_clock 3600
windows 6 "with the clock an hour fast"
set_clock -7200
windows 6 "with the clock an hour slow"
set_clock 3600
windows 3 "with the right clock"

for visitor in "${visitors[@]}"; do kill -TERM "$visitor"; done
for visitor in "${visitors[@]}"; do wait_for "$patience_s" gone "$visitor" || die "a visitor does not end"; done
windows 3 "without visitors"
made=$(cat "$work"/visitor?.out | paste -sd +)
made=$((made))

# --- the results -----------------------------------------------------------------------------

# The cells of the service that are not 0, summed over all CPUs.
bpftool -j map dump pinned "$pin_dir/counters" |
    jq -c '.[] | .formatted | select(.key == 1) | [.values[].value.transitions] | transpose | map(add) |
        to_entries | map(select(.value > 0) | {key: "\(.key / 14 | floor)->\(.key % 14)", value}) | from_entries' \
        >"$work/counted.json"
dump_map windows | jq -c -s 'map(.value) | sort_by(.sequence)' >"$work/windows.json"
dump_map stats | jq -c .value >"$work/stats.json"

say "$made connections were made; counted: $(<"$work/counted.json")"
((made > 50)) || fail "too few connections were made"
# LISTEN 10, SYN_RECV 3, ESTABLISHED 1, FIN_WAIT1 4, FIN_WAIT2 5, CLOSE 7: the server closes first.
jq -e --argjson made "$made" '. == (["10->3", "3->1", "1->4", "4->5", "5->7"] | map({(.): $made}) | add)' \
    "$work/counted.json" >/dev/null || fail "not each transition of each connection is counted once"

jq -e --argjson counted "$(jq add "$work/counted.json")" '.transitions == $counted' "$work/stats.json" >/dev/null ||
    fail "the windows counted a different number of transitions: $(<"$work/stats.json")"
jq -e '[.alerts, .alerts_lost, .windows_lost, .sockets_untracked, .unknown_states, .services_refused] | add == 0' \
    "$work/stats.json" >/dev/null || fail "there was an alert or a loss: $(<"$work/stats.json")"

jq -e '[.[].sequence] == [range(.[0].sequence; .[-1].sequence + 1)] and .[0].sequence == 1' \
    "$work/windows.json" >/dev/null || fail "the windows' numbers are not consecutive"
# Each step takes 1 s by CLOCK_MONOTONIC, which cannot be set. Late steps are counted.
# shellcheck disable=SC2016
jq -e --argjson late "$(jq .steps_late "$work/stats.json")" '
    ((.[-1].end_ns - .[0].end_ns) / 1e9 | round) == length - 1 + $late' "$work/windows.json" >/dev/null ||
    fail "the number of windows is not the number of seconds"
# The windows have the times of the wall clock. It went forward by an hour twice, and back by two hours once.
jq -e '[.[1:], .[:-1]] | transpose | map(.[0].end_unix_ms - .[1].end_unix_ms | . / 1000 | round) |
    [(map(select(. > 1800)) | length), (map(select(. < -1800)) | length)] == [2, 1]' "$work/windows.json" >/dev/null ||
    fail "the windows' times do not follow the clock"

[[ ! -s $work/detector.out ]] || fail "an alert: $(<"$work/detector.out")"
stop_detector INT
((detector_status == 0)) || fail "the detector's exit code is $detector_status"
tail -n 1 "$work/detector.err"
say "windows $(jq length "$work/windows.json"), the longest step $(jq '[.[1:], .[:-1]] | transpose |
    map(.[0].end_ns - .[1].end_ns) | max / 1e6 | round' "$work/windows.json") ms; $(<"$work/stats.json")"
finish
