#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The demonstration: nginx under honest load, the detector, a slowhttptest attack, the alert, the clear.

# shellcheck source=servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

readonly learn_s=30 quiet_s=10 attack_s=30 raise_within_s=20 clear_within_s=60

explain() { printf '\n%s\n' "$*"; }
# has_lines NUMBER: whether the detector has printed that many alerts and clears.
has_lines() { [[ $(wc -l <"$work/detector.out") -ge $1 ]]; }
# show_line NUMBER: prints this line of the detector, indented.
show_line() { sed -n "$1{s/^/    /p}" "$work/detector.out"; }
learned() { grep -q "learned its baseline" "$work/detector.err"; }
busy() { (($(connections) >= 100)); }
connections() { sockets "$@" | awk -v port="$monitored_port" '$1 == port { n = $2 } END { print n + 0 }'; }

# answer: the first line of the server's answer to an honest visitor.
# shellcheck disable=SC2016
answer() {
    "${in_client[@]}" timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"
        printf "GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n" >&3
        head -n 1 <&3' "$honest_address" "$monitored_port" 2>/dev/null || echo "(no answer)"
}

need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light slowhttptest slowhttptest
system_begin
take_ports
readonly monitored_port=$first_port
new_namespaces

explain "1. nginx serves port $monitored_port in its own network namespace. Honest visitors come from a second
   one: 40 short connections a second (pages, downloads, aborts, bursts), and 20 a second that
   behave like browsers and then remain open and idle (keep-alive)."
make_site
start_nginx "$monitored_port"
start_honest short short "$monitored_port"
start_honest browsers browsers "$monitored_port"
wait_for 20 busy || die "the visitors cannot connect"

explain "2. The detector learns for $learn_s s what is normal on this port:
   jsguard-load --threshold 0.12 --learn $learn_s --localport $monitored_port"
start_detector --timestamp --threshold 0.12 --learn "$learn_s" --localport "$monitored_port"
wait_for $((learn_s + 10)) learned || die "the detector has not learned"
sleep "$quiet_s"
has_lines 1 && {
    show_line 1
    die "an alert without an attack"
}
echo "   Learned. $quiet_s s monitoring with $(connections) connections open: no alert."

explain "3. A Slowloris attack from a third namespace: slowhttptest -H, 500 connections at 100 a second."
start_attack H "$monitored_port" "$attack_s"
attack=$spawned
began=$(now_ms)
wait_for "$raise_within_s" has_lines 1 || die "no alert within $raise_within_s s"
explain "4. The alert, $((($(now_ms) - began) / 1000)) s after the attack's start:"
show_line 1
echo "   $(connections) connections are open, $(connections dst "$attacker") of them from the attacker. The server still answers an honest request:"
answer | tr -d '\r' | sed 's/^/    /'

explain "5. The attack goes on until $attack_s s are over. Then the alert clears by itself."
wait_for $((attack_s + 20)) gone "$attack" || die "slowhttptest does not end"
has_lines 2 && die "the alert cleared before the attack was over"
ended=$(now_ms)
wait_for "$clear_within_s" has_lines 2 || die "the alert did not clear within $clear_within_s s"
show_line 2
echo "   Cleared $((($(now_ms) - ended) / 1000)) s after the attack."

explain "6. Ctrl-C ends the detector:"
stop_detector INT
tail -n 1 "$work/detector.err" | sed 's/^/    /'
((detector_status == 0)) || die "the detector's exit code is $detector_status"
