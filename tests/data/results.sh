#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The results of the recordings beside it, as Markdown: what a replay raises, and how well each measure separates.
set -euo pipefail
shopt -s inherit_errexit

data=$(dirname "${BASH_SOURCE[0]}")
readonly data doc=$data/../../docs/detection.md
readonly begin='<!-- begin: tests/data/results.sh -->' end='<!-- end: tests/data/results.sh -->'
readonly monitored_s=60 # of the normal recordings, the windows after learning
: "${JSGUARD:=$data/../../build/quickstart/loader/jsguard}"

usage() {
    cat <<END
usage: results.sh [--check | --write]
  --check   compares the tables with those in docs/detection.md
  --write   puts them there
JSGUARD says where the program is.
END
}

action=print
while (($# > 0)); do
    case $1 in
    --check | --write) action=${1#--} ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

command -v jq >/dev/null || {
    echo "results.sh needs jq: apt-get install jq" >&2
    exit 1
}

# replayed: of each set what index.json says, its windows, and the alerts that a replay raises.
replayed() {
    local set file
    jq -c '.[]' "$data/index.json" | while read -r set; do
        file=$data/$(jq -r .file <<<"$set")
        "$JSGUARD" replay "$file" --json | jq -c -s --argjson set "$set" --argjson times "$(
            jq -c 'select(.type == "window") | .unix_ms' "$file" | jq -cs '{first: .[0], windows: length}'
        )" -L "$data/../system" 'include "alerts";
            $set + {windows: $times.windows, alerts: map({event: .jsguard.event, signal: .jsguard.signal,
                js_bits: .jsguard.js_bits,
                after_s: ((ms - $times.first) / 1000 - ($set.attack.begin_s // 0))})}'
    done
}

# analyzed: all sets with an attack against the normal ones.
analyzed() {
    local attacks normal
    mapfile -t normal < <(jq -r --arg data "$data" --arg from "$monitored_s" \
        '.[] | select(.attack == null) | "\($data)/\(.file)@\($from)-"' "$data/index.json")
    mapfile -t attacks < <(jq -r --arg data "$data" '.[] | select(.attack)
        | "\(.set)=\($data)/\(.file)@\(.attack.begin_s | ceil)-\(.attack.end_s | floor)"' "$data/index.json")
    "$JSGUARD" analyze --json --normal "${normal[@]}" --attack "${attacks[@]}"
}

tables() {
    local analysis sets
    analysis=$(mktemp)
    sets=$(mktemp)
    # shellcheck disable=SC2064 # the names as they are now
    trap "rm -f '$analysis' '$sets'" EXIT
    analyzed >"$analysis"
    replayed >"$sets"
    jq -nr --slurpfile sets "$sets" --slurpfile analyses "$analysis" -f "$data/results.jq"
}

# in_doc: what stands between the marks.
in_doc() { sed -n "\|^$begin\$|,\|^$end\$|p" "$doc" | sed '1d;$d'; }

case $action in
print) tables ;;
check)
    found=$(tables)
    diff <(in_doc) - <<<"$found" || {
        echo "docs/detection.md does not say what its data sets say: tests/data/results.sh --write"
        exit 1
    }
    ;;
write)
    found=$(tables)
    if ! grep -qx -- "$begin" "$doc" || ! grep -qx -- "$end" "$doc"; then
        echo "docs/detection.md lacks the lines $begin and $end: put them where the tables are to stand" >&2
        exit 1
    fi
    sed -i -e "\|^$begin\$|,\|^$end\$|{\|^$begin\$|!{\|^$end\$|!d}}" "$doc"
    sed -i -e "\|^$begin\$|r /dev/stdin" "$doc" <<<"$found"
    ;;
esac
