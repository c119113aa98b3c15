#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Adds the top sources of each raise to the nftables sets of nft_sources.nft, for a while:
#   nft -f nft_sources.nft
#   jsguard-load --json | nft_sources.sh [--timeout SECONDS] [--share PERCENT] [--sockets NUMBER] [--dry-run]
# Only a source that has so many percent of an occupancy alert's odd connections, and so many of them. Your choice and
# your rule: jsguard itself never blocks. docs/alerts.md tells what can go wrong.
set -euo pipefail

timeout_s=600
share=20
sockets=50
dry_run=0

usage() { sed -n '3,7s/^# \{0,1\}//p' "$0" >&2; }
# number TEXT: a whole number of at most seven digits, or the end.
number() {
    [[ $1 =~ ^(0|[1-9][0-9]{0,6})$ ]] || {
        echo "nft_sources.sh: \"$1\" is not a whole number" >&2
        exit 2
    }
    echo "$1"
}
while (($# > 0)); do
    case $1 in
    --timeout) timeout_s=$(number "${2:-}") && shift ;;
    --share) share=$(number "${2:-}") && shift ;;
    --sockets) sockets=$(number "${2:-}") && shift ;;
    --dry-run) dry_run=1 ;;
    *) usage && exit 2 ;;
    esac
    shift
done
((timeout_s > 0)) || { # to nft that is for ever
    echo "nft_sources.sh: --timeout 0 would never let anybody in again" >&2
    exit 2
}

# "port address" of each source that is over both limits. Only what looks like an address
# goes on; a share is not of what jsguard lists, but of all odd connections.
# shellcheck disable=SC2016
readonly over_both='
    (if has("JSGUARD_JSON") then .JSGUARD_JSON | fromjson else . end)
    | select(.event_type == "jsguard") | .jsguard | select(.event == "raise" and .signal == "occupancy")
    | . as $alert | .top_sources[]
    | select(.sockets >= $sockets and .sockets * 100 >= $alert.source_sockets * $share)
    | .addr | select(test("^[0-9a-f.:]+(/64)?$"))
    | "\($alert.port | tonumber) \(.)"'

# add PORT ADDRESS: one at a time, so that one that is refused does not take the others with it.
add() {
    local set=refused4
    [[ $2 == *:* ]] && set=refused6
    local command="add element inet jsguard_sources $set { $2 . $1 timeout ${timeout_s}s }"
    echo "$command"
    ((dry_run)) || nft "$command" || echo "nft_sources.sh: nft did not take $2" >&2
}

while IFS= read -r line; do
    jq -r --argjson sockets "$sockets" --argjson share "$share" "$over_both" <<<"$line" |
        while read -r port address; do add "$port" "$address"; done ||
        echo "nft_sources.sh: not a line of jsguard-load --json: ${line:0:200}" >&2
done
