#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What a server loses: connections a second of nginx, a request each, with the detector and without, in turns.

# shellcheck source=../system/servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/../system/servers.sh"
: "${BENCH_BUILD:=$(dirname "$JSGUARD_LOAD")/../tests/bench}"

rounds=200
turns=12
readonly connections=32

usage() {
    cat <<'END'
usage: server.sh [--short] [--results FILE]
wrk with "Connection: close" over a veth pair: what nginx accepts with a detector and without (bench-loss), then what a
transition costs under that load (bench-hot-path --others). --short: 6 rounds. JSGUARD_LOAD and BENCH_BUILD say where
the programs are.
END
}
# shellcheck disable=SC2034
own_option() {
    case $1 in
    --short) rounds=6 turns=2 words=1 ;;
    *) return 1 ;;
    esac
}
parse_options "$@"
need_root_and_bpf
need ip iproute2 ss iproute2 nginx nginx-light wrk wrk bpftrace bpftrace
system_begin
port=8400 # of bench-hot-path
new_namespaces
make_site
start_nginx "$port"
"${in_client[@]}" sysctl -q -w net.ipv4.ip_local_port_range='1024 65000'

spawn wrk "${in_client[@]}" wrk --threads 1 --connections "$connections" --duration 10000s \
    --header 'Connection: close' "http://$honest_address:$port/"
is_busy() { [[ $(sockets) == *"$port "* ]]; }
wait_for 10 is_busy || die "wrk does not come"
say "what the server loses"
"${in_server[@]}" "$BENCH_BUILD/bench-loss" --rounds "$rounds" --port "$port" --json "$work/loss.json"

say "what a transition costs under this load"
"$BENCH_BUILD/bench-hot-path" --others 0.5 --rounds "$turns" --json "$work/hot-path.json"
jq -c --slurpfile hot "$work/hot-path.json" '{loss: ., hot_path_under_load: $hot[0]}' "$work/loss.json" >"$work/results.json"
cp "$work/results.json" "$results"
finish
