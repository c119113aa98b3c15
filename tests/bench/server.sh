#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What a server loses: requests a second of nginx, a connection each, with the detector and without, in pairs.

# shellcheck source=../system/servers.sh
source "$(dirname "${BASH_SOURCE[0]}")/../system/servers.sh"
bench=$(dirname "${BASH_SOURCE[0]}")
: "${BENCH_BUILD:=$(dirname "$JSGUARD_LOAD")/../tests/bench}"

pairs=24
seconds=3
turns=12
readonly connections=32

usage() {
    cat <<'END'
usage: server.sh [--short] [--results FILE]
wrk with "Connection: close" over a veth pair: in pairs with jsguard-load and without, in turns first. Then what a
transition costs under that load (bench-hot-path --others). --short: 2 pairs of 1 s. JSGUARD_LOAD and BENCH_BUILD say
where the programs are.
END
}
# shellcheck disable=SC2034
own_option() {
    case $1 in
    --short) pairs=2 seconds=1 turns=2 words=1 ;;
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

# wrk_for SECONDS: requests a second, into $rate.
wrk_for() {
    "${in_client[@]}" wrk --threads 1 --connections "$connections" --duration "$1s" --header 'Connection: close' \
        "http://$honest_address:$port/" >"$work/wrk.out"
    rate=$(awk '/^Requests\/sec:/ { print $2 }' "$work/wrk.out")
    [[ -n $rate ]] || die "wrk has no result"
}
with_detector() {
    start_detector --localport "$port" --learn 2
    wrk_for "$seconds"
    on=$rate
    stop_detector INT
    ((detector_status == 0)) || die "the detector's exit code is $detector_status"
}
without() {
    wrk_for "$seconds"
    off=$rate
}

wrk_for 1 # nobody is first
for ((pair = 1; pair <= pairs; pair++)); do
    if ((pair % 2)); then
        with_detector
        without
    else
        without
        with_detector
    fi
    jq -nc --argjson on "$on" --argjson off "$off" '{$on, $off, ratio: ($on / $off)}' >>"$work/pairs.json"
done
jq -s -c -L "$bench" 'include "spread"; {pairs: length, requests_a_second: (map(.off) | spread), ratio: (map(.ratio) | spread)}' \
    "$work/pairs.json" >"$work/loss.json"
jq -r '"\(.requests_a_second.median | round) requests a second without the detector; with it \(.ratio.median * 1000 | round / 10) % of that"
    + " (\(.ratio.lower_quartile * 1000 | round / 10) to \(.ratio.upper_quartile * 1000 | round / 10) %), \(.pairs) pairs"' "$work/loss.json"

say "what a transition costs under this load"
spawn wrk "${in_client[@]}" wrk --threads 1 --connections "$connections" --duration 1000s \
    --header 'Connection: close' "http://$honest_address:$port/"
"$BENCH_BUILD/bench-hot-path" --others 0.5 --rounds "$turns" --json "$work/hot-path.json"
jq -c --slurpfile hot "$work/hot-path.json" '{loss: ., hot_path_under_load: $hot[0]}' "$work/loss.json" >"$work/results.json"
cp "$work/results.json" "$results"
finish
