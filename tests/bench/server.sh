#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Measures what a server loses: connections a second of nginx with one request each, with the detector and without, in
# turn.

# shellcheck source=../system/servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/../system/servers.sh"
: "${BENCH_BUILD:=$(dirname "$JSGUARD_LOAD")/../tests/bench}"

rounds=200
hot_path_rounds=12
readonly connections=32

usage() {
    cat <<'END'
usage: server.sh [--short] [--results FILE]
Loads nginx with wrk and "Connection: close" over a veth pair. Measures what nginx accepts with a detector and without
(bench-loss), then the cost of a transition under that load (bench-hot-path --others). --short: 6 rounds. JSGUARD_LOAD
and BENCH_BUILD are the paths of the programs.
END
}
# shellcheck disable=SC2034
own_option() {
    case $1 in
    --short) rounds=6 hot_path_rounds=2 words=1 ;;
    *) return 1 ;;
    esac
}
parse_options "$@"
need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light wrk wrk bpftrace bpftrace
system_begin
port=8400 # the port that bench-hot-path uses
new_namespaces
make_site
start_nginx "$port"
"${in_client[@]}" sysctl -q -w net.ipv4.ip_local_port_range='1024 65000'

spawn wrk "${in_client[@]}" wrk --threads 1 --connections "$connections" --duration 10000s \
    --header 'Connection: close' "http://$honest_address:$port/"
is_busy() { [[ $(sockets) == *"$port "* ]]; }
wait_for 10 is_busy || die "wrk does not connect"
say "what the server loses"
"${in_server[@]}" "$BENCH_BUILD/bench-loss" --rounds "$rounds" --port "$port" --json "$work/loss.json"

say "what a transition costs under this load"
"$BENCH_BUILD/bench-hot-path" --others 0.5 --rounds "$hot_path_rounds" --json "$work/hot-path.json"
jq -c --slurpfile hot "$work/hot-path.json" '{loss: ., hot_path_under_load: $hot[0]}' "$work/loss.json" >"$work/results.json"
cp "$work/results.json" "$results"
finish
