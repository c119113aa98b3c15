#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs a command for each alert of jsguard, with the alert's figures in its environment:
#   jsguard-load --json | on_alert.sh COMMAND [ARGUMENT...]
#   journalctl -f -n 0 -o json SYSLOG_IDENTIFIER=jsguard _UID=0 | on_alert.sh COMMAND [ARGUMENT...]
# JSGUARD_EVENT (raise or clear), JSGUARD_ID, JSGUARD_PORT, ...: each figure of the alert that is no list, as
# docs/alerts.md names it; JSGUARD_TOP_SOURCE, JSGUARD_TOP_SOURCE_SOCKETS; the whole object in JSGUARD_JSON.
set -euo pipefail

(($# > 0)) || {
    echo "usage: jsguard-load --json | on_alert.sh COMMAND [ARGUMENT...]" >&2
    exit 2
}

# One line NAME=VALUE for each figure; a value has no line break, and is never looked at by a shell.
# shellcheck disable=SC2016
readonly figures='
    (if has("JSGUARD_JSON") then .JSGUARD_JSON | fromjson else . end) as $alert
    | $alert | select(.event_type == "jsguard") | .jsguard | select(.event == "raise" or .event == "clear")
    | (to_entries[] | select(.value | type != "array" and type != "object")
        | "JSGUARD_\(.key | ascii_upcase)=\(.value)"),
      (.top_sources[0] // empty | "JSGUARD_TOP_SOURCE=\(.addr)", "JSGUARD_TOP_SOURCE_SOCKETS=\(.sockets)"),
      "JSGUARD_JSON=\($alert | tojson)"
    | gsub("[\u0000-\u001f]"; "?")'

status=0
while IFS= read -r line; do
    # A line that is no JSON is told, and the next one read: an alert must not end the watch over the alerts.
    if ! text=$(jq -r "$figures" <<<"$line"); then
        echo "on_alert.sh: not a line of jsguard-load --json: ${line:0:200}" >&2
        status=1
        continue
    fi
    [[ -n $text ]] || continue # what is no alert, such as a detector's start
    mapfile -t environment <<<"$text"
    env -- "${environment[@]}" "$@" </dev/null || {
        echo "on_alert.sh: $1: exit code $?" >&2
        status=1
    }
done
exit "$status"
