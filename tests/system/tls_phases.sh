#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The phases of TLS and HTTP/2 connections that stop at a chosen point.
#
# The test has a real nginx, tls-client with one mode on each port, and a detector that only learns. All modes run at the
# same time. Each row below must be true in every window of the observed time. The rows called "misread" are the known
# misreadings that docs/limits.md lists.

# shellcheck source=servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

readonly count=30
readonly rate=15    # new connections a second: nginx keeps up, and sends that are 50 ms apart remain so
readonly settle_s=4 # after the last connection is open: a step for the sample, one for the record, and two to spare
readonly watch_s=15

listens_on=() # arguments of start_nginx
clients=()    # "PORT MODE OPTIONS..."
ports=()

# row NAME EXPECTED KIND MODE [OPTIONS...]: nginx speaks KIND on this port, ssl or http2. EXPECTED is the phase of all
# connections, or the phases that they may be in (idle|waiting). A number is the minimum in this phase
# (waiting:20|request). "gone" means that no connection is left. "other" is response, closing and half closed together.
row() {
    local port=$((first_port + ${#ports[@]}))
    ports+=("$port")
    listens_on+=("$port:$3")
    clients+=("$port ${*:4}")
    jq -nc --argjson port "$port" --arg name "$1" --arg expected "$2" --arg reading "$reading" \
        '{$port, $name, $expected, $reading}' >>"$work/rows.json"
}

# Some rows allow several phases. The phase depends on these conditions:
# - The last bytes of both sides fall into one jiffy (idle) or not (waiting).
# - A sample falls between them (request).
# - With TLS 1.3, nginx sends its session tickets before or after the data that follows the handshake. The same applies to
#   its SETTINGS.
rows() {
    reading=right
    row "nothing sent" request ssl silent
    row "half a ClientHello" request ssl half-hello
    row "half a head 2.5 s after the handshake" request ssl head --pause 2500
    row "head trickled" request ssl head --every 2
    row "answered" idle ssl answered
    row "answered, close_notify" gone ssl goodbye
    row "half a head, close_notify" gone ssl head-goodbye
    row "answered, FIN" gone ssl half-closed
    # A sample may fall between a PING and its answer.
    row "h2 answered, PING each second" "idle:25|waiting|request" http2 h2-ping --every 1
    row "h2 head trickled" request http2 h2-head --every 2
    row "h2 body trickled" request http2 h2-body --path /upload --every 2

    reading=misread
    row "ClientHello only, TLS 1.3" idle ssl hello
    row "ClientHello only, TLS 1.2" idle ssl hello --tls 1.2
    row "whole handshake, TLS 1.3" idle ssl handshake
    row "whole handshake, TLS 1.2" idle ssl handshake --tls 1.2
    row "half a head with the handshake, TLS 1.3" "idle:15|waiting" ssl head
    row "half a head with the handshake, TLS 1.2" "idle|waiting" ssl head --tls 1.2
    row "half a head 100 ms after the handshake" "waiting:15|request|idle" ssl head --pause 100
    row "h2 preface only" "idle|waiting" http2 h2-preface
    row "h2 preface only, SETTINGS not acknowledged" "idle:15|waiting" http2 h2-preface --no-ack
    row "h2 answered, WINDOW_UPDATE at once" "idle|waiting" http2 h2-answered
    row "h2 answered, WINDOW_UPDATE 50 ms later" "waiting:15|request" http2 h2-answered --trail 50
    row "h2 answered, WINDOW_UPDATE 2.5 s later" request http2 h2-answered --trail 2500
    row "h2 half a head" "idle:15|waiting" http2 h2-head
    row "h2 body announced" "idle|waiting" http2 h2-body --path /upload
    row "h2 body announced, SETTINGS not acknowledged" "idle:15|waiting" http2 h2-body --path /upload --no-ack
    row "h2 window of 0" "idle|waiting" http2 h2-window --path /huge.bin
    row "h2 window of 0, SETTINGS not acknowledged" idle http2 h2-window --path /huge.bin --no-ack
    row "h2 window of 0, a byte each 2 s" "idle:20|request|waiting" http2 h2-window --path /huge.bin --every 2
}

start_clients() {
    local client port mode options
    for client in "${clients[@]}"; do
        read -r port mode options <<<"$client"
        # shellcheck disable=SC2086 # each word is an option
        start_tls_client "client-$port" "$mode" "$client_ns" "$honest_address:$port" --count "$count" \
            --rate "$rate" $options
    done
}

all_are_in() {
    local port
    for port in "${ports[@]}"; do grep -q '^all ' "$work/client-$port.out" || return 1; done
}

# judge: prints the range of each phase over the windows from $from_ms to $to_ms, for each row. It fails with a sentence if
# a window is not as expected.
judge() {
    # shellcheck disable=SC2016
    dump_map windows | jq -c .value | jq -c --slurpfile rows "$work/rows.json" --argjson count "$count" \
        --argjson from "$from_ms" --argjson to "$to_ms" --argjson minimum $((watch_s - 2)) -n '
        def phases: {idle: .idle_sockets, waiting: .waiting_sockets, request: .open_requests,
                     other: (.sockets - .idle_sockets - .waiting_sockets - .open_requests)};
        [inputs | select(.end_unix_ms > $from and .end_unix_ms <= $to)] as $windows
        | $rows[] as $row
        | [$windows[] | select(.port == $row.port) | phases] as $seen
        | (if $row.expected == "gone" then {}
           else $row.expected | split("|") | map(split(":") | {key: .[0], value: (.[1] // "0" | tonumber)})
                | from_entries end) as $allowed
        | (if $row.expected == "gone" then 0 else $count end) as $all
        | $row + {
            ranges: (["idle", "waiting", "request", "other"]
                     | map(. as $phase | $seen | map(.[$phase]) | "\(min)..\(max)")),
            failure: (if $seen | length < $minimum then "only \($seen | length) windows"
                      elif $seen | any(add != $all) then "not \($all) connections"
                      elif [$seen[] | to_entries[] | .value > 0 and (.key | in($allowed) | not)] | any
                      then "not \($row.expected)"
                      elif [$seen[] as $s | $allowed | to_entries[] | $s[.key] < .value] | any
                      then "fewer than \($row.expected)"
                      else null end)}' >"$work/judged.json"
    jq -r '[.reading, .ranges[], .name, (.failure // "" | if . == "" then . else "FAIL: " + . end)] | @tsv' \
        "$work/judged.json" |
        awk -F '\t' 'BEGIN { format = "%-8s %-8s %-8s %-8s %-8s %s%s\n"
                             printf format, "reading", "idle", "waiting", "request", "other", "connection", "" }
                     { printf format, $1, $2, $3, $4, $5, $6, $7 == "" ? "" : "   " $7 }'
    while read -r sentence; do fail "$sentence"; done < <(
        jq -r 'select(.failure) | "\(.name): \(.failure)"' "$work/judged.json"
    )
    (($(wc -l <"$work/judged.json") == ${#ports[@]})) || fail "not every row was judged"
}

need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light openssl openssl
[[ -x $TLS_CLIENT ]] || die "no $TLS_CLIENT: build first, or set TLS_CLIENT"
system_begin
take_ports
rows
new_namespaces
make_site
make_certificate
start_nginx "${listens_on[@]}"
phase_begins
start_detector --learn 3600 --localport "$(IFS=, && echo "${ports[*]}")"
start_clients
wait_for 30 all_are_in || die "not all connections are open"
sleep "$settle_s"
from_ms=$(now_ms)
sleep "$watch_s"
to_ms=$(now_ms)
say "$((${#ports[@]} * count)) connections, each row's in one sample"
phase_ends "from the start"
judge
finish
