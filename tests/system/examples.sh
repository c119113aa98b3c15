#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The examples of docs/alerts.md with a real alert: a command, an nftables set, and fail2ban.

# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_root_and_bpf
need ip iproute2 nft nftables fail2ban-server fail2ban nginx nginx-light
system_begin
take_ports
examples=$(realpath "$here/../../docs/examples")
readonly port=$first_port examples
readonly server_ns=jsg-examples-server-$$ client_ns=jsg-examples-client-$$
readonly in_server=(ip netns exec "$server_ns") in_client=(ip netns exec "$client_ns")
# The client has one address in each of three networks, so that attacker, proxy and visitor are different sources.
readonly server4=198.51.100.1 attacker4=198.51.100.2
readonly server_of_proxy=198.51.101.1 proxy=198.51.101.2
readonly server_of_visitor=198.51.102.1 visitor=198.51.102.2
readonly server6=2001:db8:a::1 attacker6=2001:db8:a::2 attacker6_net=2001:db8:a::/64
# Attacked addresses, and the sources of the attack. make_namespaces adds IPv6 if the kernel has it.
attacked=("$server4") attackers=("$attacker4")

# --- two namespaces, a server, an alert ----------------------------------------------------------

remove_namespaces() {
    local ns
    for ns in "$server_ns" "$client_ns"; do ip netns del "$ns" 2>/dev/null; done
}
make_namespaces() {
    local pair
    ip netns add "$server_ns" 2>/dev/null || skip "network namespaces are not permitted here"
    at_end+=(remove_namespaces)
    ip netns add "$client_ns"
    ip -n "$server_ns" link add wire type veth peer name wire netns "$client_ns"
    for pair in "$server4 $attacker4" "$server_of_proxy $proxy" "$server_of_visitor $visitor"; do
        ip -n "$server_ns" address add "${pair% *}/24" dev wire
        ip -n "$client_ns" address add "${pair#* }/24" dev wire
    done
    if ip -n "$server_ns" address add "$server6/64" dev wire nodad 2>"$work/ipv6.log" &&
        ip -n "$client_ns" address add "$attacker6/64" dev wire nodad 2>"$work/ipv6.log"; then
        attacked+=("$server6") attackers+=("$attacker6_net")
    else
        say "SKIP: the checks with IPv6, because this kernel does not have it: $(<"$work/ipv6.log")"
    fi
    for pair in "$server_ns" "$client_ns"; do
        ip -n "$pair" link set lo up
        ip -n "$pair" link set wire up
    done
}
with_ipv6() { ((${#attacked[@]} == 2)); }
start_server() {
    local listen="listen $port;"
    if with_ipv6; then listen+=" listen [::]:$port ipv6only=on;"; fi
    cat >"$work/nginx.conf" <<END
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
events { worker_connections 4096; }
http {
    access_log off;
    client_header_timeout 120s;
    server { $listen return 200 "page\n"; }
}
END
    spawn nginx "${in_server[@]}" nginx -p "$work" -c "$work/nginx.conf"
}
# answers ADDRESS: whether the server answers at this address. The request comes from the client's address in that network.
answers() {
    # shellcheck disable=SC2016
    "${in_client[@]}" timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\n\r\n" >&3 &&
        grep -q ^page <&3' "$1" "$port" 2>/dev/null
}
all_answer() {
    local address
    for address in "${attacked[@]}"; do answers "$address" || return; done
}
none_answers() {
    local address
    for address in "${attacked[@]}"; do if answers "$address"; then return 1; fi; done
}

# hold ADDRESS NUMBER: holds connections to the server at this address. The PID goes to $held.
hold() {
    spawn "hold$RANDOM" "${in_client[@]}" "$here/hold_connections.sh" "$1" "$port" "$2"
    held+=("$spawned")
}
held=()
raised() { (($(count_events raise) > 0)); }
cleared() { (($(count_events clear) > 0)); }

make_namespaces
start_server
wait_for "$patience_s" answers "$server4" || die "the server does not answer"
start_detector --netns "/run/netns/$server_ns" --localport "$port" --learn 4 --window 4 --confirm 3 --clear 1 --json
judged() { (($(services_judged) == 1)); }
wait_for 20 judged || die "the detector does not monitor"
hold "$server4" 500
if with_ipv6; then hold "$server6" 400; fi
hold "$server_of_proxy" 400
hold "$server_of_visitor" 5
wait_for 40 raised || die "no alert"
for pid in "${held[@]}"; do stop "$pid"; done
wait_for 40 cleared || die "the alert does not clear"
stop_detector INT
check_alert_lines
readonly alerts=$work/detector.out
alerts '"  raised: \(.jsguard.sources) sources, \(.jsguard.top_sources | map("\(.addr) \(.sockets)") | join(", "))"' | head -n 1

# --- a command -----------------------------------------------------------------------------------

say "a command gets the figures of the alert, and its arguments remain data"
# shellcheck disable=SC2016
printf '#!/bin/bash\nprintf "%%s\\n" "$JSGUARD_EVENT $JSGUARD_PORT $JSGUARD_TOP_SOURCE $JSGUARD_NETNS" "$@" >>"$0.out"\nprintf "%%s\\n" "$JSGUARD_JSON" >>"$0.json"\n' \
    >"$work/command"
chmod +x "$work/command"
# shellcheck disable=SC2016
readonly odd=('$(touch broken)' '; touch broken' 'a  b' '"`touch broken`' '*' '-n')
{
    echo "no JSON"
    cat "$alerts"
    # The host name comes from outside. Entries of the journal have the alert in a field. The last entry is not an alert.
    jq -c 'select(.jsguard.event == "raise") | .hostname = "$(touch broken)\n; touch broken"
        | {JSGUARD_JSON: tojson, MESSAGE: "ALERT"}' "$alerts"
    echo '{"MESSAGE":"monitoring every port with an accepted connection","JSGUARD_EVENT":"start"}'
} >"$work/lines"
status=0
(cd "$work" && "$examples/on_alert.sh" "$work/command" "${odd[@]}" <lines 2>on_alert.err) || status=$?
((status == 1)) || fail "a line that is not JSON: exit code $status"
grep -q "not a line of jsguard-load --json: no JSON" "$work/on_alert.err" || fail "on_alert.sh does not report the odd line"
expected() {
    local event
    # shellcheck disable=SC2016
    for event in raise clear raise; do
        alerts 'select(.jsguard.event == $event) | .jsguard
            | "\(.event) \(.port) \(.top_sources[0].addr // "") \(.netns)"' --arg event "$event"
        printf '%s\n' "${odd[@]}"
    done
}
diff <(expected) "$work/command.out" || fail "the command got other variables or arguments"
cmp -s <(jq -cS . "$alerts") <(head -n 2 "$work/command.json" | jq -cS .) || fail "JSGUARD_JSON is not the alert"
[[ ! -e $work/broken ]] || fail "a shell ran a part of the data"

# --- an nftables set -----------------------------------------------------------------------------

say "the operator's nftables rule refuses only the sources that hold many connections"
readonly lives_s=15 # lifetime of an entry in the set; the checks below take less, even beside other tests
sed "s/127.0.0.0\/8/&, $proxy/" "$examples/nft_sources.nft" >"$work/sources.nft"
"${in_server[@]}" nft -f "$work/sources.nft" || die "nft does not load the table"
in_set() { "${in_server[@]}" nft -j list set inet jsguard_sources "$1" | jq -e '[.nftables[].set.elem? // empty] | length > 0' >/dev/null; }
"${in_server[@]}" "$examples/nft_sources.sh" --timeout "$lives_s" --share 10 --sockets 20 <"$alerts" >"$work/nft.out" || fail "nft_sources.sh fails"
added=$(now_ms)
for address in "${attacked[@]}"; do
    answers "$address" && fail "the attacker is not refused at $address"
done
answers "$server_of_proxy" || fail "a source on the allow list is refused"
answers "$server_of_visitor" || fail "a source that holds 5 connections is refused"
(($(now_ms) - added < lives_s * 1000)) || fail "the checks took longer than the lifetime of the entries"
grep -qF "refused4 { $attacker4 . $port timeout ${lives_s}s }" "$work/nft.out" || fail "not added: $attacker4"
! with_ipv6 || grep -qF "refused6 { $attacker6_net . $port timeout ${lives_s}s }" "$work/nft.out" || fail "not added: the 64 bits of $attacker6"
! grep -qF "$visitor" "$work/nft.out" || fail "$visitor was added"
wait_for $((lives_s + patience_s)) all_answer || fail "the entries of ${attackers[*]} do not time out"
! in_set refused4 || fail "the set has kept its entry"
"${in_server[@]}" "$examples/nft_sources.sh" --share 90 <"$alerts" >"$work/nft.out"
"${in_server[@]}" "$examples/nft_sources.sh" --sockets 1000 <"$alerts" >>"$work/nft.out"
grep -F '"clear"' "$alerts" | "${in_server[@]}" "$examples/nft_sources.sh" --share 0 --sockets 0 >>"$work/nft.out"
[[ ! -s $work/nft.out ]] || fail "nft_sources.sh added entries below the limits, or at a clear: $(cat "$work/nft.out")"

# --- fail2ban ------------------------------------------------------------------------------------

say "fail2ban bans the top source of a raise, and lifts the ban"
# with_one_source ADDRESS: the raise, changed so that all connections in deviating cells come from this source.
with_one_source() {
    # shellcheck disable=SC2016
    alerts 'select(.jsguard.event == "raise") | .jsguard |= (.top_sources |= map(select(.addr == $only))
        | .top_sources[0].sockets = .source_sockets | .top_source_share = 1)' -c --arg only "$1"
}
matched() { fail2ban-regex -o '<ip>' "$1" "$examples/fail2ban/filter.d/jsguard.conf"; }
for address in "${attackers[@]}"; do with_one_source "$address"; done >"$work/one.json"
grep -F '"clear"' "$alerts" >>"$work/one.json"
[[ $(matched "$work/one.json" | xargs) == "${attackers[*]}" ]] || fail "fail2ban-regex finds \"$(matched "$work/one.json")\""
# With three attackers no source has half of the connections.
! with_ipv6 || [[ -z $(matched "$alerts") ]] || fail "a source without half of the connections is matched"
{
    echo "ALERT port 80: occupancy 0.7 bits from normal (threshold 0.12, significance bound 0.1): requests stalled, all 70 from 1 source, 192.0.2.1; 7"
    echo "ALERT port 80: occupancy 0.7 bits from normal (threshold 0.12, significance bound 0.1): requests stalled, 99 spread over 2 sources, 192.0.2.2 has 70 of them; 7"
    echo "2026-01-02T03:04:05.678+00:00 web1 jsguard[7]: ALERT port 80: occupancy 0.7 bits: requests stalled, all 70 from 1 source, 192.0.2.3; 7"
    echo "2026-01-02T03:04:05.678+00:00 web1 jsguard[7]: @cee: $(head -n 1 "$work/one.json")"
    # In the next lines the source has too few connections, or the line is not from jsguard.
    echo "ALERT port 80: occupancy 0.7 bits from normal (threshold 0.12, significance bound 0.1): requests stalled, 990 spread over 9 sources, 192.0.2.4 has 70 of them; 7"
    echo "ALERT port 80: occupancy 0.7 bits from normal (threshold 0.12, significance bound 0.1): requests stalled, all 49 from 1 source, 192.0.2.5; 7"
    echo "2026-01-02T03:04:05.678+00:00 web1 app[7]: ALERT port 80: occupancy 0.7 bits: requests stalled, all 70 from 1 source, 192.0.2.6; 7"
    echo "2026-01-02T03:04:05.678+00:00 web1 app[7]: $(head -n 1 "$work/one.json")"
} >"$work/log"
[[ $(matched "$work/log" | xargs) == "192.0.2.1 192.0.2.2 192.0.2.3 $attacker4" ]] ||
    fail "in the lines of a log fail2ban-regex finds \"$(matched "$work/log" | xargs)\""

cp -r /etc/fail2ban "$work/fail2ban"
# The configuration of this machine must not change the result.
rm -rf "$work"/fail2ban/{jail.local,fail2ban.local,jail.d/*,fail2ban.d/*}
cp -r "$examples"/fail2ban/* "$work/fail2ban/"
# By now the alert is older than the findtime of the example, so the test sets a longer one.
printf '[jsguard]\nenabled = true\nfindtime = 600\nlogpath = %s\nport = %s\n' "$work/one.json" "$port" >"$work/fail2ban/jail.d/jsguard.local"
printf '[Definition]\nsocket = %s\npidfile = %s\ndbfile = %s\nlogtarget = %s\n' "$work/fail2ban.sock" \
    "$work/fail2ban.pid" "$work/fail2ban.db" "$work/fail2ban.log" >"$work/fail2ban/fail2ban.local"
all_answer || fail "refused before the ban"
spawn fail2ban "${in_server[@]}" fail2ban-server -f -c "$work/fail2ban" start
fail2ban_pid=$spawned
wait_for 30 none_answers || {
    fail "fail2ban does not ban ${attackers[*]}"
    show_log fail2ban.log
}
answers "$server_of_visitor" || fail "fail2ban bans another source"
stop "$fail2ban_pid"
all_answer || fail "the bans are not lifted when fail2ban ends"
! grep -E "ERROR|CRITICAL" "$work/fail2ban.log" || fail "fail2ban logs errors"

finish
