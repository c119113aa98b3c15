#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A short system test for a guest: nginx, a few honest visitors, and slowhttptest cause one alert, which then clears.

# shellcheck source=../system/servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/../system/servers.sh"

readonly learn_s=25 quiet_s=10 attack_s=40 connections=60 raise_within_s=40 clear_within_s=60

need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light slowhttptest slowhttptest
system_begin
take_ports
readonly monitored_port=$first_port
new_namespaces

learned() { grep -q "learned its baseline" "$work/detector.err"; }
happened() { (($(count_events "$1") > 0)); }
seconds_since() { echo "$((($(now_ms) - $1 + 500) / 1000))"; }

make_site
start_nginx "$monitored_port"
start_visits short short "$monitored_port" --rate 5 --burst 0
start_detector --json --learn "$learn_s" --localport "$monitored_port"
wait_for $((learn_s + patience_s)) learned || die "the detector has not learned"
sleep "$quiet_s"
[[ ! -s $work/detector.out ]] || die "an alert without an attack"

began=$(now_ms)
start_attack H "$monitored_port" "$attack_s" -c "$connections" -r 30
readonly attack=$spawned
wait_for "$raise_within_s" happened raise || die "no alert within $raise_within_s s"
echo "figure raised_s $(seconds_since "$began")"
wait_for $((attack_s + patience_s)) gone "$attack" || die "slowhttptest does not end"
ended=$(now_ms)
wait_for "$clear_within_s" happened clear || die "the alert did not clear within $clear_within_s s"
echo "figure cleared_s $(seconds_since "$ended")"

check_alert_lines
# shellcheck disable=SC2016
[[ $(alerts 'select(.jsguard.port == $port) | .jsguard.event' --argjson port "$monitored_port" | xargs) == "raise clear" ]] ||
    fail "expected one raise and its clear, got: $(<"$work/detector.out")"
stop_detector INT
((detector_status == 0)) || fail "the detector's exit code is $detector_status"
tail -n 1 "$work/detector.err"
finish
